"""Confirmations: what a dangerous command needs beside the role, so that one wrong click does nothing.

A token says that this caller was shown that these very commands, on this database, are dangerous. It is an HMAC with
an expiry, so that any process of the service takes what another one gave, and nothing has to be stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_PURPOSE = b"studio-databases/redis/console/confirmation"
_MAC_BYTES = 24


@dataclass(frozen=True, slots=True)
class Subject:
    """What a token is bound to."""

    caller: str
    """Who asks."""
    database_id: str
    """Where."""
    commands: Sequence[Sequence[bytes]]
    """What, word by word."""


class Confirmations:
    """Gives tokens and checks them.

    Args:
        secret: shared by the processes of the system.
        lifetime_s: whole seconds for which a token holds.
    """

    def __init__(self, secret: str, lifetime_s: int) -> None:
        # A key of its own, so that no other signature made with the secret passes for a token.
        self._key = hmac.digest(secret.encode(), _PURPOSE, hashlib.sha256)
        self._lifetime_s = lifetime_s

    def issue(self, subject: Subject, now: float) -> str:
        """A token that holds from now on; `now` in seconds since 1970."""
        expiry = int(now) + self._lifetime_s
        return f"{expiry}.{self._mac(subject, expiry)}"

    def accepts(self, token: str, subject: Subject, now: float) -> bool:
        """Whether a token is one for exactly this, and still holds."""
        expiry, _, mac = token.partition(".")
        if not (expiry.isascii() and expiry.isdecimal() and len(expiry) <= 12):  # noqa: PLR2004  digits of a time
            return False
        known = hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(subject, int(expiry)).encode())
        return known and now < int(expiry)

    def _mac(self, subject: Subject, expiry: int) -> str:
        digest = hmac.new(self._key, struct.pack(">Q", expiry), hashlib.sha256)
        # Every part with its length before it: two lists of words never look the same.
        for text in (subject.caller, subject.database_id):
            digest.update(_sized(text.encode("utf-8", "surrogatepass")))
        for command in subject.commands:
            digest.update(struct.pack(">Q", len(command)))
            for word in command:
                digest.update(_sized(word))
        return base64.urlsafe_b64encode(digest.digest()[:_MAC_BYTES]).decode()


def _sized(part: bytes) -> bytes:
    return struct.pack(">Q", len(part)) + part
