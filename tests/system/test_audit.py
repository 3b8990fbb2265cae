"""The record of who did what, through the gateway: complete whatever dies, and without a value or a secret."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator, Collection
from typing import Any

import httpx
import pytest

from tests.support.bun_api import BunApi
from tests.support.failures import until
from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.redis_api import RedisApi

Event = dict[str, Any]

CANARY = "canary-5e1d9c"
CALLS = 1000
WORKERS = 16
TIMES = 2


class Log:
    """The audit log, as an owner reads it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def of(self, answer: httpx.Response) -> Event:
        """The one event of a call, once it is there."""
        return (await self.some(1, request_id=answer.headers["x-request-id"]))[0]

    async def some(self, count: int, **filters: str) -> list[Event]:
        """So many events, once they are there."""
        found: list[Event] = []

        async def there() -> bool:
            page = await self.http.get("/api/platform/audit-log", params=filters)
            assert page.status_code == 200, page.text
            found[:] = page.json()["events"]
            return len(found) >= count

        await until(there)
        assert len(found) == count, found
        return found

    async def of_all(self, request_ids: Collection[str]) -> Counter[str]:
        """How many changes each request has in the log, once it has some of each."""
        seen: Counter[str] = Counter()

        async def complete() -> bool:
            seen.clear()
            seen.update(event["request_id"] for event in await self.export(effect="changes"))
            return seen.keys() >= set(request_ids)

        await until(complete)
        return seen

    async def export(self, **filters: str) -> list[Event]:
        """Everything."""
        answer = await self.http.get("/api/platform/audit-log/export", params=filters)
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
async def log(system: LocalSystem) -> AsyncIterator[Log]:
    async with system.client("owner") as http:
        yield Log(http)


@pytest.fixture
async def bun_api(system: LocalSystem) -> AsyncIterator[BunApi]:
    async with system.client("developer") as http:
        yield BunApi(http, await BunApi.sample_id(http))


def told(event: Event) -> tuple[str, str, str, str, Event]:
    return event["action"], event["effect"], event["outcome"], event["reason"], event["target"]


async def test_calls_of_every_engine_are_recorded_with_the_names_that_they_are_about(
    log: Log,
    redis_api: RedisApi,
    redis_key: str,
    mongo_api: MongoApi,
    mongo_database: str,
    bun_api: BunApi,
) -> None:
    set_ = await redis_api.send("POST", "set", body={"key": redis_key, "value": CANARY})
    lines = [{"line": f"set {redis_key} {CANARY}"}, {"line": CANARY}]
    ran = await redis_api.send("POST", "console", body={"commands": lines})
    where = {"databaseName": mongo_database, "collection": "things"}
    inserted = await mongo_api.send(
        "POST", "documents", body={**where, "documents": [{"_id": 7, "secret": CANARY}]}
    )
    replaced = await mongo_api.send(
        "PUT", "documents", body={**where, "id": 7, "document": {"secret": CANARY}}
    )
    forwarded = await bun_api.send("GET", f"proxy/books?search={CANARY}")
    assert [each.status_code for each in (set_, ran, inserted, forwarded)] == [200] * 4

    event = await log.of(set_)
    assert told(event) == ("redis.key.set", "changes", "ok", "", {"key": redis_key})
    assert (event["role"], event["credential"], event["service"]) == ("developer", "token", "redis_svc")
    assert (event["database_id"], event["project_ref"]) == (redis_api.database_id, "default")
    assert event["database_name"]
    assert event["client_address"] == "127.0.0.1"
    assert (await log.of(ran))["target"] == {"commands": "SET, (unknown)"}
    named = {"database_name": mongo_database, "collection": "things"}
    assert told(await log.of(inserted)) == (
        "mongodb.document.insert",
        "changes",
        "ok",
        "",
        {**named, "documents": "1"},
    )
    assert (await log.of(replaced))["target"] == {**named, "id": "7"}
    assert told(await log.of(forwarded)) == (
        "bun.forward",
        "reads",
        "ok",
        "",
        {"method": "GET", "path": "/books"},
    )
    assert CANARY not in json.dumps(await log.export())


async def test_what_is_refused_is_recorded(log: Log, redis_reader: RedisApi) -> None:
    answer = await redis_reader.send("POST", "set", body={"key": "a", "value": "b"})
    assert answer.status_code == 403
    event = await log.of(answer)
    assert told(event) == ("redis.key.set", "changes", "denied", "PERMISSION_DENIED", {"key": "a"})
    assert event["role"] == "read_only"


