"""A page of a list as bytes: versioned, and with a MAC over it and its key.

Whatever else stands in that Redis, under whatever key, is no page: garbage, a value of another version, another
registry's, or one that was moved. Pages hold what lists show, so no connection string, sealed or not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.registry.store.rows import Database

VERSION = b"\x02"
"""Of the fields and their order: another version's pages are ignored."""
MAC_BYTES = 16
MAX_BYTES = 4 << 20
"""A larger page is not cached."""

_FIELDS = [field.name for field in dataclasses.fields(Database)]
_TIMES = [_FIELDS.index(name) for name in ("last_connected_at", "created_at", "updated_at")]


def encode(secret: bytes, key: str, rows: Sequence[Database]) -> bytes:
    """The page to store under `key`."""
    values = [[getattr(row, name) for name in _FIELDS] for row in rows]
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":"), default=_text).encode()
    return VERSION + _mac(secret, key, body) + body


def decode(secret: bytes, key: str, stored: bytes) -> list[Database] | None:
    """The rows of a page; None where it is none that `encode` made for this key."""
    body = stored[1 + MAC_BYTES :]
    if stored[:1] != VERSION or not hmac.compare_digest(stored[1 : 1 + MAC_BYTES], _mac(secret, key, body)):
        return None
    return [_row(values) for values in json.loads(body)]


def _row(values: list[Any]) -> Database:
    for index in _TIMES:
        if values[index] is not None:
            values[index] = datetime.fromisoformat(values[index])
    return Database(*values)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no field of a database is a {type(value).__name__}")


def _mac(secret: bytes, key: str, body: bytes) -> bytes:
    text = key.encode()
    signed = VERSION + len(text).to_bytes(4, "big") + text + body
    return hmac.digest(secret, signed, hashlib.sha256)[:MAC_BYTES]
