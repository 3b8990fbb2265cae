"""The server itself: overview, clients, slow log, latency, memory analysis, advice. No gRPC."""
