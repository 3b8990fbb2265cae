"""Connections of the environment, engines that are off, and PostgreSQL away, through the gateway."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_system import LocalSystem

DATABASES = "/api/platform/databases"
SHAPE = {"message", "error", "error_code", "retryable", "details"}
OUTAGE_S = 10.0
FRESH_S = 60.0
REQUESTS = 1000
WORKERS = 16
# What an outage may answer; anything else breaks the conventions of errors.
PASSING = {429, 503, 504}


@pytest.fixture(scope="module")
def own_system(valkey_url: str) -> Iterator[LocalSystem]:
    """A system whose engines keep what they acknowledged, with connections in its environment."""
    variables = {
        "REDIS_PUBLIC_URL": valkey_url,
        "MONGODB_PUBLIC_URL": "not a URL",
        "BUN_API_URL": "https://bun.example.net",
        "BUN_API_KEY": "c4n4ry-S3cr3t",
        "ENABLE_BUN_API_MANAGEMENT": "false",
    }
    running = LocalSystem(
        Path(tempfile.mkdtemp(prefix="studio-system-")), environment=variables, durable=True
    )
    try:
        running.open()
        yield running
    finally:
        running.close()


@pytest.fixture
async def owner(own_system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with own_system.client("owner") as client:
        yield client


async def rows(client: httpx.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await client.get(DATABASES, params=params)
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()}


def check_shape(answer: httpx.Response) -> None:
    found = answer.json()
    assert found.keys() == SHAPE, found
    assert found["error"] == {"message": found["message"]}
    assert found["error_code"]
    assert found["message"][0].isupper(), found
    assert found["retryable"] == ("retry-after" in answer.headers)
    if answer.status_code >= 500:
        assert answer.status_code in {503, 504}, answer.text
        assert found["retryable"]


async def test_they_are_listed_tested_used_and_cannot_be_changed(owner: httpx.AsyncClient) -> None:
    listed = await rows(owner, projectRef="default")
    assert {"env-redis", "env-mongodb", "env-bun-api", "env-postgres", "sample-redis"} <= listed.keys()
    assert "c4n4ry" not in str(listed)
    redis = listed["env-redis"]
    assert (redis["source"], redis["status"]) == ("environment", "active")
    path = f"{DATABASES}/{redis['id']}"
    assert (await owner.post(f"{path}/test", json={})).json()["success"] is True
    assert (await owner.get(f"/api/platform/redis/{redis['id']}/info")).status_code == 200
    for answer in (await owner.patch(path, json={"host": "x"}), await owner.delete(path)):
        check_shape(answer)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "REGISTRY_READ_ONLY")
        assert "REDIS_PUBLIC_URL" in answer.json()["message"]
    wrong = listed["env-mongodb"]
    assert (wrong["status"], wrong["hint"].split()[0]) == ("error", "MONGODB_PUBLIC_URL")


async def test_an_engine_that_is_off_says_so_here_and_at_the_gateway(owner: httpx.AsyncClient) -> None:
    bun = (await rows(owner, type="bun_api"))["env-bun-api"]
    connection = {"type": "bun_api", "connectionString": "https://h"}
    for answer in (
        await owner.post(DATABASES, json={"projectRef": "default", "name": "x", **connection}),
        await owner.post(f"{DATABASES}/test", json=connection),
        await owner.post(f"{DATABASES}/{bun['id']}/test", json={}),
        await owner.get(f"/api/platform/bun/{bun['id']}/health"),
    ):
        check_shape(answer)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "ENGINE_DISABLED")
        assert "ENABLE_BUN_API_MANAGEMENT is false" in answer.json()["message"]


async def test_with_postgresql_away_reads_go_on_and_writes_say_when_to_come_back(
    own_system: LocalSystem, owner: httpx.AsyncClient
) -> None:
    sample = (await rows(owner))["sample-redis"]
    own_system.stop("postgres")
    try:
        listed = await owner.get(DATABASES)
        assert (listed.status_code, listed.headers["x-stale"]) == (200, "true")
        found = {each["name"]: each for each in listed.json()}
        assert found["sample-redis"] == sample | {"stale": True}
        assert found["env-redis"]["stale"] is False
        assert (await owner.get(f"{DATABASES}/{sample['id']}")).json()["stale"] is True
        # A service that has just started resolves from what the registry knows.
        own_system.kill("redis_svc")
        assert (await owner.get(f"/api/platform/redis/{sample['id']}/info")).status_code == 200
        body = {"projectRef": "default", "name": "x", "type": "redis", "connectionString": "redis://h"}
        for answer in (
            await owner.post(DATABASES, json=body | {"skipTest": True}),
            await owner.patch(f"{DATABASES}/{sample['id']}", json={"description": "x"}),
            await owner.delete(f"{DATABASES}/{sample['id']}"),
        ):
            check_shape(answer)
            assert (answer.status_code, answer.json()["error_code"]) == (503, "REGISTRY_UNAVAILABLE")
        # A registry that starts now knows the environment.
        own_system.stop("registry")
        own_system.start("registry")
        async with asyncio.timeout(30):
            while (listed := await owner.get(DATABASES)).status_code != 200:
                check_shape(listed)
        assert listed.headers["x-stale"] == "true"
        assert {each["name"] for each in listed.json()} >= {"env-redis", "env-postgres"}
    finally:
        own_system.start("postgres")
    async with asyncio.timeout(30):
        while "x-stale" in (await owner.get(DATABASES)).headers:  # noqa: ASYNC110  it happens in the registry
            await asyncio.sleep(0.05)
    assert (await rows(owner))["sample-redis"] == sample


async def test_killed_for_10_s_amid_1000_requests_it_loses_nothing_and_every_answer_is_clean(
    own_system: LocalSystem,
) -> None:
    load = Load(own_system)
    async with own_system.client("owner") as client:
        load.client = client
        workers = [asyncio.create_task(load.work(number)) for number in range(WORKERS)]
        await load.reached(REQUESTS // 3)
        await asyncio.to_thread(own_system.crash, "postgres")
        await asyncio.sleep(OUTAGE_S)
        during = len(load.answers)
        await asyncio.to_thread(own_system.start, "postgres")
        await load.reached(max(REQUESTS, during + REQUESTS // 3))
        load.stop.set()
        await asyncio.gather(*workers)
        assert any(each.status_code in PASSING for each in load.answers)
        for answer in load.answers:
            if answer.is_error:
                check_shape(answer)
                assert answer.status_code in PASSING | {404, 409}, answer.text
        stored = await everything(client)
        for name, database_id in load.kept.items():
            assert stored[name]["id"] == database_id
            assert stored[name]["description"] == load.described.get(name, "")
        for name in load.deleted:
            assert name not in stored
    assert len(load.answers) >= REQUESTS
    assert len(load.kept) > WORKERS


async def everything(client: httpx.AsyncClient) -> dict[str, Any]:
    """Every database, once none of it is stale."""
    deadline = time.monotonic() + FRESH_S
    while True:
        answer = await client.get(DATABASES, params={"page_size": 1000})
        if answer.status_code == 200 and "x-stale" not in answer.headers:
            return {each["name"]: each for each in answer.json()}
        assert time.monotonic() < deadline, (answer.status_code, answer.headers, answer.text[:1000])
        await asyncio.sleep(0.1)


class Load:
    """Mixed requests of several workers, and what was acknowledged."""

    def __init__(self, system: LocalSystem) -> None:
        self.system = system
        self.client: httpx.AsyncClient
        self.answers: list[httpx.Response] = []
        self.kept: dict[str, str] = {}
        """Names and ids of what was created and not deleted."""
        self.described: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.stop = asyncio.Event()

    async def reached(self, answers: int) -> None:
        async with asyncio.timeout(120):
            while len(self.answers) < answers:  # noqa: ASYNC110  the workers don't wait for anybody
                await asyncio.sleep(0.02)

    async def ask(self, method: str, path: str, **body: object) -> httpx.Response:
        answer = await self.client.request(method, path, json=body or None)
        self.answers.append(answer)
        if answer.status_code in PASSING:
            # A client that heeds `Retry-After` would wait longer; this one wants many answers of the outage.
            await asyncio.sleep(0.1)
        return answer

    async def work(self, worker: int) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            name = f"load-{worker}-{number}"
            body = {"projectRef": "default", "type": "redis", "connectionString": "redis://h"}
            created = await self.ask("POST", DATABASES, name=name, skipTest=True, **body)
            await self.ask("GET", f"{DATABASES}?page_size=10")
            if created.status_code != 201:
                continue
            database_id = created.json()["id"]
            path = f"{DATABASES}/{database_id}"
            self.kept[name] = database_id
            found = await self.ask("GET", path)
            # Whoever was told that it is there finds it, outage or not.
            assert found.status_code == 200, found.text
            await self.change(name, path)
            if number % 4 == 0:
                await self.delete(name, path)

    async def change(self, name: str, path: str) -> None:
        changed = await self.ask("PATCH", path, description=name)
        if changed.status_code == 200:
            self.described[name] = name
        elif changed.status_code in PASSING:
            # Whether it was done is not known: neither is asserted.
            self.kept.pop(name)

    async def delete(self, name: str, path: str) -> None:
        deleted = await self.ask("DELETE", path)
        if name in self.kept and deleted.status_code in PASSING | {204, 404}:
            self.kept.pop(name)
        if deleted.status_code == 204:
            self.deleted.add(name)
