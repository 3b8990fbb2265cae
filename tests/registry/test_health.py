"""Health checks: what they find is kept, moves the status with some patience, and is told; one replica makes them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

import grpc
import psycopg
import pytest
from psycopg import conninfo

from services.registry.health import schedule, state
from services.registry.health.checker import LOCK_KEY
from services.registry.health.schedule import Schedule
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest
from tests.registry.harness import (
    SUCCESS,
    Registry,
    ScriptedEngine,
    failing,
)
from tests.registry.health import NEVER, Clockwork, checking, count, health, status, until
from tests.support.fault_proxy import FaultProxy

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
REFUSED = ConnectionDiagnosis(stage="tcp", error_code="DB_CONNECTION_FAILED", message="Refused.")


async def test_checks_are_made_kept_and_told(
    checked: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await checked.create(skip_test=False)
    redis_engine.answer = ConnectionDiagnosis(success=True, stage="done", latency_ms=2.5)
    before = await checked.get(created.id)
    await until(lambda: count(db, "platform.database_health") > 3)
    answer = await health(checked, created.id)
    assert (answer.id, answer.status, answer.errors) == (created.id, "active", 0)
    assert answer.latency_ms == 2.5
    assert [each.checks for each in answer.history] == [1] * len(answer.history)
    times = [each.at.ToDatetime(UTC) for each in answer.history]
    assert times == sorted(times)
    assert answer.last_checked_at == answer.history[-1].at
    after = await checked.get(created.id)
    assert after.updated_at == before.updated_at
    assert after.last_connected_at.ToDatetime() > before.last_connected_at.ToDatetime()


async def test_the_status_follows_what_is_found(
    checked: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await checked.create(skip_test=False)
    redis_engine.answer = REFUSED
    await until(lambda: status(db, created.id) == "error")
    answer = await health(checked, created.id)
    assert answer.errors >= 2
    assert answer.history[-1].error_code == "DB_CONNECTION_FAILED"
    redis_engine.answer = SUCCESS
    await until(lambda: status(db, created.id) == "active")


async def test_one_failure_is_no_error_and_one_success_no_recovery(
    quiet: Registry, clockwork: Clockwork, db: Session
) -> None:
    id_ = (await quiet.create(skip_test=False)).id
    found = []
    for success in (False, True, False, False, True, False, True, True, False):
        await clockwork.found(id_, ms=1.0 if success else None, code="DB_TIMEOUT")
        found.append(status(db, id_))
    active, error = "active", "error"
    assert found == [active, active, active, error, error, error, error, active, active]


async def test_a_changed_connection_begins_with_a_clean_sheet(
    quiet: Registry, clockwork: Clockwork, db: Session
) -> None:
    id_ = (await quiet.create(skip_test=False)).id
    await clockwork.found(id_, ms=None)
    db.execute("UPDATE platform.databases SET connection_string = 'v1.changed'")
    await clockwork.found(id_, ms=None)
    assert status(db, id_) == "active"
    # And what was found of the old connection says nothing of the new one.
    await state.record(clockwork._connection, [state.Result(id_, str(uuid.uuid4()), None, "X")])  # noqa: SLF001
    assert status(db, id_) == "active"


async def test_a_test_that_a_user_makes_begins_with_a_clean_sheet(
    quiet: Registry, clockwork: Clockwork, db: Session
) -> None:
    id_ = (await quiet.create(skip_test=False)).id
    await clockwork.found(id_, ms=None)
    await clockwork.found(id_, ms=None)
    assert status(db, id_) == "error"
    await quiet.test_saved(id_)
    assert status(db, id_) == "active"
    await clockwork.found(id_, ms=None)
    assert status(db, id_) == "active"


async def test_what_a_user_took_out_of_use_is_left_alone(
    quiet: Registry, clockwork: Clockwork, db: Session
) -> None:
    id_ = (await quiet.create(skip_test=False)).id
    untested = (await quiet.create(name="untested")).id
    await quiet.update(id_, status="inactive")
    db.execute("UPDATE platform.databases SET created_at = now() - interval '1 day'")
    assert await clockwork.due(Schedule()) == []
    # A check that was under way when it was taken out of use.
    await clockwork.found(id_, untested, ms=1.0)
    assert (status(db, id_), status(db, untested)) == ("inactive", "inactive")
    assert count(db, "platform.database_health") == 0


async def test_types_without_a_service_are_not_checked_and_not_in_error(
    checked: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    mongo = await checked.create(name="docs", type="mongodb", connection_string="mongodb://h/x")
    db.execute("UPDATE platform.databases SET status = 'active', created_at = now() - interval '1 day'")
    redis = await checked.create(name="cache", skip_test=False)
    redis_engine.asked.clear()
    await until(lambda: len(redis_engine.asked) > 3)
    assert {each.id for each in redis_engine.asked} == {redis.id}
    assert (status(db, mongo.id), (await health(checked, mongo.id)).checks) == ("active", 0)


@pytest.mark.parametrize("trouble", [Code.UNAVAILABLE, Code.INTERNAL, Code.DEADLINE_EXCEEDED])
async def test_a_service_that_fails_says_nothing_of_the_database(
    checked: Registry, redis_engine: ScriptedEngine, db: Session, trouble: grpc.StatusCode
) -> None:
    created = await checked.create(skip_test=False)
    redis_engine.answer = trouble
    redis_engine.asked.clear()
    await until(lambda: len(redis_engine.asked) > 5)
    assert status(db, created.id) == "active"
    assert count(db, "platform.database_health WHERE latency_ms IS NULL") == 0


async def test_a_connection_that_no_key_opens_is_in_error(
    checked: Registry, db: Session, migrated_url: str
) -> None:
    created = await checked.create(skip_test=False)
    db.execute("UPDATE platform.databases SET connection_string = 'U2FsdGVkX1+nonsense'")
    await until(lambda: status(db, created.id) == "error")
    assert (await health(checked, created.id)).history[-1].error_code == "CONNECTION_UNREADABLE"
    assert migrated_url


async def test_health_disturbs_nobody(quiet: Registry, clockwork: Clockwork, migrated_url: str) -> None:
    created = await quiet.create(skip_test=False)
    with psycopg.connect(migrated_url, autocommit=True) as listener:
        listener.execute("LISTEN studio_databases")
        listener.execute("LISTEN studio_lists")
        await clockwork.found(created.id)
        await clockwork.found(created.id, ms=None)
        await quiet.get(created.id)
        assert list(listener.notifies(timeout=0.2)) == []
        await clockwork.found(created.id, ms=None)
        # Lists show the status; no watcher need drop a client for it.
        assert [each.channel for each in listener.notifies(timeout=10, stop_after=1)] == ["studio_lists"]
    assert (await quiet.get(created.id)).updated_at == created.updated_at


async def test_who_is_looked_at_is_checked_often_and_the_others_rarely(
    quiet: Registry, clockwork: Clockwork, db: Session
) -> None:
    watched, idle = [(await quiet.create(name=name, skip_test=False)).id for name in ("watched", "idle")]
    when = Schedule(interval_s=30, idle_interval_s=300, idle_after_s=600)
    await clockwork.found(watched, idle)
    db.execute("UPDATE platform.database_health_state SET jitter = 1, last_viewed_at = NULL")
    db.execute(
        "UPDATE platform.database_health_state SET last_viewed_at = now() WHERE database_id = %s", (watched,)
    )

    def ago(seconds: int) -> None:
        db.execute(
            "UPDATE platform.database_health_state SET last_checked_at = now() - make_interval(secs => %s)",
            (seconds,),
        )

    ago(20)
    assert await clockwork.due(when) == []
    ago(31)
    assert await clockwork.due(when) == [watched]
    ago(301)
    assert sorted(await clockwork.due(when)) == sorted([watched, idle])
    # In doubt: what seems to fail is looked at again soon, whoever looks at it.
    await clockwork.found(idle, ms=None)
    db.execute("UPDATE platform.database_health_state SET jitter = 1")
    ago(31)
    assert sorted(await clockwork.due(when)) == sorted([watched, idle])
    # Somebody looked long ago.
    db.execute(
        "UPDATE platform.database_health_state SET failures = 0, last_viewed_at = now() - interval '1 hour'"
    )
    assert await clockwork.due(when) == []


@pytest.mark.parametrize("way", ["get", "list", "resolve", "test"])
async def test_every_look_counts(
    migrated_url: str, redis_engine: ScriptedEngine, db: Session, way: str
) -> None:
    async with checking(migrated_url, redis_engine, **NEVER, health_idle_after_s=0.2) as registry:
        created = await registry.create(skip_test=False)
        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "get": lambda: registry.get(created.id),
            "list": registry.list,
            "resolve": lambda: registry.services.ResolveConnection(
                ResolveConnectionRequest(id=created.id, type="redis"), metadata=registry.as_service
            ),
            "test": lambda: registry.test_saved(created.id),
        }
        assert count(db, "platform.database_health_state WHERE last_viewed_at IS NOT NULL") == 0
        await looks[way]()
        await until(lambda: count(db, "platform.database_health_state WHERE last_viewed_at IS NOT NULL") == 1)


async def test_many_slow_databases_are_checked_a_few_at_a_time(
    migrated_url: str, redis_engine: ScriptedEngine, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "MAX_CONCURRENT", 3)
    async with checking(migrated_url, redis_engine) as registry:
        for number in range(8):
            await registry.create(name=f"a{number}")
        redis_engine.delay_s = 0.05
        redis_engine.asked.clear()
        db.execute("UPDATE platform.databases SET status = 'active'")
        await until(lambda: len({each.id for each in redis_engine.asked}) == 8)
        assert redis_engine.most_at_a_time <= 3


async def test_one_of_two_replicas_checks_and_the_other_takes_over(
    migrated_url: str, redis_engine: ScriptedEngine, db: Session
) -> None:
    async with checking(migrated_url, redis_engine) as staying:
        async with checking(migrated_url, redis_engine) as leaving:
            created = await leaving.create(skip_test=False)
            await until(lambda: count(db, "platform.database_health") > 3)
            assert holders(db) == 1
        seen = count(db, "platform.database_health")
        await until(lambda: count(db, "platform.database_health") > seen + 3)
        assert holders(db) == 1
        assert (await health(staying, created.id)).checks > 3


async def test_a_checker_that_lost_its_connection_checks_no_more_until_it_has_the_lock_again(
    migrated_url: str, redis_engine: ScriptedEngine, db: Session
) -> None:
    given = conninfo.conninfo_to_dict(migrated_url)
    async with FaultProxy(str(given["host"]), int(str(given["port"]))) as proxy:
        url = conninfo.make_conninfo(migrated_url, host=proxy.host, port=proxy.port)
        async with checking(url, redis_engine) as registry:
            await registry.create(skip_test=False)
            await until(lambda: count(db, "platform.database_health") > 2)
            proxy.cut()
            seen = count(db, "platform.database_health")
            await until(lambda: count(db, "platform.database_health") > seen + 2)
            assert holders(db) == 1


def holders(db: Session) -> int:
    # A key of 64 bits stands there in two halves.
    return count(
        db,
        "pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() "
        f"AND l.locktype = 'advisory' AND l.granted AND l.objid = {LOCK_KEY % 2**32}",
    )


async def test_a_checker_that_hangs_loses_its_turn(
    migrated_url: str, redis_engine: ScriptedEngine, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "HUNG_S", 1)
    # It asks so rarely that the server takes it for hung, like a process that was stopped.
    monkeypatch.setattr(Schedule, "tick_s", 600)
    async with checking(migrated_url, redis_engine):
        await until(lambda: holders(db) == 1)
        await until(lambda: holders(db) == 0)
    # As the numbers are, one that works is never taken for hung.
    monkeypatch.undo()
    assert 2 * Schedule(interval_s=3600).tick_s < schedule.HUNG_S


async def test_old_checks_are_deleted_in_parts(quiet: Registry, clockwork: Clockwork, db: Session) -> None:
    id_ = (await quiet.create()).id
    db.execute(
        "INSERT INTO platform.database_health SELECT %s, now() - make_interval(hours => n), 1 "
        "FROM generate_series(0, 30) n",
        (id_,),
    )
    db.execute(
        "INSERT INTO platform.database_health_hourly SELECT %s, now() - make_interval(days => n), 1, 0, 1, 1, '' "
        "FROM generate_series(0, 35) n",
        (id_,),
    )
    assert [await clockwork.prune("samples", 3) for _ in range(3)] == [True, True, False]
    assert [await clockwork.prune("hours", 4) for _ in range(2)] == [True, False]
    assert count(db, "platform.database_health") == 25
    assert count(db, "platform.database_health_hourly") == 30


async def test_a_deleted_database_leaves_no_history(
    quiet: Registry, clockwork: Clockwork, db: Session
) -> None:
    created = await quiet.create(skip_test=False)
    await clockwork.found(created.id)
    await quiet.delete(created.id)
    for table in ("database_health", "database_health_hourly", "database_health_state"):
        assert count(db, f"platform.{table}") == 0
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await health(quiet, created.id)
