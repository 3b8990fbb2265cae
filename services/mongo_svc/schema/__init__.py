"""What documents of a collection look like, and which validation rules they keep or break. Knows no gRPC."""
