"""What is told of health checks: the history of a database, counts over all, metrics."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
from prometheus_client import generate_latest
from psycopg import conninfo

from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from tests.registry.harness import (
    Registry,
    ScriptedEngine,
    failing,
    running_registry,
    settings,
)
from tests.registry.health import NEVER, Clockwork, checking, health, stats, until
from tests.support.fault_proxy import FaultProxy

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
REFUSED = ConnectionDiagnosis(stage="tcp", error_code="DB_CONNECTION_FAILED", message="Refused.")


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
