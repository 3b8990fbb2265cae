"""Databases and collections: made, changed, renamed, dropped; and work on them that takes long."""
