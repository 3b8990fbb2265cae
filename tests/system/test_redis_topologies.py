"""A Redis Cluster and a master behind Sentinels, registered over REST and used like any Redis."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.support.local_system import LocalSystem
from tests.support.redis_api import Json, RedisApi
from tests.support.redis_cluster import RedisCluster, redis_cluster
from tests.support.redis_sentinel import SentinelSet, redis_sentinel

Register = Callable[..., AbstractAsyncContextManager[RedisApi]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster") / "nodes") as running:
        yield running


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSet]:
    folder = tmp_path_factory.mktemp("sentinels") / "servers"
    with redis_sentinel(folder, replicas=1, password="secret", sentinel_password="watch") as running:
        yield running


@pytest.fixture
def register(system: LocalSystem) -> Register:
    """Registers a URL for the time of an `async with`; gives its routes, as an owner."""

    @asynccontextmanager
    async def registered(url: str, config: dict[str, Json] | None = None) -> AsyncIterator[RedisApi]:
        async with system.client("owner") as owner:
            body = {
                "projectRef": "default",
                "name": f"test-{secrets.token_hex(8)}",
                "type": "redis",
                "connectionString": url,
                "config": config or {},
            }
            answer = await owner.post("/api/platform/databases", json=body)
            assert answer.status_code == 201, answer.text
            database_id = answer.json()["id"]
            try:
                yield RedisApi(owner, database_id)
            finally:
                await owner.delete(f"/api/platform/databases/{database_id}")

    return registered


async def listed(api: RedisApi, **query: Json) -> list[str]:
    names: list[str] = []
    cursor = ""
    while True:
        page = await api.get("keys", cursor=cursor, **query)
        names += [key["key"] for key in page["keys"]]
        cursor = page["cursor"]
        if not cursor:
            return names


async def test_a_cluster_is_registered_and_used_like_any_redis(
    cluster: RedisCluster, register: Register
) -> None:
    async with register(cluster.url) as api:
        names = [f"key:{number}" for number in range(100)]
        for name in names:
            await api.post("set", key=name, value=f"value of {name}")

        assert {(await api.get("get", key=name))["value"] for name in names} == {
            f"value of {name}" for name in names
        }
        assert sorted(await listed(api, count=10)) == sorted(names)
        assert (await api.get("keys", count=1))["total_estimate"] == 100
        assert (await api.get("info", section="cluster"))["sections"]["cluster"]["cluster_enabled"] == 1


async def test_the_master_behind_sentinels_is_registered_and_used_like_any_redis(
    sentinels: SentinelSet, register: Register
) -> None:
    async with register(sentinels.url) as api:
        await api.post("set", key="k", value="v")

        assert (await api.get("get", key="k"))["value"] == "v"
        assert await listed(api, count=10) == ["k"]
        assert (await api.get("info", section="replication"))["sections"]["replication"]["role"] == "master"


@pytest.mark.parametrize(
    ("url", "stage"),
    [
        ("redis+sentinel://127.0.0.1:1/main", "sentinel"),
        ("redis+cluster://127.0.0.1:1", "tcp"),
    ],
)
async def test_a_test_names_the_stage_that_fails(system: LocalSystem, url: str, stage: str) -> None:
    async with system.client("owner") as owner:
        body = {"type": "redis", "connectionString": url}
        answer = (await owner.post("/api/platform/databases/test", json=body)).json()

    assert (answer["success"], answer["stage"], answer["error_code"]) == (
        False,
        stage,
        "DB_CONNECTION_FAILED",
    )
    assert answer["hint"]


async def test_a_database_that_is_registered_as_read_only_changes_nothing(
    cluster: RedisCluster, register: Register
) -> None:
    async with register(cluster.url, {"read_only": True}) as api:
        assert await api.post_refused("set", key="other", value="v") == (403, "CONNECTION_READ_ONLY")
        assert await api.get_refused("get", key="other") == (404, "KEY_NOT_FOUND")
