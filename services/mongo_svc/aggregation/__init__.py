"""Aggregation pipelines: run, streamed, shown stage by stage; and how the server runs queries. Knows no gRPC."""
