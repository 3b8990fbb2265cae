"""Registering a database."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from tests.registry.harness import CANARY, Registry, ScriptedEngine, failing, keys

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode

REFUSED = ConnectionDiagnosis(
    stage="tcp",
    error_code="DB_CONNECTION_FAILED",
    message="Nothing listens at 127.0.0.1:6379.",
    hint="start the server",
)


async def test_a_tested_connection_is_stored_and_shown_without_its_secret(
    registry: Registry, redis_engine: ScriptedEngine, db: Session
) -> None:
    config = Struct()
    config.update({"readOnly": True})
    created = await registry.create(
        name="cache-1", description="Sessions", config=config, skip_test=False,
        connection_string=f"redis://app:{CANARY}@127.0.0.1:6399/3",
    )  # fmt: skip
    assert uuid.UUID(created.id).version == 4
    assert (created.name, created.type, created.description) == ("cache-1", "redis", "Sessions")
    assert (created.host, created.port, created.database_name, created.username) == (
        "127.0.0.1",
        6399,
        "3",
        "app",
    )
    assert (created.project_ref, created.organization_slug) == ("default", "default-org-slug")
    assert (created.status, created.source) == ("active", "stored")
    assert created.HasField("last_connected_at")
    assert json_format.MessageToDict(created.config) == {"readOnly": True}
    assert CANARY not in str(created)
    assert redis_engine.asked[-1].id == created.id
    assert redis_engine.opened() == f"redis://app:{CANARY}@127.0.0.1:6399/3"
    (stored,) = db.execute("SELECT connection_string FROM platform.databases").fetchall()
    opened = keys().open(stored[0], row_id=created.id, type_="redis")
    assert opened == f"redis://app:{CANARY}@127.0.0.1:6399/3"
    assert await registry.get(created.id) == created


async def test_without_a_test_it_is_inactive_until_one_succeeds(
    registry: Registry, redis_engine: ScriptedEngine
) -> None:
    created = await registry.create(skip_test=True)
    assert redis_engine.asked == []
    assert created.status == "inactive"
    assert not created.HasField("last_connected_at")
    assert (await registry.test_saved(created.id)).success
    tested = await registry.get(created.id)
    assert tested.status == "active"
    assert tested.HasField("last_connected_at")
    assert tested.updated_at == created.updated_at


async def test_a_connection_can_be_given_in_parts(registry: Registry, redis_engine: ScriptedEngine) -> None:
    password = "@ : / # % ?é"
    await registry.create(
        connection_string="", host="::1", port=7000, username="app", password=password, database_name="2", tls=True,
        skip_test=False,
    )  # fmt: skip
    assert redis_engine.opened() == "rediss://app:%40%20%3A%20%2F%20%23%20%25%20%3F%C3%A9@[::1]:7000/2"


async def test_postgresql_is_another_name_of_postgres(registry: Registry) -> None:
    created = await registry.create(type="postgresql", connection_string=f"postgres://u:{CANARY}@h/d")
    assert created.type == "postgres"


@pytest.mark.parametrize(
    ("diagnosis", "reason", "code"),
    [
        (REFUSED, "DB_CONNECTION_FAILED", Code.FAILED_PRECONDITION),
        (
            ConnectionDiagnosis(stage="authentication", error_code="DB_INVALID_CREDENTIALS", message="no"),
            "DB_INVALID_CREDENTIALS",
            Code.FAILED_PRECONDITION,
        ),
        (
            ConnectionDiagnosis(stage="tcp", error_code="DB_TIMEOUT", message="slow"),
            "DB_TIMEOUT",
            Code.FAILED_PRECONDITION,
        ),
        (
            ConnectionDiagnosis(stage="permission", error_code="DB_PERMISSION_DENIED", message="no"),
            "DB_PERMISSION_DENIED",
            Code.FAILED_PRECONDITION,
        ),
        (
            ConnectionDiagnosis(stage="protocol", error_code="A_NEWER_REASON", message="?"),
            "DB_CONNECTION_FAILED",
            Code.FAILED_PRECONDITION,
        ),
    ],
    ids=lambda each: getattr(each, "error_code", None),
)
async def test_a_failed_test_stores_nothing_and_names_the_stage(
    registry: Registry, redis_engine: ScriptedEngine, diagnosis: ConnectionDiagnosis, reason: str, code: Code
) -> None:
    redis_engine.answer = diagnosis
    async with failing(reason, code) as failure:
        await registry.create(skip_test=False)
    assert failure.message == diagnosis.message
    assert failure.facts["stage"] == diagnosis.stage
    assert failure.hint == diagnosis.hint
    assert failure.retry_after is None
    assert CANARY not in failure.text
    assert list((await registry.list()).databases) == []


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", True),
        (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", True),
        (Code.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", True),
        (Code.INTERNAL, "INTERNAL", False),
    ],
)
async def test_a_failure_of_the_service_is_no_mistake_of_the_users(
    registry: Registry, redis_engine: ScriptedEngine, status: Code, reason: str, *, retryable: bool
) -> None:
    redis_engine.answer = status
    async with failing(reason, status) as failure:
        await registry.create(skip_test=False)
    assert failure.facts["stage"] == "service"
    assert bool(failure.retry_after) == retryable


async def test_a_type_without_a_service_needs_skip_test(registry: Registry) -> None:
    url = f"mongodb://u:{CANARY}@host/db"
    async with failing("ENGINE_DISABLED", Code.FAILED_PRECONDITION) as failure:
        await registry.create(type="mongodb", connection_string=url, skip_test=False)
    assert failure.facts["stage"] == "service"
    assert "MONGO_SVC_ADDRESS" in failure.hint
    created = await registry.create(type="mongodb", connection_string=url, skip_test=True)
    assert created.status == "inactive"


async def test_a_name_is_taken_once_a_project(registry: Registry, db: Session) -> None:
    db.execute("INSERT INTO platform.projects (name, ref) VALUES ('Second', 'second')")
    await registry.create(name="cache")
    async with failing("ALREADY_EXISTS", Code.ALREADY_EXISTS) as failure:
        await registry.create(name="cache")
    assert "'cache'" in failure.message
    await registry.create(name="cache", project_ref="second")


async def test_a_name_that_is_taken_is_said_before_the_connection_is_tested(
    registry: Registry, redis_engine: ScriptedEngine
) -> None:
    await registry.create(name="cache")
    async with failing("ALREADY_EXISTS", Code.ALREADY_EXISTS):
        await registry.create(name="cache", skip_test=False)
    async with failing("PROJECT_NOT_FOUND", Code.NOT_FOUND):
        await registry.create(project_ref="nowhere", skip_test=False)
    assert redis_engine.asked == []


async def test_64_at_the_same_time_give_one_success_and_63_clean_refusals(
    registry: Registry, redis_engine: ScriptedEngine
) -> None:
    redis_engine.delay_s = 0.05  # all are past the first look at the name before the first one is stored

    async def create() -> str:
        try:
            await registry.create(name="contested", skip_test=False)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    outcomes = await asyncio.gather(*(create() for _ in range(64)))
    assert sorted(set(outcomes)) == ["ALREADY_EXISTS", "OK"]
    assert outcomes.count("OK") == 1
    assert len((await registry.list()).databases) == 1


async def test_an_unknown_project_is_not_found(registry: Registry) -> None:
    async with failing("PROJECT_NOT_FOUND", Code.NOT_FOUND) as failure:
        await registry.create(project_ref="nowhere")
    assert "'nowhere'" in failure.message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"project_ref": ""}, "INVALID_ARGUMENT"),
        ({"project_ref": "x" * 129}, "INVALID_ARGUMENT"),
        ({"project_ref": "a\0b"}, "INVALID_ARGUMENT"),
        ({"name": ""}, "INVALID_ARGUMENT"),
        ({"name": "Cache"}, "INVALID_ARGUMENT"),
        ({"name": "a b"}, "INVALID_ARGUMENT"),
        ({"name": "a\n"}, "INVALID_ARGUMENT"),
        ({"name": "x" * 64}, "INVALID_ARGUMENT"),
        ({"name": "'; DROP TABLE platform.databases; --"}, "INVALID_ARGUMENT"),
        ({"type": "mysql"}, "INVALID_ARGUMENT"),
        ({"type": ""}, "INVALID_ARGUMENT"),
        ({"description": "x" * 2049}, "INVALID_ARGUMENT"),
        ({"description": "a\0b"}, "INVALID_ARGUMENT"),
        ({"connection_string": ""}, "INVALID_ARGUMENT"),
        ({"connection_string": "x" * 8193}, "INVALID_ARGUMENT"),
        ({"connection_string": "redis://"}, "INVALID_CONNECTION_STRING"),
        ({"connection_string": f"redis://:{CANARY}/x@host"}, "INVALID_CONNECTION_STRING"),
        ({"connection_string": f"mongodb://u:{CANARY}@host"}, "INVALID_CONNECTION_STRING"),
        ({"username": "somebody-else"}, "INVALID_ARGUMENT"),
        ({"password": "another"}, "INVALID_ARGUMENT"),
        ({"tls": True}, "INVALID_ARGUMENT"),
        ({"port": 70000}, "INVALID_ARGUMENT"),
        ({"connection_string": "", "host": "a b"}, "INVALID_CONNECTION_STRING"),
        ({"connection_string": "", "host": "h", "database_name": "x"}, "INVALID_CONNECTION_STRING"),
        ({"connection_string": "", "host": "h", "username": "a\0b"}, "INVALID_CONNECTION_STRING"),
    ],
    ids=lambda each: ascii(each)[:50],
)
async def test_a_wrong_field_is_refused_by_name(
    registry: Registry, fields: dict[str, Any], reason: str
) -> None:
    async with failing(reason, Code.INVALID_ARGUMENT) as failure:
        await registry.create(**fields)
    assert CANARY not in failure.text
    assert list((await registry.list()).databases) == []


async def test_a_secret_in_config_is_refused(registry: Registry) -> None:
    config = Struct()
    config.update({"apiKey": CANARY})
    async with failing("INVALID_ARGUMENT", Code.INVALID_ARGUMENT) as failure:
        await registry.create(config=config)
    assert CANARY not in failure.text


async def test_parts_that_agree_with_the_connection_string_are_accepted(registry: Registry) -> None:
    created = await registry.create(
        connection_string=f"redis://app:{CANARY}@h:6379/1", port=6379, username="app", database_name="1"
    )
    assert created.username == "app"
