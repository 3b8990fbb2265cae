"""The sample keys: enough of them, of every type, and written once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.local import sample_data
from deploy.local.engines import Valkey
from deploy.local.state import State
from tests.support.engines import ValkeyServer


@pytest.fixture
def durable_valkey(state: State) -> ValkeyServer:
    engine = Valkey(state, durable=True)
    server = ValkeyServer(engine, state, password=engine.password)
    server.start()
    return server


async def test_there_are_thousands_of_keys_of_every_type(
    durable_valkey: ValkeyServer, tmp_path: Path
) -> None:
    written = sample_data.write_once(durable_valkey.url, tmp_path)
    async with Redis.from_url(durable_valkey.url) as client:
        keys = [key async for key in client.scan_iter(count=1000)]
        async with client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.type(key)
                pipeline.ttl(key)
            answers = await pipeline.execute()
        types = Counter(answers[0::2])
        assert len(keys) == written >= 5000
        assert types.keys() == {b"string", b"hash", b"list", b"set", b"zset", b"stream"}
        assert all(count >= 300 for count in types.values())
        assert sum(key.startswith(b"user:") for key in keys) >= 1000
        assert sum(ttl > 0 for ttl in answers[1::2]) >= 1000
        # What expires by itself leaves enough behind.
        assert sum(ttl < 0 for ttl in answers[1::2]) >= 4000
        assert any(not _is_text(key) for key in keys)
        assert (await client.httl("login-codes:1", "code"))[0] > 0
        assert (await client.xpending("events:orders", "workers"))["pending"] == 20
    durable_valkey.stop()


async def test_what_the_user_changed_is_not_written_again(
    durable_valkey: ValkeyServer, tmp_path: Path
) -> None:
    sample_data.write_once(durable_valkey.url, tmp_path)
    async with Redis.from_url(durable_valkey.url) as client:
        await client.flushall()
        assert sample_data.write_once(durable_valkey.url, tmp_path) == 0
        assert await client.dbsize() == 0
    durable_valkey.stop()


async def test_writing_that_was_interrupted_begins_anew(durable_valkey: ValkeyServer, tmp_path: Path) -> None:
    written = sample_data.write_once(durable_valkey.url, tmp_path)
    (tmp_path / sample_data.MARKER).unlink()
    async with Redis.from_url(durable_valkey.url) as client:
        assert sample_data.write_once(durable_valkey.url, tmp_path) == written
        assert await client.dbsize() == written
        assert await client.llen("queue:mail") == 50
    durable_valkey.stop()


def _is_text(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True
