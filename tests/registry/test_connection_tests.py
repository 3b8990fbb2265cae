"""Testing connections, saved and unsaved."""

from __future__ import annotations

from typing import Any

import grpc
import psycopg
import pytest

from services.registry import engines
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from tests.registry.harness import CANARY, Registry, ScriptedEngine, failing, running_registry, settings

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
URL = f"redis://:{CANARY}@127.0.0.1:6379/0"


async def test_what_the_engines_service_found_is_the_answer(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    assert await registry.test(type="redis", connection_string=URL) == redis_engine.answer
    assert redis_engine.opened() == URL
    refused = ConnectionDiagnosis(
        stage="authentication",
        error_code="DB_INVALID_CREDENTIALS",
        message="Wrong password.",
        hint="Look it up.",
    )
    redis_engine.answer = refused
    assert await registry.test(type="redis", connection_string=URL) == refused
    assert db.execute("SELECT FROM platform.databases").fetchall() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "redis", "connection_string": "redis://"}, "INVALID_CONNECTION_STRING"),
        ({"type": "redis", "connection_string": f"redis://:{CANARY}@x@h"}, "INVALID_CONNECTION_STRING"),
        ({"type": "redis", "connection_string": f"postgres://u:{CANARY}@h/d"}, "INVALID_CONNECTION_STRING"),
        ({"type": "redis"}, "INVALID_ARGUMENT"),
        ({"type": "redis", "connection_string": URL, "host": "h"}, "INVALID_ARGUMENT"),
        ({"type": "oracle", "connection_string": URL}, "INVALID_ARGUMENT"),
        ({"connection_string": URL}, "INVALID_ARGUMENT"),
    ],
    ids=lambda each: ascii(each)[:60],
)
async def test_a_request_that_makes_no_sense_is_an_error(
    registry: Registry, redis_engine: ScriptedEngine, fields: dict[str, Any], reason: str
) -> None:
    async with failing(reason, Code.INVALID_ARGUMENT) as failure:
        await registry.test(**fields)
    assert CANARY not in failure.text
    assert redis_engine.asked == []


async def test_a_service_that_is_gone_is_an_answer(registry: Registry, redis_engine: ScriptedEngine) -> None:
    redis_engine.answer = Code.UNAVAILABLE
    found = await registry.test(type="redis", connection_string=URL)
    assert (found.success, found.stage, found.error_code) == (False, "service", "SERVICE_UNAVAILABLE")
    assert "redis" in found.message
    assert found.hint


async def test_nobody_at_the_services_address_is_an_answer(migrated_url: str) -> None:
    async with running_registry(settings(migrated_url, redis_svc_address="127.0.0.1:1")) as registry:
        found = await registry.test(type="redis", connection_string=URL)
    assert (found.success, found.stage, found.error_code) == (False, "service", "SERVICE_UNAVAILABLE")


async def test_a_service_that_does_not_answer_is_an_answer(
    registry: Registry, redis_engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "DEADLINE_S", 0.1)
    redis_engine.delay_s = 30
    found = await registry.test(type="redis", connection_string=URL)
    assert (found.success, found.stage, found.error_code) == (False, "service", "DEADLINE_EXCEEDED")


async def test_a_type_without_a_service_says_which_variable_gives_one(registry: Registry) -> None:
    found = await registry.test(type="bun_api", connection_string=f"https://:{CANARY}@host")
    assert (found.success, found.stage, found.error_code) == (False, "service", "ENGINE_DISABLED")
    assert "BUN_PROXY_ADDRESS" in found.hint
    assert (await registry.test(type="postgresql", connection_string="postgres://u:p@h/d")).stage == "service"


async def test_a_success_is_noted_and_a_failure_changes_nothing(
    registry: Registry, redis_engine: ScriptedEngine
) -> None:
    created = await registry.create(skip_test=True)
    redis_engine.answer = ConnectionDiagnosis(
        stage="tcp", error_code="DB_CONNECTION_FAILED", message="closed"
    )
    assert not (await registry.test_saved(created.id)).success
    assert await registry.get(created.id) == created
    redis_engine.answer = ConnectionDiagnosis(success=True, stage="done")
    assert (await registry.test_saved(created.id)).success
    assert (await registry.get(created.id)).status == "active"
    assert redis_engine.asked[-1].id == created.id


async def test_a_success_is_an_answer_even_when_it_cant_be_noted(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    created = await registry.create(skip_test=True)
    db.execute("ALTER TABLE platform.databases RENAME COLUMN last_connected_at TO other")
    assert (await registry.test_saved(created.id)).success
    assert len(redis_engine.asked) == 1
