"""The server's error codes that mean something to the code here, beside what a caller is told of them.

https://www.mongodb.com/docs/manual/reference/error-codes/
"""

from __future__ import annotations

TYPE_MISMATCH = 14
INDEX_NOT_FOUND = 27
COMMAND_NOT_FOUND = 59
COMMAND_NOT_SUPPORTED = 115
NOT_IMPLEMENTED = 238
UNKNOWN_STAGE = 40324

MISSING = frozenset({COMMAND_NOT_FOUND, COMMAND_NOT_SUPPORTED, NOT_IMPLEMENTED, UNKNOWN_STAGE})
"""The server does not have the command or stage."""
