"""Another program that reads and writes stored connection strings, written from docs/encryption.md alone.

Nothing of the project is imported here, so that the page is tested and not our code against itself.
"""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def key_of(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"studio-databases/v1/key").derive(secret.encode())


def key_id_of(secret: str) -> str:
    return HKDF(SHA256(), 8, salt=None, info=b"studio-databases/v1/key-id").derive(secret.encode()).hex()


def associated_data(key_id: str, row_id: str, row_type: str) -> bytes:
    strings = [text.encode() for text in ("v1", key_id, row_id, row_type)]
    return b"".join(len(text).to_bytes(4, "big") + text for text in strings)


def read(value: str, secret: str, row_id: str, row_type: str) -> str:
    version, key_id, encoded = value.split(".")
    assert version == "v1"
    assert key_id == key_id_of(secret)
    raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    nonce, sealed = raw[:12], raw[12:]
    return AESGCM(key_of(secret)).decrypt(nonce, sealed, associated_data(key_id, row_id, row_type)).decode()


def write(text: str, secret: str, row_id: str, row_type: str) -> str:
    key_id, nonce = key_id_of(secret), os.urandom(12)
    data = associated_data(key_id, row_id, row_type)
    raw = nonce + AESGCM(key_of(secret)).encrypt(nonce, text.encode(), data)
    return f"v1.{key_id}.{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"
