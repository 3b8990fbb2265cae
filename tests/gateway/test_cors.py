"""Pages of the origins that are named, and of no others, may call the API."""

from __future__ import annotations

import httpx
import pytest

from studio.redis.v1 import redis_service_pb2 as redis_pb
from tests.gateway.harness import DATABASE_ID, Gateway, Script

ALLOWED = "https://studio.example.com"
STATUS = "/api/platform/redis/status"


async def preflight(gateway: Gateway, path: str, origin: str) -> httpx.Response:
    async with gateway.client(with_token=False) as client:
        return await client.options(
            path,
            headers={
                "origin": origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization, content-type",
            },
        )


@pytest.mark.parametrize(
    "path", [STATUS, f"/api/platform/redis/{DATABASE_ID}/set", "/api/platform/databases"]
)
async def test_a_preflight_needs_no_token(gateway: Gateway, path: str) -> None:
    answer = await preflight(gateway, path, ALLOWED)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ALLOWED)
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert {"POST", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "http://studio.example.com", "https://studio.example.com.evil.com", "null"],
)
async def test_other_origins_are_not_named(
    gateway: Gateway, client: httpx.AsyncClient, redis: Script, origin: str
) -> None:
    answer = await preflight(gateway, STATUS, origin)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    answer = await client.get(STATUS, headers={"origin": origin})
    assert "access-control-allow-origin" not in answer.headers


async def test_answers_and_refusals_can_be_read(
    gateway: Gateway, client: httpx.AsyncClient, redis: Script
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    async with gateway.client(with_token=False) as anonymous:
        for each, status in ((client, 200), (anonymous, 401)):
            answer = await each.get(STATUS, headers={"origin": ALLOWED})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, ALLOWED)
            exposed = set(answer.headers["access-control-expose-headers"].split(", "))
            assert exposed == {
                "x-next-page-token",
                "x-stale",
                "x-request-id",
                "retry-after",
                "content-disposition",
            }
