"""Bounds of work on documents that no operator needs to change."""

from typing import Final

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a document: the servers' own bound (https://www.mongodb.com/docs/manual/reference/limits/#bson-documents)."""
STREAMS: Final = 32
"""Streams of documents at a time in a process."""
STREAMS_OF_ONE_DATABASE: Final = 4
"""Streams of documents at a time of one database, each on a connection of its own while it reads."""
