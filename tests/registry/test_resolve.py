"""Resolving: the ciphertext for services, bound to its row, in today's format."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Any

import grpc
import psycopg
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from services.runtime.crypto import SealedValueError
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest, ResolveConnectionResponse
from tests.registry.harness import CANARY, CRYPTO_KEYS, Registry, ScriptedEngine, failing, keys

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
URL = f"redis://:{CANARY}@127.0.0.1:6379/0"


async def resolve(registry: Registry, database_id: str, type_: str = "redis") -> ResolveConnectionResponse:
    request = ResolveConnectionRequest(id=database_id, type=type_)
    return await registry.services.ResolveConnection(request, metadata=registry.as_service, timeout=20)


def write_as_crypto_js(text: str, passphrase: str) -> str:
    """What `CryptoJS.AES.encrypt(text, passphrase).toString()` returns."""
    salt = b"saltsalt"
    derived = block = b""
    while len(derived) < 48:
        block = hashlib.md5(block + passphrase.encode() + salt).digest()
        derived += block
    padding = 16 - len(text.encode()) % 16
    encryptor = Cipher(AES(derived[:32]), CBC(derived[32:48])).encryptor()
    body = encryptor.update(text.encode() + bytes([padding]) * padding) + encryptor.finalize()
    return base64.b64encode(b"Salted__" + salt + body).decode()


def set_ciphertext(db: Session, database_id: str, ciphertext: str) -> None:
    db.execute(
        "UPDATE platform.databases SET connection_string = %s WHERE id = %s", (ciphertext, database_id)
    )


def stored(db: Session, database_id: str) -> str:
    row = db.execute(
        "SELECT connection_string FROM platform.databases WHERE id = %s", (database_id,)
    ).fetchone()
    assert row is not None
    return str(row[0])


async def test_a_service_gets_what_it_needs_and_opens_it_with_its_own_key(registry: Registry) -> None:
    config = Struct()
    config.update({"readOnly": True})
    created = await registry.create(config=config)
    found = await resolve(registry, created.id)
    assert (found.id, found.type, found.name, found.project_ref) == (created.id, "redis", "cache", "default")
    assert json_format.MessageToDict(found.config) == {"readOnly": True}
    assert keys().open(found.ciphertext, row_id=created.id, type_="redis") == URL
    assert found.revision
    with pytest.raises(SealedValueError):
        keys("mongodb").open(found.ciphertext, row_id=created.id, type_="redis")


async def test_a_ciphertext_moved_to_another_row_does_not_open(registry: Registry, db: Session) -> None:
    first, second = await registry.create(name="a"), await registry.create(name="b")
    set_ciphertext(db, second.id, stored(db, first.id))
    moved = await resolve(registry, second.id)
    with pytest.raises(SealedValueError):
        keys().open(moved.ciphertext, row_id=second.id, type_="redis")


async def test_the_revision_changes_with_the_connection_only(registry: Registry, db: Session) -> None:
    created = await registry.create()
    before = (await resolve(registry, created.id)).revision
    await registry.test_saved(created.id)
    db.execute("UPDATE platform.databases SET status = 'error', description = 'x'")
    assert (await resolve(registry, created.id)).revision == before
    db.execute("UPDATE platform.databases SET config = '{\"a\": 1}'")
    assert (await resolve(registry, created.id)).revision != before


async def test_another_type_or_id_is_not_found(registry: Registry) -> None:
    created = await registry.create()
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await resolve(registry, created.id, "mongodb")
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await resolve(registry, str(uuid.uuid4()))


async def test_no_user_may_resolve(registry: Registry) -> None:
    created = await registry.create()
    request = ResolveConnectionRequest(id=created.id, type="redis")
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await registry.services.ResolveConnection(request, metadata=registry.as_user)
    async with failing("AUTH_REQUIRED", Code.UNAUTHENTICATED):
        await registry.services.ResolveConnection(request)


async def test_a_value_of_crypto_js_is_encrypted_anew_when_it_is_resolved(
    registry: Registry, db: Session
) -> None:
    created = await registry.create()
    set_ciphertext(db, created.id, write_as_crypto_js(URL, CRYPTO_KEYS["redis"]))
    found = await resolve(registry, created.id)
    assert keys().open(found.ciphertext, row_id=created.id, type_="redis") == URL
    assert stored(db, created.id) == found.ciphertext
    assert (await resolve(registry, created.id)).revision == found.revision


async def test_a_value_of_crypto_js_written_with_pg_metas_key_is_read_too(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create()
    set_ciphertext(db, created.id, write_as_crypto_js(URL, CRYPTO_KEYS["postgres"]))
    assert (await registry.test_saved(created.id)).success
    assert redis_engine.opened() == URL
    assert stored(db, created.id).startswith("v1.")
    assert (await registry.get(created.id)).status == "active"


async def test_a_url_that_another_program_wrote_less_strictly_is_kept_as_it_is(
    registry: Registry, db: Session
) -> None:
    created = await registry.create()
    loose = f"redis://:{CANARY}@x@host"
    set_ciphertext(db, created.id, write_as_crypto_js(loose, CRYPTO_KEYS["redis"]))
    found = await resolve(registry, created.id)
    assert keys().open(found.ciphertext, row_id=created.id, type_="redis") == loose


async def test_a_value_of_crypto_js_with_an_unknown_passphrase_is_unreadable(
    registry: Registry, db: Session
) -> None:
    created = await registry.create()
    value = write_as_crypto_js(URL, "a passphrase nobody told us")
    set_ciphertext(db, created.id, value)
    async with failing("CONNECTION_UNREADABLE", Code.FAILED_PRECONDITION) as failure:
        await resolve(registry, created.id)
    assert CANARY not in failure.text
    assert stored(db, created.id) == value
