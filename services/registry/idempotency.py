"""Recognises a request that is repeated: by a keyed digest of what it asks for."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

_PURPOSE = b"studio-databases/v1/request-digest"


class Digests:
    """Digests of requests. Keyed, since they are stored and cover a password, which a plain digest lets one guess.

    Args:
        secret: shared by the replicas.
    """

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)

    def digest(self, asked: Sequence[object]) -> str:
        """The digest of what a request asks for, in hexadecimal; its values are what JSON knows."""
        text = json.dumps(asked, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()
