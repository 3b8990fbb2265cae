"""Values of each type: what the commands of its family do, in bytes. No gRPC."""