async def test_decisions_about_pg_meta_are_recorded(system: LocalSystem, log: Log) -> None:
    async with system.client("owner") as http:
        databases = (await http.get("/api/platform/databases", params={"type": "postgres"})).json()
        database_id = databases[0]["id"]
        base = f"/api/platform/pg-meta/{database_id}"
        tables = await http.get(f"{base}/tables?limit=1")
        query = await http.post(f"{base}/query", json={"query": f"select '{CANARY}'"})
    async with system.client("read_only") as http:
        refused = await http.delete(f"{base}/tables/1")
    assert [each.status_code for each in (tables, query, refused)] == [200, 200, 403]
    seen = [await log.of(answer) for answer in (tables, query, refused)]
    assert [told(event) for event in seen] == [
        ("postgres.catalog.read", "reads", "ok", "", {"method": "GET", "path": "/tables"}),
        ("postgres.sql.run", "endangers", "ok", "", {"method": "POST", "path": "/query"}),
        (
            "postgres.catalog.delete",
            "endangers",
            "denied",
            "PERMISSION_DENIED",
            {"method": "DELETE", "path": "/tables/1"},
        ),
    ]
    assert {event["database_id"] for event in seen} == {database_id}


async def test_a_registered_database_is_recorded_by_name_without_its_connection(
    system: LocalSystem, log: Log
) -> None:
    name = f"test-{secrets.token_hex(8)}"
    body = {"projectRef": "default", "name": name, "type": "redis", "skipTest": True}
    async with system.client("owner") as http:
        created = await http.post(
            "/api/platform/databases", json={**body, "connectionString": f"redis://:{CANARY}@127.0.0.1:1"}
        )
        path = f"/api/platform/databases/{created.json()['id']}"
        changed = await http.patch(path, json={"password": CANARY, "skipTest": True})
        deleted = await http.delete(path)
    events = [await log.of(answer) for answer in (created, changed, deleted)]
    assert [(event["action"], event["database_name"], event["outcome"]) for event in events] == [
        ("registry.database.create", name, "ok"),
        ("registry.database.update", name, "ok"),
        ("registry.database.delete", name, "ok"),
    ]
    assert CANARY not in json.dumps(events)


async def test_a_service_killed_in_the_middle_of_a_change_leaves_a_record_of_it(
    system: LocalSystem, log: Log, redis_api: RedisApi, redis_key: str
) -> None:
    spool = system.state_dir / "spool" / "redis_svc"
    system.signal("redis", signal.SIGSTOP)
    try:
        call = asyncio.create_task(redis_api.send("POST", "set", body={"key": redis_key, "value": "v"}))

        async def begun() -> bool:
            return any(redis_key.encode() in path.read_bytes() for path in spool.glob("*.events"))

        await until(begun)
        await asyncio.to_thread(system.kill, "redis_svc")
    finally:
        system.signal("redis", signal.SIGCONT)
    answer = await call
    assert answer.status_code >= 500
    (event,) = await log.some(1, target=redis_key)
    assert told(event) == ("redis.key.set", "changes", "unknown", "", {"key": redis_key})


async def test_every_change_that_was_answered_has_one_record_though_the_registry_died_twice(
    system: LocalSystem,
    log: Log,
    redis_api: RedisApi,
    redis_key: str,
    mongo_api: MongoApi,
    mongo_database: str,
    bun_api: BunApi,
) -> None:
    where = {"databaseName": mongo_database, "collection": "things"}
    changes: dict[str, int] = {}
    reads = 0
    replaced: list[int] = []

    async def change(number: int) -> httpx.Response:
        if number % 3 == 0:
            return await redis_api.send("POST", "set", body={"key": f"{redis_key}-{number}", "value": "v"})
        if number % 3 == 1:
            return await mongo_api.send("POST", "documents", body={**where, "documents": [{"n": number}]})
        return await bun_api.send("POST", "proxy/echo", body={"n": number})

    async def work(worker: int) -> None:
        nonlocal reads
        number = worker
        while number < CALLS // 2 or len(replaced) < TIMES:
            answer = await change(number)
            changes[answer.headers["x-request-id"]] = answer.status_code
            await redis_api.send("GET", "get", query={"key": f"{redis_key}-{number}"})
            reads += 1
            number += WORKERS

    async def die() -> None:
        while len(replaced) < TIMES:
            replaced.append(await asyncio.to_thread(system.kill, "registry"))

    for number in range(3):
        await change(number)  # what is known is served without the registry
    async with asyncio.TaskGroup() as group:
        group.create_task(die())
        for worker in range(WORKERS):
            group.create_task(work(worker))
    assert len(changes) + reads >= CALLS
    assert set(changes.values()) == {200}, "the registry's end stopped nobody"
    await asyncio.to_thread(system.wait_reached)

    seen = await log.of_all(changes)
    assert {seen[each] for each in changes} == {1}
    assert system.metrics("redis_svc")["studio_audit_reads_lost_total"] == 0
