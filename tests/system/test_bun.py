"""Bun APIs over REST: how the sample API is, its routes and its calls; and registering others."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.bun_api import BunApi
from tests.support.local_system import LocalSystem

DATABASES = "/api/platform/databases"


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as client:
        yield client


@pytest.fixture
async def reader(system: LocalSystem) -> AsyncIterator[BunApi]:
    """The sample API for someone who may only read."""
    async with system.client("read_only") as client:
        yield BunApi(client, await BunApi.sample_id(client))


@pytest.fixture
async def another(owner: httpx.AsyncClient, system: LocalSystem) -> AsyncIterator[BunApi]:
    """The sample API, registered once more without its key: nobody else calls it."""
    database_id = (await register(owner, system)).json()["id"]
    yield BunApi(owner, database_id)
    await owner.delete(f"{DATABASES}/{database_id}")


async def register(owner: httpx.AsyncClient, system: LocalSystem, **fields: Any) -> httpx.Response:  # noqa: ANN401  JSON
    body = {
        "projectRef": "default",
        "name": f"test-{secrets.token_hex(8)}",
        "type": "bun_api",
        "connectionString": system.engines["bun"],
        **fields,
    }
    return await owner.post(DATABASES, json=body)


async def test_health(reader: BunApi) -> None:
    found = await reader.get("health")
    assert (found["status"], found["path"], found["http_status"], found["error_code"]) == (
        "healthy",
        "/health",
        200,
        "",
    )
    assert found["latency_ms"] > 0
    assert found["breaker"] == {
        "state": "closed",
        "failures": 0,
        "opened": 0,
        "refused": 0,
        "retry_after_s": 0,
        "last_error": "",
    }
    assert found["checked_at"].endswith("Z")


async def test_info(reader: BunApi, system: LocalSystem) -> None:
    found = await reader.get("info")
    assert found["base_url"] == system.engines["bun"]
    assert (found["has_key"], found["document"]["title"], found["version"]) == (True, "Books", "1.2.0")


async def test_routes(reader: BunApi) -> None:
    found = await reader.get("routes", search="book", method="GET")
    assert [each["path"] for each in found["routes"]] == ["/books", "/books/{id}"]
    parameter = found["routes"][1]["parameters"][0]
    assert (parameter["name"], parameter["in"], parameter["type"], parameter["required"]) == (
        "id",
        "path",
        "integer",
        True,
    )
    first = await reader.get("routes", pageSize=1)
    second = await reader.get("routes", pageSize=1, pageToken=first["next_page_token"])
    one, two = ((each["routes"][0]["path"], each["routes"][0]["method"]) for each in (first, second))
    assert one < two
    assert (await reader.post("routes/refresh"))["document"]["route_count"] == found["document"][
        "route_count"
    ]
    assert await reader.get_refused("routes", pageToken="!") == (400, "INVALID_CURSOR")
    assert await reader.get_refused("routes", method="get") == (400, "INVALID_ARGUMENT")


async def test_calls(another: BunApi) -> None:
    before = await another.get("calls")
    assert (before["calls"], before["next_page_token"], before["by_route"]) == ([], "", [])
    assert (before["total"]["count"], before["total"]["p50_ms"]) == (0, -1)
    await another.send("GET", "proxy/health", query={"x": "secret"})
    assert (await another.send("GET", "proxy/books/7")).status_code == 401
    found = await another.get("calls")
    assert [(each["path"], each["route"], each["status"]) for each in found["calls"]] == [
        ("/books/7", "/books/{id}", 401),
        ("/health", "/health", 200),
    ]
    assert "secret" not in str(found)
    assert (found["total"]["count"], found["total"]["client_errors"]) == (2, 1)
    assert found["total"]["p99_ms"] > 0
    assert [each["status"] for each in (await another.get("calls", minStatus=400))["calls"]] == [401]


async def test_connections_are_tested_when_they_are_registered(
    owner: httpx.AsyncClient, system: LocalSystem
) -> None:
    needs_key = {"health_path": "/books"}
    refused = await register(owner, system, config=needs_key)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "DB_INVALID_CREDENTIALS")
    assert refused.json()["details"][0]["metadata"]["stage"] == "authentication"
    wrong = await register(owner, system, config={"healthPath": "/books"})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "INVALID_ARGUMENT")
    assert "health_path" in wrong.json()["message"]
    tested = await owner.post(
        f"{DATABASES}/test", json={"type": "bun_api", "connectionString": system.engines["bun"]}
    )
    assert (tested.json()["success"], tested.json()["stage"]) == (True, "done")
    denied = await owner.post(
        f"{DATABASES}/test", json={"type": "bun_api", "connectionString": "http://169.254.169.254/latest"}
    )
    assert (denied.json()["success"], denied.json()["stage"]) == (False, "address")


async def test_the_service_answers_for_itself_and_only_to_those_with_a_role(
    system: LocalSystem, reader: BunApi
) -> None:
    status = await reader.http.get("/api/platform/bun/status")
    assert status.json()["service"] == "bun_proxy"
    async with httpx.AsyncClient(base_url=system.url, trust_env=False) as nobody:
        assert (await nobody.get(f"{reader.base}/health")).status_code == 401
    unknown = BunApi(reader.http, "6f1c9a52-6f0e-4b1b-9d6b-0b8f6f8f3f0e")
    assert await unknown.get_refused("health") == (404, "DB_NOT_FOUND")
