"""A request that is repeated makes nothing twice."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import psycopg
import pytest

from tests.registry.harness import CANARY, Registry, ScriptedEngine, failing

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode


async def test_a_repeat_answers_what_the_first_made(registry: Registry, redis_engine: ScriptedEngine) -> None:
    request_id = str(uuid.uuid4())
    created = await registry.create(request_id=request_id, skip_test=False)
    assert await registry.create(request_id=request_id.upper(), skip_test=False) == created
    assert len(redis_engine.asked) == 1
    # Also when it has changed since.
    renamed = await registry.update(created.id, name="renamed")
    assert await registry.create(request_id=request_id, skip_test=False) == renamed


async def test_repeats_at_the_same_time_make_one(registry: Registry, redis_engine: ScriptedEngine) -> None:
    redis_engine.delay_s = 0.05
    request_id = str(uuid.uuid4())
    made = await asyncio.gather(*(registry.create(request_id=request_id, skip_test=False) for _ in range(16)))
    assert len({each.id for each in made}) == 1
    assert len((await registry.list()).databases) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"name": "other"},
        {"description": "other"},
        {"connection_string": f"redis://:{CANARY}2@127.0.0.1:6379/0"},
        {"project_ref": "second"},
    ],
    ids=str,
)
async def test_the_same_id_with_something_else_is_a_conflict(
    registry: Registry, db: Session, other: dict[str, Any]
) -> None:
    db.execute("INSERT INTO platform.projects (name, ref) VALUES ('Second', 'second')")
    request_id = str(uuid.uuid4())
    await registry.create(request_id=request_id)
    async with failing("CONFLICT", Code.ABORTED) as failure:
        await registry.create(request_id=request_id, **other)
    assert CANARY not in failure.text
    assert len((await registry.list()).databases) == 1


async def test_what_was_deleted_is_not_made_again(registry: Registry) -> None:
    request_id = str(uuid.uuid4())
    created = await registry.create(request_id=request_id)
    await registry.delete(created.id)
    async with failing("CONFLICT", Code.ABORTED):
        await registry.create(request_id=request_id)
    assert list((await registry.list()).databases) == []


async def test_one_that_failed_may_be_repeated(registry: Registry, redis_engine: ScriptedEngine) -> None:
    request_id = str(uuid.uuid4())
    success, redis_engine.answer = redis_engine.answer, Code.UNAVAILABLE
    async with failing("SERVICE_UNAVAILABLE", Code.UNAVAILABLE):
        await registry.create(request_id=request_id, skip_test=False)
    redis_engine.answer = success
    assert (await registry.create(request_id=request_id, skip_test=False)).name == "cache"


async def test_another_request_for_the_same_name_is_refused(registry: Registry) -> None:
    await registry.create(request_id=str(uuid.uuid4()))
    async with failing("ALREADY_EXISTS", Code.ALREADY_EXISTS):
        await registry.create(request_id=str(uuid.uuid4()))


async def test_an_id_that_is_no_uuid_is_refused(registry: Registry) -> None:
    async with failing("INVALID_ARGUMENT", Code.INVALID_ARGUMENT):
        await registry.create(request_id="1")


async def test_old_ones_are_forgotten(registry: Registry, db: Session) -> None:
    db.execute(
        "INSERT INTO platform.database_requests "
        "SELECT gen_random_uuid(), gen_random_uuid(), '', now() - interval '8 days' FROM generate_series(1, 5)"
    )
    await registry.create(request_id=str(uuid.uuid4()))
    assert db.execute("SELECT count(*) FROM platform.database_requests").fetchone() == (1,)


async def test_no_password_can_be_guessed_from_what_is_kept(registry: Registry, db: Session) -> None:
    await registry.create(request_id=str(uuid.uuid4()))
    (kept,) = db.execute("SELECT payload_digest FROM platform.database_requests").fetchall()
    assert len(kept[0]) == 64
    assert CANARY not in kept[0]
