"""What an API key looks like: `sdb_<id>_<secret><checksum>`.

The id names it, in logs and in the audit log. The secret holds 256 random bits in base 62. The checksum, a CRC-32 in
base 62, lets nonsense be refused without a question, and scanners for leaked secrets be sure of what they found. A
service hands the SHA-256 of the secret to the registry, which stores the SHA-256 of that: neither what travels between
services nor what is stored is the key. Nothing slower is needed where nobody can guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, field

from services.runtime.auth.refusals import WrongCredentialError

PREFIX = "sdb_"
ID_CHARS = 16
SECRET_BYTES = 32
SECRET_CHARS = 43
"""256 bits in base 62."""
CHECKSUM_CHARS = 6
"""32 bits in base 62."""
SUBJECT_PREFIX = "key:"
"""What `Caller.subject` begins with for API keys and the sessions opened with them, and for nobody else."""

BEGINNING = rf"{PREFIX}[0-9a-z]{{{ID_CHARS}}}_"
"""What every API key begins with; digits and letters follow."""

_FORM = re.compile(rf"{BEGINNING}[0-9A-Za-z]{{{SECRET_CHARS + CHECKSUM_CHARS}}}")
_SECRET_AT = len(PREFIX) + ID_CHARS + 1
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that has just been made."""

    id: str
    """Names it."""
    text: str = field(repr=False)
    """The key itself."""
    stored: bytes = field(repr=False)
    """What is stored to know it again."""


def generate() -> NewKey:
    """A new key."""
    id_ = "".join(secrets.choice(_ID_DIGITS) for _ in range(ID_CHARS))
    secret = _base62(int.from_bytes(secrets.token_bytes(SECRET_BYTES), "big"), SECRET_CHARS)
    text = f"{PREFIX}{id_}_{secret}"
    text += _checksum(text)
    return NewKey(id_, text, stored(parse(text)[1]))


def parse(text: str) -> tuple[str, bytes]:
    """The id of a key, and the digest of its secret that the registry is asked with.

    Raises:
        WrongCredentialError: it is no key; it has been mistyped or cut, say.
    """
    if not _FORM.fullmatch(text):
        raise WrongCredentialError("The API key is not valid: it is malformed.")
    if _checksum(text[:-CHECKSUM_CHARS]) != text[-CHECKSUM_CHARS:]:
        raise WrongCredentialError("The API key is not valid: it is mistyped or cut.")
    return id_of(text), digest(text)


def id_of(text: str) -> str:
    """The id in what may be a key."""
    return text[len(PREFIX) : _SECRET_AT - 1]


def digest(text: str) -> bytes:
    """The digest of the secret in what may be a key; checksum included, so that another one is another secret."""
    return hashlib.sha256(text[_SECRET_AT:].encode("utf-8", "surrogatepass")).digest()


def stored(secret_digest: bytes) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(secret_digest).digest()


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), CHECKSUM_CHARS)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
