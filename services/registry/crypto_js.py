"""What crypto-js reads and writes: `AES.encrypt(text, passphrase).toString()`.

Values that others stored in this format are read, never written; it is written where pg-meta reads it, in a header.

Base64 of `Salted__`, an 8-byte salt and AES-256-CBC with PKCS #7 padding; key and IV come from EVP_BytesToKey with MD5
and one round (https://docs.openssl.org/3.0/man3/EVP_BytesToKey). Nothing authenticates it: a wrong passphrase shows
only in the padding and in what comes out, so callers check that, too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from services.runtime.crypto import SealedValueError

PREFIX = "U2FsdGVkX1"
"""What `Salted__` and the first bits of any salt look like in base64."""

_MAGIC = b"Salted__"
_SALT_BYTES = 8
_BLOCK_BYTES = 16
_KEY_BYTES = 32


def is_legacy(value: str) -> bool:
    """Whether a stored value has this format."""
    return value.startswith(PREFIX)


def open_legacy(value: str, passphrase: str) -> str:
    """Decrypts a value.

    Raises:
        SealedValueError: it is malformed, or the passphrase is another.
    """
    try:
        raw = base64.b64decode(value, validate=True)
    except binascii.Error:
        raise SealedValueError("not a value of crypto-js: not base64") from None
    salt, body = raw[len(_MAGIC) : len(_MAGIC) + _SALT_BYTES], raw[len(_MAGIC) + _SALT_BYTES :]
    if not raw.startswith(_MAGIC) or not body or len(body) % _BLOCK_BYTES:
        raise SealedValueError("not a value of crypto-js: wrong length or prefix")
    key, iv = _key_and_iv(passphrase.encode(), salt)
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    unpadder = PKCS7(_BLOCK_BYTES * 8).unpadder()
    try:
        padded = decryptor.update(body) + decryptor.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:  # wrong padding, or bytes that are no UTF-8
        raise SealedValueError("the value was written with another passphrase") from None


def seal_legacy(text: str, passphrase: str) -> str:
    """Encrypts a text as crypto-js does, with a fresh salt."""
    salt = os.urandom(_SALT_BYTES)
    key, iv = _key_and_iv(passphrase.encode(), salt)
    padder = PKCS7(_BLOCK_BYTES * 8).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return base64.b64encode(_MAGIC + salt + encryptor.update(padded) + encryptor.finalize()).decode()


def _key_and_iv(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    derived = block = b""
    while len(derived) < _KEY_BYTES + _BLOCK_BYTES:
        block = hashlib.md5(block + passphrase + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:_KEY_BYTES], derived[_KEY_BYTES : _KEY_BYTES + _BLOCK_BYTES]
