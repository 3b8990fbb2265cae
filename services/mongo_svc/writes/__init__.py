"""Writing documents: inserts, replacements, updates, deletions, and dry runs of them.

The driver's own methods do the writing, so that its retries hold; documents reach it as raw BSON, which it passes on as
it is. Pure of gRPC.
"""
