"""The Bun API service: forwards requests to registered HTTP APIs with their stored keys, and tells how they are.

`forward` is the data plane: plain HTTP in, plain HTTP out, on a port of its own, since gRPC can't keep status, headers
and trailers. `handlers` answer gRPC like those of every other service.
"""
