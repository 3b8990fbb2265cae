"""Upgrading from the previous commit to this one: service by service, under load, without a failed call.

`UPGRADE_FROM` names another commit to begin with.
"""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient
from redis import Redis

from deploy.local.options import ROOT
from tests.scale.conftest import Scaled, register
from tests.scale.fleet import fleet
from tests.support.engines import ValkeyServer
from tests.support.failures import until
from tests.support.mongodb import MongoServer

CONNECTIONS = 4
SERVICES = ("registry", "redis_svc", "mongo_svc")
GENERATED_FROM = ("protos", "tools", "buf.yaml", "services/runtime/openapi")
"""What the derived code depends on."""
GENERATE_S = 300


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(("git", "-C", str(ROOT), *arguments), capture_output=True, check=False)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the previous commit, with what is derived from its contract."""
    try:
        found = _git(
            "rev-parse", "--verify", "--quiet", f"{os.environ.get('UPGRADE_FROM', 'HEAD~1')}^{{commit}}"
        )
    except FileNotFoundError:
        pytest.skip("git is not there, so the previous commit is unknown")
    if found.returncode != 0:
        pytest.skip("there is no previous commit here: a shallow clone, the first commit, or no repository")
    commit = found.stdout.decode().strip()
    if missing := [
        name for name in SERVICES if _git("cat-file", "-e", f"{commit}:services/{name}").returncode
    ]:
        pytest.skip(f"the previous commit has no {', '.join(missing)}")
    code = tmp_path_factory.mktemp("previous")
    archive = _git("archive", "--format=tar", commit)
    assert archive.returncode == 0, archive.stderr.decode()
    subprocess.run(("tar", "-xf", "-", "-C", str(code)), input=archive.stdout, check=True)
    if _git("diff", "--quiet", commit, "--", *GENERATED_FROM).returncode == 0:
        (code / "generated").symlink_to(ROOT / "generated")
    else:
        subprocess.run(
            (sys.executable, code / "tools" / "protos.py", "generate"),
            env={**os.environ, "PYTHONPATH": f"{code}:{code / 'generated'}"},
            check=True,
            timeout=GENERATE_S,
        )
    return code


async def test_no_call_fails_while_every_process_is_replaced(
    previous: Path, platform_url: str, valkey_server: ValkeyServer, mongodb_server: MongoServer
) -> None:
    with Redis.from_url(valkey_server.url) as redis:
        redis.set("where", "0")
    with MongoClient[dict[str, object]](mongodb_server.url) as mongodb:
        mongodb["scale"]["documents"].insert_one({})
    async with fleet(platform_url, HEALTH_INTERVAL_S="3600", HEALTH_IDLE_INTERVAL_S="3600") as running:
        await running.migrate(previous)
        before = {name: running.launch(name, "127.0.1.1", code=previous) for name in SERVICES}
        running.announce(*before.values())
        gateway = running.launch("gateway", "127.0.1.1", code=previous)
        await running.ready(*before.values())
        await running.ready(gateway, path="/readyz")
        redis_id = await register(running, gateway, "redis", valkey_server.url)
        mongodb_id = await register(running, gateway, "mongodb", mongodb_server.url)
        load = Scaled(running, gateway, redis_id, mongodb_id, valkey_server.url, mongodb_server.url).load()
        load.gateways.append("127.0.1.2")
        async with load.running(CONNECTIONS):
            await load.more(20)
            # First the schema: the previous code goes on with it, and still writes.
            await running.migrate()
            await register(running, gateway, "redis", valkey_server.url)
            await load.more(20)
            for name in SERVICES:
                (after,) = await running.add(name, "127.0.1.2")
                await until(functools.partial(running.is_called, gateway, after))
                running.dismiss(before[name])
                assert await before[name].ended() == 0
                await load.more(20)
            another = running.launch("gateway", "127.0.1.2")
            await running.ready(another, path="/readyz")
            running.dismiss(gateway)
            assert await gateway.ended() == 0
            await load.more(20)
            await register(running, another, "redis", valkey_server.url)
        assert load.failures == []
    await asyncio.to_thread(_drop, mongodb_server.url)


def _drop(url: str) -> None:
    with MongoClient[dict[str, object]](url) as mongodb:
        mongodb.drop_database("scale")
