"""Names in HTTP that more than one service judges: when they are stored, and when they are used."""

from __future__ import annotations

import re

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
"""A header's name, or an authentication scheme's: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2."""

OF_THE_MESSAGE = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
"""Headers that say how a message travels: none of them can carry a key."""
