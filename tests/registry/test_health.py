"""Health checks: what they find is kept, moves the status with some patience, and is told; one replica makes them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
import pytest
from prometheus_client import generate_latest
from psycopg import conninfo

from services.registry.health import schedule, state
from services.registry.health.checker import LOCK_KEY
from services.registry.health.schedule import Schedule
from studio.registry.v1 import registry_service_pb2 as messages
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.resolver_service_pb2 import ResolveConnectionRequest
from tests.registry.harness import (
    SUCCESS,
    Registry,
    ScriptedEngine,
    failing,
    running_registry,
    settings,
)
from tests.support.fault_proxy import FaultProxy

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
REFUSED = ConnectionDiagnosis(stage="tcp", error_code="DB_CONNECTION_FAILED", message="Refused.")
FAST = {"health_interval_s": 0.1, "health_idle_interval_s": 0.1}
NEVER = {"health_interval_s": 3600, "health_idle_interval_s": 3600}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


def status(db: Session, database_id: str) -> str:
    row = db.execute("SELECT status FROM platform.databases WHERE id = %s", (database_id,)).fetchone()
    assert row is not None
    return str(row[0])


def count(db: Session, query: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {query}".encode()).fetchone()
    assert row is not None
    return int(row[0])


async def health(registry: Registry, id_: str, **fields: Any) -> messages.GetDatabaseHealthResponse:  # noqa: ANN401  any field
    request = messages.GetDatabaseHealthRequest(id=id_, **fields)
    return await registry.users.GetDatabaseHealth(request, metadata=registry.as_user, timeout=20)


async def stats(registry: Registry, project_ref: str = "") -> messages.GetDatabaseStatsResponse:
    request = messages.GetDatabaseStatsRequest(project_ref=project_ref)
    return await registry.users.GetDatabaseStats(request, metadata=registry.as_user, timeout=20)


@contextlib.asynccontextmanager
async def checking(database_url: str, engine: ScriptedEngine, **more: object) -> AsyncIterator[Registry]:
    configuration = settings(database_url, redis_svc_address=engine.address, **{**FAST, **more})
    async with running_registry(configuration) as running:
        yield running


@pytest.fixture
async def checked(migrated_url: str, redis_engine: ScriptedEngine) -> AsyncIterator[Registry]:
    """A registry that checks ten times a second."""
    async with checking(migrated_url, redis_engine) as running:
        yield running


@pytest.fixture
async def quiet(migrated_url: str, redis_engine: ScriptedEngine) -> AsyncIterator[Registry]:
    """A registry that leaves the checks to the test."""
    async with checking(migrated_url, redis_engine, **NEVER) as running:
        yield running


class Clockwork:
    """The checker's own statements, made by hand."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], db: Session) -> None:
        self._connection = connection
        self._db = db

    async def found(self, *database_ids: str, ms: float | None = 1.0, code: str = "") -> list[state.Moved]:
        """Records a check of each: `ms` is None where it failed."""
        results = [
            state.Result(id_, self.version(id_), ms, code if ms is None else "") for id_ in database_ids
        ]
        return await state.record(self._connection, results)

    def version(self, database_id: str) -> str:
        row = self._db.execute(
            "SELECT connection_version::text FROM platform.databases WHERE id = %s", (database_id,)
        ).fetchone()
        assert row is not None
        return str(row[0])

    async def due(self, when: Schedule, types: tuple[str, ...] = ("redis",)) -> list[str]:
        found = await state.due(self._connection, when, types=types, running=(), limit=100)
        return [each.id for each in found]

    async def prune(self, what: str, rows: int) -> bool:
        return await state.prune(self._connection, what, rows=rows)


@pytest.fixture
async def clockwork(migrated_url: str, db: Session) -> AsyncIterator[Clockwork]:
    async with await psycopg.AsyncConnection.connect(migrated_url, autocommit=True) as connection:
        yield Clockwork(connection, db)


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


def fill(db: Session, database_id: str, *, every_s: int, days: int) -> None:
    """A history as the checker would have written it, up to now."""
    db.execute(
        "INSERT INTO platform.database_health SELECT %(id)s, now() - make_interval(secs => n), 2 "
        "FROM generate_series(0, 25 * 3600, %(every)s) n",
        {"id": database_id, "every": every_s},
    )
    db.execute(
        "INSERT INTO platform.database_health_hourly "
        "SELECT %(id)s, date_trunc('hour', now(), 'UTC') - make_interval(hours => n), 100, 25, 300, 9, 'DB_TIMEOUT' "
        "FROM generate_series(0, %(hours)s) n",
        {"id": database_id, "hours": days * 24},
    )


