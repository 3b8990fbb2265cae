"""Every bound of what is told about a server, in one place."""

from __future__ import annotations

DEFAULT_OPERATIONS = 100
"""Operations of an answer when the call doesn't say."""
DEFAULT_TOP = 50
"""Collections of an answer when the call doesn't say."""
DEFAULT_ENTRIES = 50
"""Profiler entries of a page when the call doesn't say."""
DEFAULT_SESSIONS = 100
"""Sessions of an answer when the call doesn't say."""
DEFAULT_LOG_LINES = 200
"""Lines of a log when the call doesn't say; a server keeps 1024."""
SHOWN_COMMAND_CHARACTERS = 4096
"""Characters of a command, as Extended JSON."""
SHOWN_VALUE_BYTES = 1024
"""Bytes of a text or binary value inside a command; what follows is cut."""
SHOWN_TEXT_BYTES = 256
"""Bytes that are left of one that is cut."""
SHOWN_FIELDS = 200
"""Fields of a document, or items of an array, inside a command."""
SHOWN_DEPTH = 12
"""Levels of documents inside a command."""
MAX_TEXT = 512
"""Characters of other texts."""
MAX_MEMBERS = 50
"""Members of a replica set: as many as a server allows."""
MAX_SHARDS = 1000
"""Shards of a cluster."""
MAX_OF_ONE_MOMENT = 10_000
"""Profiler entries of the same millisecond that paging tells apart."""
