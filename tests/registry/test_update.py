"""Changing and deleting databases."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from services.registry import updates
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest
from tests.registry.harness import CANARY, CRYPTO_KEYS, Registry, ScriptedEngine, failing, keys, user_token
from tests.registry.test_resolve import set_ciphertext, stored, write_as_crypto_js

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
CLOSED = ConnectionDiagnosis(stage="tcp", error_code="DB_CONNECTION_FAILED", message="closed")


def opened(db: Session, database_id: str, type_: str = "redis") -> str:
    return keys(type_).open(stored(db, database_id), row_id=database_id, type_=type_)


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


async def test_what_is_set_changes_and_the_rest_stays(registry: Registry, db: Session) -> None:
    created = await registry.create(description="old")
    before = stored(db, created.id)
    config = Struct()
    config.update({"readOnly": True})
    changed = await registry.update(created.id, name="renamed", description="new", config=config)
    assert (changed.name, changed.description, MessageToDict(changed.config)) == (
        "renamed",
        "new",
        {"readOnly": True},
    )
    assert changed.updated_at.ToNanoseconds() > created.updated_at.ToNanoseconds()
    assert stored(db, created.id) == before
    assert await registry.get(created.id) == changed


async def test_a_change_of_nothing_answers_the_database(registry: Registry) -> None:
    created = await registry.create()
    assert await registry.update(created.id) == created


async def test_a_new_connection_is_tested_sealed_and_shown(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create()
    changed = await registry.update(created.id, connection_string=f"rediss://u:{CANARY}2@h2:7000/3")
    assert (changed.host, changed.port, changed.username, changed.database_name) == ("h2", 7000, "u", "3")
    assert (changed.status, changed.HasField("last_connected_at")) == ("active", True)
    assert redis_engine.opened() == f"rediss://u:{CANARY}2@h2:7000/3" == opened(db, created.id)


async def test_a_new_connection_that_fails_changes_nothing(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create()
    before = stored(db, created.id)
    redis_engine.answer = CLOSED
    async with failing("DB_CONNECTION_FAILED", Code.FAILED_PRECONDITION) as failure:
        await registry.update(created.id, name="other", password=f"{CANARY}-new")
    assert failure.facts["stage"] == "tcp"
    assert CANARY not in failure.text
    assert (await registry.get(created.id), stored(db, created.id)) == (created, before)


async def test_without_a_test_it_is_inactive_until_one_succeeds(
    registry: Registry, redis_engine: ScriptedEngine
) -> None:
    created = await registry.create(skip_test=False)
    asked = len(redis_engine.asked)
    changed = await registry.update(created.id, host="elsewhere", skip_test=True)
    assert (changed.status, changed.HasField("last_connected_at")) == ("inactive", False)
    assert len(redis_engine.asked) == asked
    await registry.test_saved(created.id)
    assert (await registry.get(created.id)).status == "active"


async def test_the_same_connection_again_is_no_change(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create()
    before = stored(db, created.id)
    await registry.update(created.id, connection_string=f"redis://:{CANARY}@127.0.0.1:6379/0")
    await registry.update(created.id, password=CANARY, host="127.0.0.1")
    assert (stored(db, created.id), redis_engine.asked) == (before, [])


@pytest.mark.parametrize(
    ("type_", "url", "parts", "result"),
    [
        ("redis", "redis://h:1/2?protocol=3", {"password": "p@/"}, "redis://:p%40%2F@h:1/2?protocol=3"),
        ("redis", "redis://u:p@h:1/2", {"host": "::1"}, "redis://u:p@[::1]:1/2"),
        ("redis", "redis://u:p@h:1", {"port": 0}, "redis://u:p@h"),
        ("redis", "redis://u:p@h:1/2", {"username": "", "password": ""}, "redis://h:1/2"),
        ("redis", "redis://u:p@h", {"tls": True, "database_name": "4"}, "rediss://u:p@h/4"),
        ("redis", "redis://h?db=1", {"database_name": "2"}, "redis://h/2"),
        ("redis", "rediss+sentinel://:p@a,b/main/1", {"database_name": "3"}, "rediss+sentinel://:p@a,b/main/3"),
        ("redis", "redis+cluster://:p@a:1,b:2", {"password": "q"}, "redis+cluster://:q@a:1,b:2"),
        ("redis", "redis+cluster://:p@a:1,b:2", {"host": "c"}, "redis+cluster://:p@c:1"),
        ("redis", "unix://:p@/run/r.sock?db=1", {"host": "h", "port": 7}, "redis://:p@h:7/1"),
        ("redis", "redis://:p@h:6379/1", {"host": "/run/r.sock"}, "unix://:p@/run/r.sock?db=1"),
        (
            "mongodb",
            "mongodb://u:p@a:1,b:2/db?replicaSet=rs",
            {"password": "q"},
            "mongodb://u:q@a:1,b:2/db?replicaSet=rs",
        ),
        ("mongodb", "mongodb+srv://u:p@c.example.net/db", {"tls": False}, "mongodb+srv://u:p@c.example.net/db?tls=false"),
        ("mongodb", "mongodb://h/?ssl=true&w=1", {"tls": False}, "mongodb://h/?w=1"),
        ("mongodb", "mongodb://h:1/a?w=1", {"database_name": "b", "tls": True}, "mongodb://h:1/b?w=1&tls=true"),
        ("mongodb", "mongodb://%2Ftmp%2Fm.sock/a", {"host": "h"}, "mongodb://h/a"),
        ("mongodb", "mongodb://h:1/a", {"host": "/tmp/m.sock"}, "mongodb://%2Ftmp%2Fm.sock/a"),
        ("postgres", "postgres://u:p@h/d?sslmode=require", {"tls": False}, "postgres://u:p@h/d"),
        ("postgres", "postgres://u:p@h/d?application_name=x", {"tls": True}, "postgres://u:p@h/d?application_name=x&sslmode=require"),
        ("postgres", "postgres://u:p@h/d", {"database_name": "a/b"}, "postgres://u:p@h/a%2Fb"),
        ("postgres", "postgresql://u:p@/d?host=/tmp", {"host": "h", "port": 1}, "postgresql://u:p@h:1/d"),
        ("postgres", "postgresql://u:p@h:1/d", {"host": "/tmp"}, "postgresql://u:p@/d?host=%2Ftmp"),
        ("bun_api", "https://:k@h/base", {"tls": False, "password": "k2"}, "http://:k2@h/base"),
        ("bun_api", "https://:k@h/base", {"host": "g", "port": 8443}, "https://:k@g:8443/base"),
    ],
    ids=lambda each: str(each)[:50],
)  # fmt: skip
async def test_parts_replace_those_of_the_stored_connection(
    registry: Registry, db: Session, type_: str, url: str, parts: dict[str, Any], result: str
) -> None:
    created = await registry.create(type=type_, connection_string=url)
    await registry.update(created.id, skip_test=True, **parts)
    assert opened(db, created.id, type_) == result


@pytest.mark.parametrize(
    ("url", "parts", "reason"),
    [
        ("redis+cluster://a:1,b:2", {"port": 3}, "INVALID_CONNECTION_STRING"),
        ("redis://h", {"database_name": "x"}, "INVALID_CONNECTION_STRING"),
        ("redis://h", {"host": "a b"}, "INVALID_CONNECTION_STRING"),
        ("redis://h", {"connection_string": "mongodb://h"}, "INVALID_CONNECTION_STRING"),
        ("redis://h", {"connection_string": "redis://h", "port": 1}, "INVALID_ARGUMENT"),
        ("redis://h", {"name": "Not A Name"}, "INVALID_ARGUMENT"),
        ("redis://h", {"status": "error"}, "INVALID_ARGUMENT"),
        ("redis://h", {"description": "a\0b"}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("name")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("host")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("connection_string")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("status")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("type")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("config.a")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("*")}, "INVALID_ARGUMENT"),
        ("redis://h", {"update_mask": mask("connection_string", "port"), "port": 1}, "INVALID_ARGUMENT"),
    ],
    ids=lambda each: ascii(each)[:50],
)
async def test_a_wrong_change_is_refused(
    registry: Registry, url: str, parts: dict[str, Any], reason: str
) -> None:
    created = await registry.create(connection_string=url)
    async with failing(reason, Code.INVALID_ARGUMENT):
        await registry.update(created.id, **parts)
    assert await registry.get(created.id) == created


async def test_a_mask_says_what_changes_and_empties_what_is_not_set(registry: Registry, db: Session) -> None:
    config = Struct()
    config.update({"a": 1})
    created = await registry.create(
        description="text", config=config, connection_string=f"redis://u:{CANARY}@h:1/2"
    )
    changed = await registry.update(
        created.id,
        name="ignored",
        host="g",
        update_mask=mask("host", "description", "config"),
        skip_test=True,
    )
    assert (changed.name, changed.host, changed.description) == (created.name, "g", "")
    assert MessageToDict(changed.config) == {}
    emptied = mask("username", "password", "port", "database_name")
    await registry.update(created.id, update_mask=emptied, skip_test=True)
    assert opened(db, created.id) == "redis://g"


async def test_a_name_of_another_database_is_taken(registry: Registry, redis_engine: ScriptedEngine) -> None:
    await registry.create(name="first")
    second = await registry.create(name="second")
    async with failing("ALREADY_EXISTS", Code.ALREADY_EXISTS):
        await registry.update(second.id, name="first", host="other")
    assert redis_engine.asked == []
    assert (await registry.update(second.id, name="second")).name == "second"


async def test_what_is_gone_is_not_found(
    registry: Registry, db: Session, redis_engine: ScriptedEngine
) -> None:
    unknown = str(uuid.uuid4())
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.update(unknown, name="x")
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.delete(unknown)
    created = await registry.create()
    await registry.delete(created.id)
    assert db.execute("SELECT FROM platform.databases").fetchall() == []
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.delete(created.id)
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.get(created.id)
    # Deleted while its new connection is tested.
    created = await registry.create()
    redis_engine.delay_s = 0.3
    change = asyncio.create_task(registry.update(created.id, host="other"))
    while not redis_engine.asked:  # noqa: ASYNC110  what is waited for happens in the registry
        await asyncio.sleep(0.01)
    db.execute("DELETE FROM platform.databases")
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await change


async def test_parts_changed_at_the_same_time_are_all_kept(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create(connection_string="redis://old:old@old:1/1")
    redis_engine.delay_s = 0.1  # both have read the stored connection before either stores its own
    parts: list[dict[str, Any]] = [{"host": "new"}, {"password": "new"}, {"port": 2}, {"database_name": "2"}]
    await asyncio.gather(*(registry.update(created.id, **each) for each in parts))
    assert opened(db, created.id) == "redis://old:new@new:2/2"


async def test_one_that_others_overtake_again_and_again_is_a_conflict(
    registry: Registry, redis_engine: ScriptedEngine, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "MAX_TRIES", 2)
    created = await registry.create(connection_string="redis://h:1")
    redis_engine.delay_s = 0.2
    change = asyncio.create_task(registry.update(created.id, host="mine"))
    for number in range(2):
        while len(redis_engine.asked) <= number:  # noqa: ASYNC110  what is waited for happens in the registry
            await asyncio.sleep(0.01)
        value = keys().seal(f"redis://h:{number + 2}", row_id=created.id, type_="redis")
        set_ciphertext(db, created.id, value)
    async with failing("CONFLICT", Code.ABORTED):
        await change
    assert opened(db, created.id) == "redis://h:3"


async def test_an_unreadable_connection_can_be_replaced_but_not_changed_in_part(
    registry: Registry, db: Session
) -> None:
    created = await registry.create()
    for value in (write_as_crypto_js("redis://h", "unknown"), "v1.0000000000000000.AAAA"):
        set_ciphertext(db, created.id, value)
        async with failing("CONNECTION_UNREADABLE", Code.FAILED_PRECONDITION):
            await registry.update(created.id, host="x")
    await registry.update(created.id, connection_string="redis://again")
    assert opened(db, created.id) == "redis://again"


async def test_a_part_of_a_legacy_connection_can_be_changed(registry: Registry, db: Session) -> None:
    created = await registry.create()
    set_ciphertext(db, created.id, write_as_crypto_js("redis://:a@h", CRYPTO_KEYS["redis"]))
    await registry.update(created.id, password="b")
    assert opened(db, created.id) == "redis://:b@h"


async def test_a_database_out_of_use_is_not_handed_to_services(registry: Registry) -> None:
    created = await registry.create()

    async def resolve() -> str:
        request = ResolveConnectionRequest(id=created.id, type="redis")
        return (await registry.services.ResolveConnection(request, metadata=registry.as_service)).id

    # Untested is inactive, too, but may be used.
    assert await resolve() == created.id
    assert (await registry.update(created.id, status="inactive")).status == "inactive"
    async with failing("DB_INACTIVE", Code.FAILED_PRECONDITION) as failure:
        await resolve()
    assert "active" in failure.hint
    assert (await registry.test_saved(created.id)).success
    assert (await registry.get(created.id)).status == "inactive"
    assert (await registry.update(created.id, status="active")).status == "active"
    assert await resolve() == created.id


@pytest.mark.parametrize("role", ["developer", "read_only"])
async def test_only_administrators_and_owners_change(registry: Registry, role: str) -> None:
    created = await registry.create()
    registry.as_user = (("authorization", f"Bearer {user_token(role)}"),)
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await registry.update(created.id, name="x")
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await registry.delete(created.id)