async def test_a_day_is_told_at_full_and_the_time_before_by_the_hour(quiet: Registry, db: Session) -> None:
    id_ = (await quiet.create()).id
    fill(db, id_, every_s=60, days=30)
    day = await health(quiet, id_)
    assert 24 * 60 - 1 <= len(day.history) <= 24 * 60 + 1
    assert {each.checks for each in day.history} == {1}
    since = datetime.now(UTC) - timedelta(days=3)
    answer = await health(quiet, id_, since=since)
    hours = [each for each in answer.history if each.checks > 1]
    assert 48 <= len(hours) <= 50
    assert {(each.errors, each.latency_ms, each.max_latency_ms, each.error_code) for each in hours} == {
        (25, 4.0, 9.0, "DB_TIMEOUT")
    }
    times = [each.at.ToDatetime(UTC) for each in answer.history]
    assert times == sorted(set(times))
    # The last hour that is told as one ends where the full resolution begins.
    assert times[len(hours)] >= times[len(hours) - 1] + timedelta(hours=1)
    assert answer.checks == sum(each.checks for each in answer.history)
    assert answer.errors == 25 * len(hours)


async def test_an_answer_has_three_thousand_samples_at_most_and_covers_all_the_time(
    quiet: Registry, db: Session
) -> None:
    id_ = (await quiet.create()).id
    fill(db, id_, every_s=5, days=35)
    for days in (1, 2, 30, 400):
        answer = await health(quiet, id_, since=datetime.now(UTC) - timedelta(days=days))
        times = [each.at.ToDatetime(UTC) for each in answer.history]
        assert 2000 < len(times) <= 3000
        assert times == sorted(set(times))
        oldest = datetime.now(UTC) - timedelta(days=min(days, 30))
        assert abs(times[0] - oldest) < timedelta(hours=1, minutes=1)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert max(gaps) <= timedelta(hours=1, seconds=5)


async def test_counts_by_type_and_status(quiet: Registry, clockwork: Clockwork, db: Session) -> None:
    db.execute("INSERT INTO platform.projects (name, ref) VALUES ('Second', 'second')")
    first = (await quiet.create(name="a", skip_test=False)).id
    await quiet.create(name="b")
    await quiet.create(name="c", type="mongodb", connection_string="mongodb://h/x")
    await quiet.create(name="d", project_ref="second")
    await clockwork.found(first, ms=3.0)
    await clockwork.found(first, ms=None, code="DB_TIMEOUT")
    answer = await stats(quiet)
    assert (answer.total, answer.errors_24h, answer.latency_ms_24h, answer.stale) == (4, 1, 3.0, False)
    assert dict(answer.by_type) == {"postgres": 0, "redis": 3, "mongodb": 1, "bun_api": 0}
    assert dict(answer.by_status) == {"active": 1, "inactive": 3, "error": 0}
    assert [(each.type, each.status, each.count) for each in answer.counts] == [
        ("mongodb", "inactive", 1),
        ("redis", "active", 1),
        ("redis", "inactive", 2),
    ]
    assert (await stats(quiet, "second")).total == 1
    assert (await stats(quiet, "nowhere")).total == 0


async def test_counts_of_before_are_told_while_the_platform_database_is_away(
    migrated_url: str, redis_engine: ScriptedEngine
) -> None:
    given = conninfo.conninfo_to_dict(migrated_url)
    async with FaultProxy(str(given["host"]), int(str(given["port"]))) as proxy:
        url = conninfo.make_conninfo(migrated_url, host=proxy.host, port=proxy.port)
        async with checking(url, redis_engine, **NEVER) as registry:
            created = await registry.create()
            before = await stats(registry)
            await proxy.refuse()
            proxy.cut()
            during = await stats(registry)
            assert (during.total, during.stale) == (1, True)
            async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
                await stats(registry, "never-asked-before")
            async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
                await health(registry, created.id)
            await proxy.accept()

            async def is_back() -> None:
                while True:
                    if await stats(registry) == before:
                        return
                    await asyncio.sleep(0.05)

            async with asyncio.timeout(20):
                await is_back()


async def test_without_a_platform_database_there_is_nothing_to_tell(redis_engine: ScriptedEngine) -> None:
    configuration = settings(
        None,
        redis_svc_address=redis_engine.address,
        environment_connections=True,
        redis_url="redis://127.0.0.1:6379",
        health_interval_s=0.1,
    )
    async with running_registry(configuration) as registry:
        (database,) = (await registry.list()).databases
        answer = await health(registry, database.id)
        assert (answer.id, list(answer.history), answer.checks) == (database.id, [], 0)
        assert not answer.HasField("last_checked_at")
        counted = await stats(registry)
        assert (counted.total, counted.by_type["redis"]) == (1, 1)
        async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
            await health(registry, str(uuid.uuid4()))


async def test_labels_hold_no_users_data(checked: Registry, redis_engine: ScriptedEngine) -> None:
    created = await checked.create(name="very-private", skip_test=False)
    await until(lambda: len(redis_engine.asked) > 3)
    text = generate_latest().decode()
    assert "studio_registry_health_checks_total{" in text
    assert "very-private" not in text
    assert created.id not in text
    assert json.dumps(created.host) not in text
