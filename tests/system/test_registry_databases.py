"""Registered databases over REST: create, list, get, change, delete, and what services see of it."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from redis.asyncio import Redis

from tests.support.local_system import LocalSystem

DATABASES = "/api/platform/databases"
SHAPE = {"message", "error", "error_code", "retryable", "details"}
CANARY = "c4n4ry-S3cr3t"


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as client:
        yield client


@pytest.fixture
async def prefix(owner: httpx.AsyncClient) -> AsyncIterator[str]:
    """What the names of a test begin with; they are deleted afterwards."""
    name = f"t-{secrets.token_hex(6)}"
    yield name
    listed = await owner.get(DATABASES, params={"search": name, "page_size": 1000})
    for each in listed.json():
        await owner.delete(f"{DATABASES}/{each['id']}")


@pytest.fixture
def url(system: LocalSystem) -> str:
    """The sample Redis."""
    return system.engines["redis"]


def body(name: str, url: str, **more: object) -> dict[str, object]:
    return {"projectRef": "default", "name": name, "type": "redis", "connectionString": url, **more}


def refused(answer: httpx.Response, status: int, error_code: str) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert found.keys() == SHAPE
    assert (found["error"], found["error_code"]) == ({"message": found["message"]}, error_code)
    return found


async def test_a_database_from_its_registration_to_its_end(
    owner: httpx.AsyncClient, prefix: str, url: str
) -> None:
    created = await owner.post(
        DATABASES, json=body(prefix, url, description="first", config={"readOnly": True})
    )
    assert created.status_code == 201
    row = created.json()
    assert (row["name"], row["type"], row["status"], row["source"]) == (prefix, "redis", "active", "stored")
    assert (row["stale"], row["hint"], row["config"]) == (False, "", {"readOnly": True})
    path = f"{DATABASES}/{row['id']}"
    assert (await owner.get(path)).json() == row
    assert row in (await owner.get(DATABASES, params={"projectRef": "default", "search": prefix})).json()
    for method, change in (("PATCH", {"description": "second"}), ("PUT", {"name": f"{prefix}-2"})):
        changed = await owner.request(method, path, json=change)
        assert changed.status_code == 200, changed.text
        assert change.items() <= changed.json().items()
    tested = await owner.post(f"{path}/test", json={})
    assert tested.json()["success"] is True
    deleted = await owner.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for again in (owner.get(path), owner.delete(path), owner.patch(path, json={"name": "x"})):
        refused(await again, 404, "DB_NOT_FOUND")


@pytest.mark.parametrize("spelling", ["updateMask", "update_mask"])
async def test_a_mask_over_rest(owner: httpx.AsyncClient, prefix: str, url: str, spelling: str) -> None:
    row = (await owner.post(DATABASES, json=body(prefix, url, description="text"))).json()
    path = f"{DATABASES}/{row['id']}"
    changed = await owner.patch(path, json={"name": f"{prefix}-2", spelling: "description"})
    assert (changed.json()["name"], changed.json()["description"]) == (prefix, "")
    changed = await owner.patch(path, json={"databaseName": "3", spelling: "databaseName", "skipTest": True})
    assert changed.json()["database_name"] == "3", changed.text
    refused(await owner.patch(path, json={spelling: "nothing"}), 400, "INVALID_ARGUMENT")


async def test_a_wrong_password_names_its_stage_and_changes_nothing(
    owner: httpx.AsyncClient, prefix: str, url: str
) -> None:
    row = (await owner.post(DATABASES, json=body(prefix, url))).json()
    path = f"{DATABASES}/{row['id']}"
    failure = refused(await owner.patch(path, json={"password": CANARY}), 400, "DB_INVALID_CREDENTIALS")
    assert failure["details"][0]["metadata"]["stage"] == "authentication"
    assert CANARY not in str(failure)
    assert (await owner.get(path)).json() == row
    assert (await owner.post(f"{path}/test", json={})).json()["success"] is True


async def test_names_are_unique_in_their_project(owner: httpx.AsyncClient, prefix: str, url: str) -> None:
    await owner.post(DATABASES, json=body(prefix, url))
    second = (await owner.post(DATABASES, json=body(f"{prefix}-2", url))).json()
    refused(await owner.post(DATABASES, json=body(prefix, url)), 409, "ALREADY_EXISTS")
    refused(await owner.patch(f"{DATABASES}/{second['id']}", json={"name": prefix}), 409, "ALREADY_EXISTS")


async def test_64_at_the_same_time_give_one_201_and_63_clean_409s(
    owner: httpx.AsyncClient, prefix: str, url: str
) -> None:
    answers = await asyncio.gather(*(owner.post(DATABASES, json=body(prefix, url)) for _ in range(64)))
    assert sorted({each.status_code for each in answers}) == [201, 409]
    assert [each.status_code for each in answers].count(201) == 1
    for each in answers:
        if each.status_code == 409:
            refused(each, 409, "ALREADY_EXISTS")
    assert len((await owner.get(DATABASES, params={"search": prefix})).json()) == 1


async def test_a_request_that_is_repeated_makes_one(owner: httpx.AsyncClient, prefix: str, url: str) -> None:
    request = body(prefix, url, requestId=str(uuid.uuid4()))
    answers = await asyncio.gather(*(owner.post(DATABASES, json=request) for _ in range(8)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["id"] for each in answers}) == 1
    refused(await owner.post(DATABASES, json={**request, "description": "other"}), 409, "CONFLICT")


async def test_parts_options_and_other_names_of_types(
    owner: httpx.AsyncClient, prefix: str, url: str
) -> None:
    parsed = httpx.URL(url)
    parts = {
        "projectRef": "default",
        "name": prefix,
        "type": "redis",
        "host": parsed.host,
        "port": parsed.port,
        "password": parsed.password,
        "options": {"protocol": "3"},
    }
    created = await owner.post(DATABASES, json=parts)
    assert (created.status_code, created.json()["status"]) == (201, "active"), created.text
    postgres = {
        "projectRef": "default",
        "name": f"{prefix}-p",
        "type": "postgresql",
        "host": "h",
        "username": "u",
        "password": "@:/#%?",
        "options": {"sslmode": "require"},
        "skipTest": True,
    }
    created = await owner.post(DATABASES, json=postgres)
    assert (created.status_code, created.json()["type"]) == (201, "postgres"), created.text
    refused(
        await owner.post(DATABASES, json=postgres | {"options": {"sslmode": "maybe"}}),
        400,
        "INVALID_CONNECTION_STRING",
    )


async def test_passwords_of_every_character_survive(system: LocalSystem, prefix: str, url: str) -> None:
    password = "@ : / # % ? é 日 🔑 + & = \" ' \\ %40"
    async with Redis.from_url(url) as engine, system.client("owner") as owner:
        await engine.acl_setuser(
            prefix, enabled=True, passwords=[f"+{password}"], keys=["*"], commands=["+@all"]
        )
        try:
            parsed = httpx.URL(url)
            given = {"host": parsed.host, "port": parsed.port, "username": prefix, "password": password}
            request = {"projectRef": "default", "name": prefix, "type": "redis", **given}
            created = await owner.post(DATABASES, json=request)
            assert created.status_code == 201, created.text
            database_id = created.json()["id"]
            assert (await owner.get(f"/api/platform/redis/{database_id}/info")).status_code == 200
            assert password not in created.text
        finally:
            await engine.acl_deluser(prefix)


async def test_lists_page_and_filter(owner: httpx.AsyncClient, prefix: str, url: str) -> None:
    for number in range(5):
        await owner.post(DATABASES, json=body(f"{prefix}-{number}", url, skipTest=True))
    await owner.post(DATABASES, json=body(f"{prefix}-5", url))
    seen, token, pages = [], "", 0
    while True:
        answer = await owner.get(DATABASES, params={"search": prefix, "page_size": 2, "page_token": token})
        seen += [each["name"] for each in answer.json()]
        token = answer.headers.get("x-next-page-token", "")
        pages += 1
        if not token:
            break
    assert (seen, pages) == ([f"{prefix}-{number}" for number in range(6)], 3)
    for params, count in (
        ({"status": "active"}, 1),
        ({"status": "inactive"}, 5),
        ({"type": "redis"}, 6),
        ({"type": "mongodb"}, 0),
        ({"projectRef": "elsewhere"}, 0),
    ):
        found = (await owner.get(DATABASES, params={"search": prefix, **params})).json()
        assert len(found) == count, params
    refused(await owner.get(DATABASES, params={"page_token": "x"}), 400, "INVALID_CURSOR")


async def test_every_change_reaches_the_services(system: LocalSystem, prefix: str, url: str) -> None:
    async with system.client("owner") as owner:
        row = (await owner.post(DATABASES, json=body(prefix, url))).json()
        info, path = f"/api/platform/redis/{row['id']}/info", f"{DATABASES}/{row['id']}"
        assert (await owner.get(info)).status_code == 200

        async def until(status: int, error_code: str = "") -> None:
            # The bound is one second in operation; a machine that is busy with tests may need more.
            async with asyncio.timeout(10):
                while True:
                    answer = await owner.get(info)
                    if answer.status_code == status:
                        assert status == 200 or answer.json()["error_code"] == error_code
                        return

        await owner.patch(path, json={"password": "wrong", "skipTest": True})
        await until(400, "DB_INVALID_CREDENTIALS")
        await owner.patch(path, json={"connectionString": url})
        await until(200)
        await owner.patch(path, json={"status": "inactive"})
        await until(400, "DB_INACTIVE")
        await owner.patch(path, json={"status": "active"})
        await until(200)
        await owner.delete(path)
        await until(404, "DB_NOT_FOUND")


async def test_resolving_costs_no_call_at_steady_state(
    system: LocalSystem, owner: httpx.AsyncClient, prefix: str, url: str
) -> None:
    row = (await owner.post(DATABASES, json=body(prefix, url))).json()
    info = f"/api/platform/redis/{row['id']}/info"
    assert (await owner.get(info)).status_code == 200
    asked = 'studio_resolver_requests_total{result="asked",type="redis"}'
    known = 'studio_resolver_requests_total{result="known",type="redis"}'
    resolved = (
        'studio_rpc_calls_total{code="OK",method="ResolveConnection",'
        'service="studio.registry.v1.ResolverService"}'
    )

    def counted() -> tuple[float, float, float]:
        service, registry = system.metrics("redis_svc"), system.metrics("registry")
        return service[asked], service.get(known, 0), registry[resolved]

    before = counted()
    for _ in range(50):
        assert (await owner.get(info)).status_code == 200
    after = counted()
    assert after[0] == before[0]
    assert after[1] >= before[1] + 50
    assert after[2] == before[2]


async def test_a_project_that_is_renamed_shows_at_once(system: LocalSystem, owner: httpx.AsyncClient) -> None:
    ref, name = f"ref-{secrets.token_hex(4)}", f"db-{secrets.token_hex(4)}"
    with psycopg.connect(system.engines["postgres"], autocommit=True) as db:
        db.execute("INSERT INTO platform.projects (name, ref) VALUES ('Before', %s)", (ref,))
        request = body(name, "redis://h", skipTest=True) | {"projectRef": ref}
        row = (await owner.post(DATABASES, json=request)).json()
        db.execute("UPDATE platform.projects SET name = 'After' WHERE ref = %s", (ref,))
        assert (await owner.get(f"{DATABASES}/{row['id']}")).json()["project_name"] == "After"
        db.execute("DELETE FROM platform.projects WHERE ref = %s", (ref,))
    refused(await owner.get(f"{DATABASES}/{row['id']}"), 404, "DB_NOT_FOUND")


async def test_no_password_is_in_any_log(system: LocalSystem, owner: httpx.AsyncClient, prefix: str) -> None:
    secret = f"{CANARY}-{prefix}"
    url = f"redis://u:{secret}@127.0.0.1:1"
    row = (await owner.post(DATABASES, json=body(prefix, url, skipTest=True))).json()
    path = f"{DATABASES}/{row['id']}"
    answers = [
        await owner.post(DATABASES, json=body(f"{prefix}-2", url)),
        await owner.post(f"{DATABASES}/test", json={"type": "redis", "connectionString": url}),
        await owner.patch(path, json={"password": secret}),
        await owner.patch(path, json={"connectionString": f"redis://u:{secret}@x@h"}),
        await owner.patch(path, json={"connectionString": url, "password": secret}),
        await owner.put(path, json={"connectionString": f"{url}/2", "skipTest": True}),
        await owner.post(f"{path}/test", json={}),
        await owner.get(path),
        await owner.delete(path),
    ]
    assert not [each.text for each in answers if secret in each.text]
    for name in ("registry", "redis_svc", "gateway", "postgres"):
        assert secret not in system.log(name), name


async def test_only_administrators_and_owners_change(system: LocalSystem, prefix: str, url: str) -> None:
    async with system.client("administrator") as administrator:
        row = (await administrator.post(DATABASES, json=body(prefix, url))).json()
    path = f"{DATABASES}/{row['id']}"
    for role in ("developer", "read_only"):
        async with system.client(role) as client:
            assert (await client.get(path)).status_code == 200
            refused(await client.patch(path, json={"name": "x"}), 403, "PERMISSION_DENIED")
            refused(await client.delete(path), 403, "PERMISSION_DENIED")
    refused(system.http.delete(path), 401, "AUTH_REQUIRED")
