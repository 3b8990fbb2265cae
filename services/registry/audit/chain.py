"""What ties each row of the audit log to the one before, so that a change afterwards shows.

    hash(n) = HMAC-SHA-256(key, "row" NUL || hash(n - 1) || line(n))

`line` is the row as `COPY … TO` writes it (`rows.LINE`), without its hash; hash(0) is 32 zero bytes. Who may write to
the platform database but lacks the key can't make a hash that fits. A chain can be cut off at its end without a trace
in it: that shows against a head that was noted elsewhere. docs/audit.md describes all of it for other programs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_INFO = b"studio-databases/v1/audit-chain"
_ROW, _CHECKPOINT = b"row\0", b"checkpoint\0"


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain."""

    sequence: int
    """Of the row; 0 before the first one."""
    hash: bytes
    """Its hash."""

    def __str__(self) -> str:
        """`SEQUENCE:HASH`, as operators note it."""
        return f"{self.sequence}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Link:
        """The place that `SEQUENCE:HASH` names.

        Raises:
            ValueError: it names none; with a sentence.
        """
        sequence, _, digest = text.strip().partition(":")
        if not (sequence.isascii() and sequence.isdecimal() and len(sequence) < 19):  # noqa: PLR2004  a bigint
            raise ValueError("must be SEQUENCE:HASH, as verify-audit prints its head")
        try:
            link = cls(int(sequence), bytes.fromhex(digest))
        except ValueError:
            link = cls(0, b"")
        if len(link.hash) != len(BEGINNING.hash):
            raise ValueError("must be SEQUENCE:HASH with a hash of 64 hexadecimal digits")
        return link


BEGINNING = Link(0, bytes(hashlib.sha256().digest_size))
"""What the first row is tied to."""


class ChainKeys:
    """The key that signs, and those that signed before.

    Args:
        current: the secret of now.
        retired: former ones.
    """

    def __init__(self, current: str, retired: Sequence[str] = ()) -> None:
        secrets = list(dict.fromkeys((current, *retired)))
        self.all = tuple(_derive(secret) for secret in secrets)
        """Derived keys, the current one first."""

    @property
    def current(self) -> bytes:
        """The key that signs."""
        return self.all[0]

    def seal_checkpoint(self, link: Link) -> bytes:
        """Proves that the rows up to this one have gone by their age."""
        return _checkpoint_mac(self.current, link)

    def is_checkpoint(self, link: Link, mac: bytes) -> bool:
        """Whether one of the keys made this proof; the beginning needs none."""
        if link == BEGINNING and not mac:
            return True
        return any(hmac.compare_digest(mac, _checkpoint_mac(key, link)) for key in self.all)


def row_hash(key: bytes, previous: bytes, line: bytes) -> bytes:
    """The hash of a row."""
    return hmac.digest(key, _ROW + previous + line, "sha256")


class Walk:
    """Follows the chain.

    A key is not taken again once another has signed: who gets hold of a former secret must not be able to write what is
    new.

    Args:
        keys: that may have signed.
        start: the place that is known to be right.
    """

    def __init__(self, keys: ChainKeys, start: Link) -> None:
        self._keys = list(keys.all)
        self._key: bytes | None = None
        self.at = start
        """The last row that is right."""

    def fits(self, line: bytes, digest: bytes) -> bool:
        """Whether this is the next row; then it stands on it."""
        if self._key is None or not self._is_by(self._key, line, digest):
            found = next((key for key in self._keys if self._is_by(key, line, digest)), None)
            if found is None:
                return False
            self._key = found
            self._keys.remove(found)
        self.at = Link(self.at.sequence + 1, digest)
        return True

    def _is_by(self, key: bytes, line: bytes, digest: bytes) -> bool:
        return hmac.compare_digest(row_hash(key, self.at.hash, line), digest)


def _derive(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=KEY_INFO).derive(secret.encode())


def _checkpoint_mac(key: bytes, link: Link) -> bytes:
    return hmac.digest(key, _CHECKPOINT + str(link).encode(), "sha256")
