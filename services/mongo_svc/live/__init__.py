"""What changes in databases, as streams."""
