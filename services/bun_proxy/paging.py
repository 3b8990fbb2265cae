"""Page tokens: the key of the last row of the page before, opaque to clients."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CURSOR


def make(key: Sequence[str]) -> str:
    """The token of the page after a row."""
    body = json.dumps(list(key), ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def read(token: str, fields: int) -> tuple[str, ...]:
    """The key of the row before the page; empty for the first page.

    Raises:
        StudioError: INVALID_CURSOR.
    """
    if not token:
        return ()
    try:
        key = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise invalid() from None
    if not isinstance(key, list) or len(key) != fields or not all(isinstance(each, str) for each in key):
        raise invalid()
    return tuple(key)


def invalid() -> StudioError:
    """The error for a token that is none."""
    message = "The page token is none of this list: send the one of the answer before."
    return StudioError(
        ERROR_REASON_INVALID_CURSOR, message, violations=[FieldViolation("page_token", message)]
    )
