"""Fixtures of the Redis service's tests: clients of ours, and servers that are odd on purpose."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from redis.asyncio import Redis

from deploy.local import ports
from services.redis_svc.client import RedisClient
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.url import parse
from services.runtime.addresses import AddressPolicy
from tests.support.odd_servers import StartServer, odd_servers, unused_port
from tests.support.redis_cluster import RedisCluster, redis_cluster


class OpenClient(Protocol):
    """Makes a client of ours; limits by name."""

    def __call__(self, url: str, **limits: float) -> RedisClient: ...


@pytest.fixture
async def open_client() -> AsyncIterator[OpenClient]:
    clients: list[RedisClient] = []

    def open_(url: str, **limits: float) -> RedisClient:
        limited = dataclasses.replace(DEFAULTS, **limits)  # type: ignore[arg-type]  # ints among them
        client = RedisClient(parse(url), AddressPolicy(), limited)
        clients.append(client)
        return client

    yield open_
    for client in clients:
        await client.aclose()


@pytest.fixture
async def client(valkey: Redis, valkey_url: str, open_client: OpenClient) -> RedisClient:
    """A client of the shared Valkey, which is empty."""
    del valkey
    return open_client(valkey_url)


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    async with odd_servers() as start:
        yield start


@pytest.fixture
def closed_port() -> int:
    """A loopback port where nobody listens."""
    return unused_port()


@pytest.fixture(scope="module")
def redis_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's redis-server, where it is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed here")
    folder: Path = tmp_path_factory.mktemp("redis-server")
    path = folder / "redis.sock"
    port = ports.pick()
    options = ["--port", str(port), "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen([program, "--bind", "127.0.0.1", *options], stdout=subprocess.DEVNULL) as process:
        try:
            while not path.exists() and process.poll() is None:
                pass
            assert process.poll() is None, "redis-server did not start"
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.fixture(params=["valkey", "redis-server"])
async def any_engine(
    request: pytest.FixtureRequest, open_client: OpenClient
) -> AsyncIterator[tuple[RedisClient, Redis]]:
    """Each engine there is, empty: a client of ours and one of redis-py."""
    name = "valkey_url" if request.param == "valkey" else "redis_server_url"
    url: str = request.getfixturevalue(name)
    async with Redis.from_url(url) as other:
        await other.flushall()
        yield open_client(url), other


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three masters and one without slots; tests give every slot back."""
    with redis_cluster(tmp_path_factory.mktemp("cluster") / "nodes", spare=1) as running:
        yield running


@pytest.fixture
def cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """The shared Cluster, empty."""
    for node in [*shared_cluster.masters, *shared_cluster.spare]:
        with node.client() as other:
            other.flushall()
    return shared_cluster


@pytest.fixture
async def cluster_client(cluster: RedisCluster, open_client: OpenClient) -> RedisClient:
    """A client of the shared Cluster, which is empty."""
    client = open_client(cluster.url)
    await client.ready()
    return client
