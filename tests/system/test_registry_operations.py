"""The registry in operation, through the gateway: two replicas with a cache, health checks, rotation of keys.

One system for all of it: it is tuned to check often.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis.asyncio import Redis

from deploy.local.engines import Valkey
from deploy.local.environment import inherited
from deploy.local.options import ROOT
from deploy.local.state import State
from services.runtime.crypto import KeyRing
from tests.registry.harness import Registry
from tests.support.engines import ValkeyFactory, ValkeyServer
from tests.support.local_system import LocalSystem
from tests.system.registry_replica import OLD_KEY, second_registry, tuned_system

PATH = "/api/platform/databases"


@pytest.fixture(scope="module")
def cache() -> Iterator[ValkeyServer]:
    """The Redis with the registry's lists."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-cache-")))
    state.create()
    engine = Valkey(state, name="registry-cache", durable=False)
    server = ValkeyServer(engine, state, password=engine.password)
    server.start()
    yield server
    server.kill()
    state.remove()


@pytest.fixture(scope="module")
def tuned(cache: ValkeyServer) -> Iterator[LocalSystem]:
    with tuned_system(cache.url) as running:
        yield running


@pytest.fixture
async def owner(tuned: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with tuned.client("owner") as client:
        yield client


@pytest.fixture
async def second(tuned: LocalSystem, cache: ValkeyServer) -> AsyncIterator[Registry]:
    async with second_registry(tuned, cache.url) as running:
        yield running


async def create(owner: httpx.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any field
    body = {
        "projectRef": "default",
        "name": f"t-{secrets.token_hex(6)}",
        "type": "redis",
        "connectionString": url,
    }
    answer = await owner.post(PATH, json={**body, **fields})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def shown(owner: httpx.AsyncClient, search: str) -> list[str]:
    answer = await owner.get(PATH, params={"search": search})
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()]


async def shown_by(replica: Registry, search: str) -> list[str]:
    return [each.name for each in (await replica.list(search=search)).databases]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.05)


async def test_a_change_through_one_replica_shows_in_the_others_list_at_once(
    tuned: LocalSystem, owner: httpx.AsyncClient, second: Registry
) -> None:
    tag = secrets.token_hex(6)
    for number in range(10):
        name = f"s-{tag}-{number}"
        created = await create(owner, tuned.engines["redis"], name=name)
        assert await shown_by(second, tag) == [name]
        assert await shown(owner, tag) == [name]
        await second.update(created["id"], name=f"{name}-new")
        assert await shown(owner, tag) == [f"{name}-new"]
        assert (await owner.delete(f"{PATH}/{created['id']}")).status_code == 204
        assert await shown_by(second, tag) == []
        assert await shown(owner, tag) == []


@pytest.mark.parametrize("trouble", ["hung", "full", "killed"])
async def test_lists_are_right_without_the_cache(
    tuned: LocalSystem, owner: httpx.AsyncClient, second: Registry, cache: ValkeyServer, trouble: str
) -> None:
    created = await create(owner, tuned.engines["redis"], name=f"c-{secrets.token_hex(6)}")
    tag = created["name"]
    assert (await shown(owner, tag), await shown_by(second, tag)) == ([tag], [tag])
    if trouble == "hung":
        cache.suspend()
    elif trouble == "killed":
        cache.kill()
    else:
        async with Redis.from_url(cache.url) as client:
            await client.config_set("maxmemory", "1")
    name = tag
    try:
        for number in range(5):
            name = f"{tag}-{number}"
            answer = await owner.patch(f"{PATH}/{created['id']}", json={"name": name})
            assert answer.status_code == 200, answer.text
            assert await shown(owner, tag) == [name]
    finally:
        if trouble == "hung":
            cache.resume()
        elif trouble == "killed":
            cache.start()
        else:
            async with Redis.from_url(cache.url) as client:
                await client.config_set("maxmemory", "0")
    # What lay in there before is not shown again, by neither of both.
    assert await shown(owner, tag) == [name]
    assert await shown_by(second, tag) == [name]
    await owner.delete(f"{PATH}/{created['id']}")


async def test_a_database_that_fails_is_in_error_and_comes_back(
    owner: httpx.AsyncClient, start_valkey: ValkeyFactory
) -> None:
    server = await start_valkey(password="p@ss")
    created = await create(owner, server.url)
    assert created["status"] == "active"

    async def health() -> dict[str, Any]:
        answer = await owner.get(f"{PATH}/{created['id']}/health")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def is_status(status: str) -> bool:
        listed = (await owner.get(PATH, params={"search": created["name"]})).json()
        return bool((await health())["status"] == listed[0]["status"] == status)

    async def is_checked() -> bool:
        return bool((await health())["checks"] > 1)

    await eventually(is_checked)
    assert (await health())["latency_ms"] > 0
    server.kill()
    await eventually(lambda: is_status("error"))
    answer = await health()
    assert answer["errors"] >= 2
    assert answer["history"][-1]["error_code"] == "DB_CONNECTION_FAILED"
    assert answer["last_checked_at"] == answer["history"][-1]["at"]
    server.start()
    await eventually(lambda: is_status("active"))
    now = (await owner.get(f"{PATH}/{created['id']}")).json()
    assert now["updated_at"] == created["updated_at"]
    assert now["last_connected_at"] > created["last_connected_at"]
    await owner.delete(f"{PATH}/{created['id']}")


