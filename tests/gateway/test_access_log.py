"""One JSON line a request, without what may be secret."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from studio.redis.v1 import redis_service_pb2 as redis_pb
from tests.gateway.harness import DATABASE_ID, Gateway, Script, token


async def logged(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The line of one request; Envoy writes it soon after the answer."""
    async with asyncio.timeout(15):
        while True:
            for line in gateway.access_log():
                if line["request_id"] == request_id:
                    return line
            await asyncio.sleep(0.05)


async def test_a_request_is_logged_as_the_client_sent_it(
    gateway: Gateway, client: httpx.AsyncClient, redis: Script
) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse())
    path = f"/api/platform/redis/{DATABASE_ID}/get"
    headers = {"user-agent": "u" * 1000}
    answer = await client.get(f"{path}?key=canary-secret", headers=headers)
    line = await logged(gateway, answer.headers["x-request-id"])
    assert (line["method"], line["path"], line["status"], line["upstream"]) == ("GET", path, 200, "redis_svc")
    assert isinstance(line["duration_ms"], int)
    assert line["bytes_sent"] == len(answer.content)
    assert line["user_agent"] == "u" * 200


@pytest.mark.parametrize(
    ("traceparent", "logged_id"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("canary-4711-secret", None),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
        (None, None),
    ],
)
async def test_a_line_has_the_id_of_the_callers_trace(
    gateway: Gateway, client: httpx.AsyncClient, redis: Script, traceparent: str | None, logged_id: str | None
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    headers = {} if traceparent is None else {"traceparent": traceparent}
    answer = await client.get("/api/platform/redis/status", headers=headers)
    line = await logged(gateway, answer.headers["x-request-id"])
    assert line["trace_id"] == logged_id
    assert redis.calls[0].metadata.get("traceparent") == traceparent, "it goes on to the service as it came"


@pytest.mark.usefixtures("registry")
async def test_no_line_holds_a_secret(gateway: Gateway, client: httpx.AsyncClient) -> None:
    secret = "canary-4711-secret"
    answers = [
        await client.get("/api/platform/databases", params={"search": secret}),
        await client.get("/api/platform/databases", params={"nope": secret}),
        await client.get("/api/platform/databases", params={"page_size": secret}),
        await client.post("/api/platform/databases", json={"connectionString": secret, "port": secret}),
        await client.post("/api/platform/databases", content=f'{{"connectionString": {secret}'),
        await client.get("/healthz/x", params={"access_token": secret}),
        await client.get("/api/platform/databases", headers={"authorization": f"Bearer {secret}"}),
        await client.get("/api/platform/databases", headers={"x-connection-encrypted": secret}),
    ]
    for answer in answers:
        await logged(gateway, answer.headers["x-request-id"])
    text = gateway.output.read_text()
    assert secret not in text
    assert token()[:20] not in text


async def test_health_checks_are_not_logged(gateway: Gateway, client: httpx.AsyncClient) -> None:
    health = await client.get("/healthz")
    answer = await client.get("/not-a-health-check")
    await logged(gateway, answer.headers["x-request-id"])
    assert health.headers["x-request-id"] not in {line["request_id"] for line in gateway.access_log()}
