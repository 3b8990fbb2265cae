from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.engines.secantus import Secantus
from deploy.local.engines.valkey import Valkey
from deploy.local.state import State
from tests.openapi.world import DATABASE, World, register
from tests.support.engines import BunServer, ValkeyServer
from tests.support.local_system import LocalSystem
from tests.support.mongodb import MongoServer


@pytest.fixture(scope="session")
def world(system: LocalSystem, bun_server: BunServer) -> Iterator[World]:
    """Engines that nobody else uses, registered with the system; what calls have registered is deleted afterwards."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-openapi-")))
    state.create()
    valkey = Valkey(state, durable=False)
    redis = ValkeyServer(valkey, state, password=valkey.password)
    mongodb = MongoServer(Secantus(state, durable=False), state)
    redis.start()
    mongodb.start()
    url = urlsplit(mongodb.url)._replace(path=f"/{DATABASE}").geturl()
    world = World(system.url, system.headers("owner"), redis.url, url, {})
    with world.client() as http:
        before = {path: _ids(http, path) for path in ("databases", "api-keys")}
        for area, type_, engine in (
            ("redis", "redis", redis.url),
            ("mongodb", "mongodb", url),
            ("bun", "bun_api", bun_server.url),
        ):
            world.ids[area] = register(http, type_, engine, f"fuzz-{secrets.token_hex(4)}")
        yield world
        for path, known in before.items():
            for each in _ids(http, path) - known:
                http.delete(f"/api/platform/{path}/{each}").raise_for_status()
    mongodb.stop()
    redis.stop()
    shutil.rmtree(state.path)


def _ids(http: httpx.Client, path: str) -> set[str]:
    answer = http.get(f"/api/platform/{path}", params={"page_size": 1000})
    answer.raise_for_status()
    listed = answer.json()
    return {each["id"] for each in (listed if isinstance(listed, list) else listed["api_keys"])}
