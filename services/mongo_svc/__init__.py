"""The MongoDB service: databases, collections, documents and the server of registered connections, over gRPC.

`handlers` take requests apart and put answers together; everything else knows no gRPC.
"""
