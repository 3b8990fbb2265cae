"""Page tokens: where the next page begins, opaque to clients, worth nothing for another list.

A token is the key of the last row and a MAC over it and the filter. So a token that was altered, or is sent with
another filter, is refused instead of skipping rows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence

from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CURSOR

MAC_BYTES = 16
DEFAULT_PAGE_SIZE = 100
_PURPOSE = b"studio-databases/v1/page-token"


class PageTokens:
    """Makes and reads page tokens.

    Args:
        secret: shared by the replicas of a service, so that each reads the others' tokens.
    """

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)

    def make(self, filters: Sequence[str], last: Sequence[str]) -> str:
        """The token of the page after `last`, the key of a row."""
        body = json.dumps(last, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(filters, body) + body).rstrip(b"=").decode()

    def read(self, filters: Sequence[str], token: str, fields: int) -> tuple[str, ...]:
        """The key of the row after which the page begins; it has `fields` fields.

        Raises:
            StudioError: INVALID_CURSOR.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _invalid() from None
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(filters, body)):
            raise _invalid()
        key = tuple(json.loads(body))
        if len(key) != fields:
            raise _invalid()
        return key

    def _mac(self, filters: Sequence[str], body: bytes) -> bytes:
        text = json.dumps(list(filters), ensure_ascii=False).encode()
        return hmac.digest(self._key, len(text).to_bytes(4, "big") + text + body, hashlib.sha256)[:MAC_BYTES]


def _invalid() -> StudioError:
    message = "The page token is none of this list: send the one of the answer before, with the same filters."
    return StudioError(
        ERROR_REASON_INVALID_CURSOR, message, violations=[FieldViolation("page_token", message)]
    )