async def test_health_since_a_time_and_of_nothing(tuned: LocalSystem, owner: httpx.AsyncClient) -> None:
    created = await create(owner, tuned.engines["redis"])

    async def checks(since: str = "") -> int:
        parameters = {"since": since} if since else {}
        answer = await owner.get(f"{PATH}/{created['id']}/health", params=parameters)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["checks"])

    async def is_checked() -> bool:
        return await checks() > 1

    await eventually(is_checked)
    assert await checks("2000-01-01T00:00:00Z") > 1
    assert await checks("2999-01-01T00:00:00Z") == 0
    assert (await owner.get(f"{PATH}/{created['id']}/health?since=yesterday")).status_code == 400
    missing = await owner.get(f"{PATH}/00000000-0000-4000-8000-000000000000/health")
    assert (missing.status_code, missing.json()["error_code"]) == (404, "DB_NOT_FOUND")
    await owner.delete(f"{PATH}/{created['id']}")


async def test_totals_by_type_and_status(tuned: LocalSystem, owner: httpx.AsyncClient) -> None:
    async def totals() -> dict[str, Any]:
        answer = await owner.get(f"{PATH}/stats", params={"projectRef": "default"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    before = await totals()
    created = await create(owner, tuned.engines["redis"])
    untested = await create(
        owner, "mongodb://127.0.0.1/x", type="mongodb", name=f"m-{secrets.token_hex(6)}", skipTest=True
    )
    after = await totals()
    assert after["total"] == before["total"] + 2
    assert after["by_type"]["mongodb"] == before["by_type"]["mongodb"] + 1
    assert set(after["by_type"]) == {"postgres", "redis", "mongodb", "bun_api"}
    assert after["by_status"]["inactive"] == before["by_status"]["inactive"] + 1
    assert set(after["by_status"]) == {"active", "inactive", "error"}
    assert sum(each["count"] for each in after["counts"]) == after["total"]
    assert after["stale"] is False
    for each in (created, untested):
        await owner.delete(f"{PATH}/{each['id']}")


async def test_another_replica_goes_on_checking(
    tuned: LocalSystem, owner: httpx.AsyncClient, second: Registry
) -> None:
    created = await create(owner, tuned.engines["redis"])

    def count() -> int:
        with psycopg.connect(tuned.engines["postgres"], autocommit=True) as db:
            row = db.execute(
                "SELECT count(*) FROM platform.database_health WHERE database_id = %s", (created["id"],)
            ).fetchone()
        assert row is not None
        return int(row[0])

    async def has_more() -> bool:
        return await asyncio.to_thread(count) > seen

    seen = 2
    await eventually(has_more)
    tuned.stop("registry")
    try:
        seen = count() + 2
        await eventually(has_more)
    finally:
        tuned.start("registry")
    await second.delete(created["id"])


async def test_keys_are_rotated_under_load_without_one_failed_request(
    tuned: LocalSystem, owner: httpx.AsyncClient
) -> None:
    url, postgres = tuned.engines["redis"], tuned.engines["postgres"]
    ids = [(await create(owner, url))["id"] for _ in range(60)]
    seal_with_the_old_key(postgres, ids, url)
    outcomes: list[tuple[str, int, str]] = []
    stop = asyncio.Event()

    async def work(number: int) -> None:
        turn = number
        while not stop.is_set():
            turn += 1
            id_ = ids[turn * 7 % len(ids)]
            requests = [
                ("GET", f"/api/platform/redis/{id_}/keys", None),
                ("GET", f"{PATH}/{id_}", None),
                ("GET", PATH, None),
                ("POST", f"{PATH}/{id_}/test", {}),
                # Makes the service resolve it again, in the midst of it all.
                ("PATCH", f"{PATH}/{id_}", {"config": {"turn": turn}}),
                ("GET", f"/api/platform/redis/{id_}/info", None),
            ]
            method, path, body = requests[turn % len(requests)]
            answer = await owner.request(method, path, json=body)
            outcomes.append((f"{method} {path}", answer.status_code, answer.text[:300]))
            if method == "POST":
                assert answer.json()["success"], answer.text

    async def answered(count: int) -> None:
        async def are_there() -> bool:
            return len(outcomes) >= count

        await eventually(are_there)

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(work(number))
        await answered(50)
        output = await rotate(tuned, "--batch", "1")
        after = len(outcomes)
        await answered(after + 50)
        stop.set()
    assert [each for each in outcomes if each[1] != 200] == []
    assert "rotate-keys: 60 sealed anew, 0 can't be read" in output
    ring = KeyRing(tuned.secret("MULTI_DB_CRYPTO_KEY"))
    with psycopg.connect(postgres) as db:
        rows = db.execute("SELECT id::text, type::text, connection_string FROM platform.databases").fetchall()
    for id_, type_, stored in rows:
        ring.open(stored, row_id=id_, type_=type_)
    assert " 0 failed" in await command(tuned, "verify")
    for id_ in ids:
        await owner.delete(f"{PATH}/{id_}")


def seal_with_the_old_key(postgres: str, ids: list[str], url: str) -> None:
    """As the rows stood before the key was replaced."""
    old = KeyRing(OLD_KEY)
    with psycopg.connect(postgres) as db:
        for id_ in ids:
            sealed = old.seal(url, row_id=id_, type_="redis")
            db.execute("UPDATE platform.databases SET connection_string = %s WHERE id = %s", (sealed, id_))


async def rotate(tuned: LocalSystem, *arguments: str) -> str:
    return await command(tuned, "rotate-keys", *arguments)


async def command(tuned: LocalSystem, *arguments: str) -> str:
    """Runs one of the registry's commands, which must succeed; returns what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.registry",
        *arguments,
        cwd=ROOT,
        env={
            **inherited(os.environ),
            "DATABASE_URL": tuned.engines["postgres"],
            "MULTI_DB_CRYPTO_KEY": tuned.secret("MULTI_DB_CRYPTO_KEY"),
            "MULTI_DB_CRYPTO_KEYS_RETIRED": OLD_KEY,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    return text
