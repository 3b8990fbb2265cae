"""Sealing of secrets: AES-256-GCM with a key ring, bound to the row it belongs to.

Format of a sealed value, printable ASCII without padding (`docs/encryption.md` describes it for other programs):

    v1.<key id>.<base64url(nonce (12 bytes) || ciphertext || tag (16 bytes))>

The key is HKDF-SHA256 (RFC 5869) of the secret from the environment, without salt, `info` = KEY_INFO, 32 bytes. The
key id is the first 8 bytes of HKDF-SHA256 with `info` = ID_INFO, in hexadecimal: it names a key without telling
anything about it. The associated data are "v1", the key id, the row's id and its type, each preceded by its length
as four bytes big-endian, so that a value moved to another row or type does not open (NIST SP 800-38D).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = "v1"
KEY_INFO = b"studio-databases/v1/key"
ID_INFO = b"studio-databases/v1/key-id"
NONCE_BYTES = 12
TAG_BYTES = 16
_KEY_ID = re.compile(r"[0-9a-f]{16}")
MIN_SECRET_CHARS = 16
"""Shorter secrets are refused: HKDF spreads entropy, it does not add any."""

# Examples of documentation and defaults of other programs; whoever runs with one has no secret.
WELL_KNOWN = frozenset(
    {
        "SAMPLE_KEY",
        "your-encryption-key",
        "your-32-character-encryption-key",
        "your-encryption-key-32-chars-min",
        "your-super-secret-and-long-postgres-password",
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
        "a-strong-encryption-key",
        "changeme",
    }
)


class SealedValueError(ValueError):
    """A value does not open: malformed, sealed with a key we don't have, or moved to another row."""


class WeakKeyError(ValueError):
    """A secret is too short or printed in somebody's documentation."""


class _Key:
    """One key of the ring."""

    __slots__ = ("aead", "id")

    def __init__(self, secret: str) -> None:
        self.aead = AESGCM(derive(secret, KEY_INFO, 32))
        self.id = derive(secret, ID_INFO, 8).hex()


class KeyRing:
    """The key that seals, and those that still open.

    Args:
        current: the secret that seals from now on.
        retired: secrets that sealed before.

    Raises:
        WeakKeyError: a secret is shorter than `MIN_SECRET_CHARS` or well known.
    """

    def __init__(self, current: str, retired: Sequence[str] = ()) -> None:
        check_secret(current)
        self._current = _Key(current)
        self._keys = {key.id: key for key in (*map(_Key, retired), self._current)}

    @classmethod
    def from_secrets(cls, current: str, retired: Sequence[str] = ()) -> KeyRing:
        """The ring of these secrets."""
        return cls(current, retired)

    @property
    def current_key_id(self) -> str:
        """Name of the key that seals."""
        return self._current.id

    def seal(self, plaintext: str, *, row_id: str, type_: str) -> str:
        """Encrypts a text for one row, with a fresh nonce."""
        nonce = os.urandom(NONCE_BYTES)
        data = _associated_data(self._current.id, row_id, type_)
        body = nonce + self._current.aead.encrypt(nonce, plaintext.encode(), data)
        return f"{VERSION}.{self._current.id}.{_encoded(body)}"

    def open(self, sealed: str, *, row_id: str, type_: str) -> str:
        """Decrypts what `seal` made for this row.

        Raises:
            SealedValueError: it does not open; the message never holds any of the value.
        """
        key_id, body = _parse(sealed)
        key = self._keys.get(key_id)
        if key is None:
            raise SealedValueError(f"sealed with key {key_id}, which is not in the ring")
        data = _associated_data(key_id, row_id, type_)
        try:
            return key.aead.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], data).decode()
        except (InvalidTag, UnicodeDecodeError):
            raise SealedValueError("the value was altered, or sealed for another row") from None

    def is_current(self, sealed: str) -> bool:
        """Whether the current key sealed it; False for values of older keys or other formats."""
        return is_sealed(sealed) and sealed.split(".")[1] == self._current.id


def is_sealed(text: str) -> bool:
    """Whether the text has the format of a sealed value."""
    try:
        _parse(text)
    except SealedValueError:
        return False
    return True


def check_secret(secret: str) -> None:
    """Refuses a secret that protects nothing.

    Raises:
        WeakKeyError: with a sentence that does not repeat it.
    """
    if len(secret) < MIN_SECRET_CHARS:
        raise WeakKeyError(f"must have at least {MIN_SECRET_CHARS} characters, better 32 random ones")
    if secret in WELL_KNOWN or len(set(secret)) < 4:  # noqa: PLR2004  "aaaaaaaaaaaaaaaa" and its like
        raise WeakKeyError("is a well-known example; generate one: openssl rand -base64 32")


def derive(secret: str, info: bytes, length: int = 32) -> bytes:
    """A key of so many bytes for one purpose, by HKDF-SHA256 without salt (RFC 5869).

    Args:
        secret: from the environment.
        info: names the purpose: keys of two purposes tell nothing about each other.
        length: bytes.
    """
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.encode())


def _associated_data(key_id: str, row_id: str, type_: str) -> bytes:
    parts = [part.encode() for part in (VERSION, key_id, row_id, type_)]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _parse(sealed: str) -> tuple[str, bytes]:
    version, _, rest = sealed.partition(".")
    key_id, _, encoded = rest.partition(".")
    if version != VERSION or not _KEY_ID.fullmatch(key_id):
        raise SealedValueError("not a sealed value")
    try:
        body = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SealedValueError("not a sealed value") from None
    if len(body) < NONCE_BYTES + TAG_BYTES:
        raise SealedValueError("not a sealed value: too short")
    # One value, one text: the decoder ignores spare bits of the last character, and takes `+/` for `-_`.
    if _encoded(body) != encoded:
        raise SealedValueError("not a sealed value")
    return key_id, body


def _encoded(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()
