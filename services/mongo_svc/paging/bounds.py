"""The bounds of paging."""

from typing import Final

MAX_SKIPPED: Final = 1_000_000
"""Documents that are passed over to reach a page where a position can't be named."""
MAX_TIES: Final = 200
"""Documents of one sort key's value that a token names, because the index has them in no order of their own."""
MAX_TOKEN_BYTES: Final = 24 * 1024
"""Bytes of a position in a token (a third more as text); a longer one is not named, but counted."""
KINDS_AGE_S: Final = 10.0
"""Seconds for which it is known whether a name is that of a view."""
MAX_KINDS: Final = 1000
"""Names of one registered database for which that is known."""
