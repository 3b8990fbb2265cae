"""Bounds of our own requests to an API."""

from __future__ import annotations

HEALTH_S = 5.0
"""Seconds for all requests of a health check."""
DIAGNOSIS_S = 4.5
"""Seconds of a connection test in the worst case; the contract promises 5."""
CONNECT_S = 3.5
"""Seconds of it for the connection, less than for the whole answer: the stage that hangs can be named then."""
KNOCK_S = 0.75
"""Seconds of it that may be spent on finding out why a server answers strangely."""
HEALTH_BODY_BYTES = 4096
"""Of a health path's answer that are read."""
WORD_CHARS = 64
"""Of a version, or of a name that a server gives itself."""
PATH_CHARS = 512
"""Of a path in a database's config."""
