"""The MongoDB service: browses and edits registered MongoDB servers.

`app` composes it; `handlers` speak gRPC and nothing else; every other module is the engine's own, imports no gRPC and
can be used and tested alone.
"""
