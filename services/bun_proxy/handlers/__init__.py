"""gRPC in and out, nothing else: a handler for each service of the contract's area `bun`."""
