"""The bounds of writing."""

from typing import Final

MAX_FAILURES: Final = 1000
"""Failures of an unordered insert that an answer describes."""
SAMPLES: Final = 10
"""Documents that a dry run shows."""
SAMPLE_BYTES: Final = 2 * 1024 * 1024
"""Bytes of documents that a dry run shows, as they are before."""
MAX_CONFLICT_BYTES: Final = 3000
"""Characters of a document's JSON that a conflict shows: errors travel in headers."""
TRIES: Final = 3
"""How often a change that another one crossed is begun anew."""
