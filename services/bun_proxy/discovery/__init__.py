"""Which routes an API has: finds its OpenAPI document, reads it within bounds, and keeps it for a while.

Documents are an API's own text, and are read as an adversary's: size, depth, references and amount are bounded.
"""
