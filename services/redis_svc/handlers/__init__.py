"""gRPC in and out, nothing else."""
