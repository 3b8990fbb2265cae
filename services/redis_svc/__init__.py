"""The Redis service: browses and edits registered Redis and Valkey servers.

`app` composes it; `handlers` speak gRPC and nothing else; every other module is the engine's own, imports no gRPC and
can be used and tested alone.
"""
