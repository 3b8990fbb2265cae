"""A request is one trace from the gateway to the engine, its log lines bear the trace's id, spans hold names only."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys

import httpx
import pytest

from tests.support import canaries
from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.otlp import Collector, Span
from tests.support.redis_api import RedisApi

SERVER, CLIENT = 2, 3
"""Kinds of spans in OTLP."""


@pytest.fixture
def collector(system: LocalSystem) -> Collector:
    assert system.collector is not None
    return system.collector


@pytest.fixture
def trace_id() -> str:
    return secrets.token_hex(16)


def headers(trace_id: str, *, sampled: bool = True) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{'01' if sampled else '00'}"}


async def came(collector: Collector, trace_id: str, *services: str) -> list[Span]:
    return await asyncio.to_thread(collector.wait_for, trace_id, *services)


def of(spans: list[Span], service: str, kind: int = SERVER) -> list[Span]:
    return [span for span in spans if (span.service, span.kind) == (service, kind)]


async def test_a_get_from_the_gateway_to_the_commands_of_redis(
    system: LocalSystem, collector: Collector, trace_id: str, redis_reader: RedisApi
) -> None:
    key = secrets.token_hex(8)
    async with system.client("read_only") as client:
        answer = await client.get(
            f"/api/platform/redis/{redis_reader.database_id}/get",
            params={"key": key},
            headers=headers(trace_id),
        )
    assert answer.status_code == httpx.codes.NOT_FOUND
    spans = await came(collector, trace_id, "gateway", "redis_svc")
    (edge,) = of(spans, "gateway")
    (served,) = of(spans, "redis_svc")
    # Others may have made the connection.
    (asked,) = [span for span in of(spans, "redis_svc", CLIENT) if "GET" in span.name]
    assert (served.parent, asked.parent) == (edge.id, served.id)
    assert served.name == "studio.redis.v1.RedisService/GetValue"
    assert served.attributes["studio.request_id"] == answer.headers["x-request-id"]
    assert served.attributes["error.type"] == "KEY_NOT_FOUND"
    assert not served.failed, "that a key is not there is an answer"
    assert asked.attributes["studio.redis.commands"] == ["TYPE", "PTTL", "STRLEN", "GETRANGE"]
    assert key not in str(spans)


async def test_a_command_of_mongodb_and_the_question_to_the_registry(
    system: LocalSystem, collector: Collector, trace_id: str, mongo_reader: MongoApi
) -> None:
    path = f"/api/platform/mongodb/{mongo_reader.database_id}"
    async with system.client("read_only") as client:
        assert (await client.get(f"{path}/databases", headers=headers(trace_id))).is_success
    spans = await came(collector, trace_id, "gateway", "mongo_svc")
    (served,) = of(spans, "mongo_svc")
    commands = of(spans, "mongo_svc", CLIENT)
    assert "listDatabases" in {span.name for span in commands}
    assert {span.parent for span in commands} == {served.id}


async def test_statements_of_the_platform_database(
    system: LocalSystem, collector: Collector, trace_id: str
) -> None:
    async with system.client("owner") as client:
        assert (await client.get("/api/platform/databases", headers=headers(trace_id))).is_success
    spans = await came(collector, trace_id, "gateway", "registry")
    names = [span.name for span in of(spans, "registry", CLIENT)]
    (statement,) = [name for name in names if "platform.databases_with_projects" in name]
    assert statement.startswith("SELECT ")


async def test_a_request_that_is_forwarded_to_a_bun_api(
    system: LocalSystem, collector: Collector, trace_id: str
) -> None:
    async with system.client("owner") as client:
        listed = (await client.get("/api/platform/databases", params={"search": "sample-bun"})).json()
        path = f"/api/platform/bun/{listed[0]['id']}/proxy/{secrets.token_hex(8)}"
        answer = await client.get(path, headers=headers(trace_id))
    spans = await came(collector, trace_id, "gateway", "bun_proxy")
    (served,) = of(spans, "bun_proxy")
    (sent,) = of(spans, "bun_proxy", CLIENT)
    assert sent.parent == served.id
    assert sent.attributes["http.response.status_code"] == answer.status_code
    assert path.rpartition("/")[2] not in str(spans)


async def test_every_line_about_a_request_bears_its_trace(
    system: LocalSystem, collector: Collector, trace_id: str
) -> None:
    path = f"/api/platform/redis/{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}/overview"
    async with system.client("owner") as client:
        answer = await client.get(path, headers=headers(trace_id))
        without = await client.get(path)
    assert answer.status_code == httpx.codes.NOT_FOUND

    def lines(process: str, request_id: str) -> list[dict[str, object]]:
        texts = [line for line in system.log(process).splitlines() if request_id in line]
        return [json.loads(text) for text in texts]

    for process in ("gateway", "redis_svc"):
        for request_id, expected in (
            (answer.headers["x-request-id"], trace_id),
            (without.headers["x-request-id"], None),
        ):
            async with asyncio.timeout(20):
                while not (found := lines(process, request_id)):  # noqa: ASYNC110  a file tells nobody
                    await asyncio.sleep(0.1)
            ids = {line["trace_id"] for line in found}
            assert len(ids) == 1, process
            if expected is not None:
                assert ids == {expected}
            else:
                await came(collector, str(ids.pop()), "gateway", "redis_svc")


async def test_a_caller_that_is_not_traced_is_not(
    system: LocalSystem, collector: Collector, redis_reader: RedisApi
) -> None:
    silent, heard = secrets.token_hex(16), secrets.token_hex(16)
    path = f"/api/platform/redis/{redis_reader.database_id}/get?key=nothing"
    async with system.client("read_only") as client:
        await client.get(path, headers=headers(silent, sampled=False))
        await client.get(path, headers=headers(heard))
    await came(collector, heard, "gateway", "redis_svc")
    assert collector.spans(silent) == []


async def test_the_collector_gets_its_headers(collector: Collector, system: LocalSystem) -> None:
    async with system.client("owner") as client:
        await client.get("/api/platform/databases")
    agents = {each["user-agent"].partition("/")[0] for each in collector.headers}
    assert len(agents) > 1, "Envoy and services"
    assert all(canaries.HEAD in each["x-key"] for each in collector.headers)


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, services.redis_svc.app, services.mongo_svc.app, services.bun_proxy.app, services.registry.app;"
        "from services.runtime import tracing; from services.runtime.trace_settings import TraceSettings;"
        "tracing.start('tests', TraceSettings());"
        "print([name for name in sys.modules if name.startswith('opentelemetry')], tracing.tracer)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[0] == "[] None"
