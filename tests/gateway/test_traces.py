"""Traces at the edge: whose word counts, and what is told to services and to the log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from studio.redis.v1 import redis_service_pb2 as redis_pb
from tests.gateway.harness import DATABASE_ID, Gateway, Script, Service, running_gateway
from tests.support.otlp import Collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    return Collector(tmp_path_factory.mktemp("traces") / "spans.binpb")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traced(
    collector: Collector, services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    """A gateway that traces what it likes."""
    async with running_gateway(
        tmp_path_factory.mktemp("traced"),
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        REDIS_SVC_ADDRESS=f"127.0.0.1:{services['redis'].port}",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_TRACES_SAMPLER="always_on",
        OTEL_SERVICE_NAME="edge",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=tests",
    ) as running:
        await running.wait_ready("/readyz")
        yield running
    collector.close()


@pytest.fixture
async def client(traced: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with traced.client() as found:
        yield found


async def test_a_sampler_without_parents_ignores_what_callers_say(
    traced: Gateway, client: httpx.AsyncClient, redis: Script, collector: Collector
) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse())
    theirs, key = secrets.token_hex(16), secrets.token_hex(8)
    headers = {"traceparent": f"00-{theirs}-{secrets.token_hex(8)}-00", "tracestate": "them=1"}
    answer = await client.get(f"/api/platform/redis/{DATABASE_ID}/get?key={key}", headers=headers)
    assert answer.is_success
    version, ours, parent, flags = redis.calls[0].metadata["traceparent"].split("-")
    assert (version, flags) == ("00", "01")
    assert ours != theirs
    (span,) = await asyncio.to_thread(collector.wait_for, ours, "edge")
    assert (span.id, span.parent) == (parent, "")
    assert span.attributes["guid:x-request-id"] == answer.headers["x-request-id"]
    assert key not in str(span), "a query holds what is a user's"
    assert DATABASE_ID not in str(span)
    assert "them" not in redis.calls[0].metadata.get("tracestate", "")
    async with asyncio.timeout(15):
        while not (lines := [each for each in traced.access_log() if each["trace_id"] == ours]):  # noqa: ASYNC110  a file tells nobody
            await asyncio.sleep(0.05)
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
