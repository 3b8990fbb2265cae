"""Resume tokens as texts: what the server calls one is a document, which is passed on as it is and means nothing here.

https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md#resume-token
"""

from __future__ import annotations

import base64
import binascii

from services.mongo_svc import ejson
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


def to_text(token: bytes) -> str:
    """The text of a token, a BSON document."""
    return base64.urlsafe_b64encode(token).decode()


def from_text(text: str) -> bytes:
    """The token of a text.

    Raises:
        StudioError: INVALID_CURSOR.
    """
    try:
        token = base64.b64decode(text, altchars=b"-_", validate=True)
        ejson.check(token)
    except (binascii.Error, ValueError, StudioError):
        raise StudioError(
            e.ERROR_REASON_INVALID_CURSOR,
            "The resume token is none of a stream of changes.",
            hint="Take it as it is from an event.",
        ) from None
    return token
