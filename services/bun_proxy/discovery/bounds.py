"""Bounds of reading an OpenAPI document."""

from __future__ import annotations

DOCUMENT_BYTES = 4 << 20
NODES = 400_000
"""Values in a document, each key and each element counted: 4 MiB of nothing but brackets would fill 100 MB."""
DEPTH = 200
"""Levels of a document."""
PLACE_S = 5.0
"""Seconds for one place."""
FIND_S = 12.0
"""Seconds for all places; the gateway gives up after 15."""
REDIRECTS = 2
"""Followed at one place, within the API."""
KEPT_S = 300.0
"""Seconds for which a document is kept."""
FAILURE_KEPT_S = 30.0
"""Seconds for which it is known that there is none, or none that can be read."""
REFRESH_S = 5.0
"""Seconds within which asking anew is answered from what is kept."""
READ_AT_A_TIME = 1
"""Documents."""
DOCUMENTS_KEPT = 32
"""APIs whose routes are kept; the one unused for the longest makes room."""

REF_HOPS = 16
"""References in a row."""
POINTER_CHARS = 512
"""Of a reference."""
ROUTES = 2000
DETAILS = 20_000
"""Parameters and answers of all routes together: references can repeat them without end."""
PARAMETERS = 100
"""Of a route."""
ANSWERS = 30
"""Of a route."""
CONTENT_TYPES = 20
"""Of a body."""
SCHEMES = 20
"""Of a route's security, each alternative and each scheme in it."""
TAGS = 20
"""Of a route."""
ALL_TAGS = 200
"""Of a document."""
VALUES = 50
"""Listed of a parameter."""
TYPES = 5
"""Alternatives of a type, and levels of arrays in arrays."""
WARNINGS = 20

NAME_CHARS = 128
PATH_CHARS = 512
LINE_CHARS = 300
TEXT_CHARS = 1000
ABOUT_CHARS = 2000
"""Of a document's description."""

PAGE_BYTES = 1 << 20
"""Of routes after which a page ends, however few they are; the first is always in it."""
