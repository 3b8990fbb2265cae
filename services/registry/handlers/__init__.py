"""gRPC in and out, one module a service: requests become calls of `Databases`, rows become messages."""
