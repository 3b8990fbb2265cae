"""The tree that separators make of keys' names: every key counted once, whatever its bytes, in bounded answers."""

from __future__ import annotations

from collections import Counter

import pytest
from redis.asyncio import Redis

from services.redis_svc import namespaces
from services.redis_svc.client import RedisClient
from services.redis_svc.namespaces import Level, escape, group, list_namespaces
from tests.redis_svc.conftest import OpenClient

EVERY_BYTE = bytes(range(256))


async def whole_level(
    client: RedisClient, *, prefix: bytes = b"", separator: bytes = b":", type_: str = ""
) -> tuple[dict[bytes, int], list[bytes], list[Level]]:
    """All pages of a level: counts added up, keys, and the pages."""
    counts: Counter[bytes] = Counter()
    keys: list[bytes] = []
    pages: list[Level] = []
    while not pages or pages[-1].cursor:
        cursor = pages[-1].cursor if pages else ""
        pages.append(
            await list_namespaces(client, prefix=prefix, separator=separator, type_=type_, cursor=cursor)
        )
        counts.update(dict(pages[-1].groups))
        keys += pages[-1].keys
    return dict(counts), sorted(keys), pages


async def test_one_level_at_a_time(client: RedisClient, valkey: Redis) -> None:
    await valkey.mset(
        dict.fromkeys(("a", "user:1", "user:2:cart", "user:2:name", "user:", ":odd", "shop:x"), 1)
    )

    counts, keys, _ = await whole_level(client)
    assert counts == {b"user:": 4, b":": 1, b"shop:": 1}
    assert keys == [b"a"]

    counts, keys, _ = await whole_level(client, prefix=b"user:")
    assert counts == {b"user:2:": 2}
    assert keys == [b"user:", b"user:1"]

    counts, keys, _ = await whole_level(client, prefix=b"user:2:")
    assert (counts, keys) == ({}, [b"user:2:cart", b"user:2:name"])


@pytest.mark.parametrize("separator", [b":", b"::", b"/", b" - ", "→".encode(), b"*", b"\\", b"\xff\xfe"])
async def test_a_separator_has_any_length_and_any_bytes(
    client: RedisClient, valkey: Redis, separator: bytes
) -> None:
    for name in ([b"a", b"b", b"c"], [b"a", b"b"], [b"a"], [b"x", b"y"]):
        await valkey.set(separator.join(name), "v")

    counts, keys, _ = await whole_level(client, separator=separator)
    assert counts == {b"a" + separator: 2, b"x" + separator: 1}
    assert keys == [b"a"]

    counts, keys, _ = await whole_level(client, separator=separator, prefix=b"a" + separator)
    assert counts == {separator.join([b"a", b"b", b""]): 1}
    assert keys == [separator.join([b"a", b"b"])]


@pytest.mark.parametrize("prefix", [EVERY_BYTE, b"*", b"?", b"[a-z]", b"\\", b"[^a]", b"a\\*b"])
async def test_a_prefix_is_taken_as_it_is(client: RedisClient, valkey: Redis, prefix: bytes) -> None:
    await valkey.set(prefix + b":x", "v")
    await valkey.set(b"other:x", "v")
    await valkey.set(b"a:x", "v")

    counts, keys, _ = await whole_level(client, prefix=prefix + b":")

    assert (counts, keys) == ({}, [prefix + b":x"])


async def test_every_byte_is_itself_in_a_pattern(client: RedisClient, valkey: Redis) -> None:
    names = {bytes([byte]) for byte in range(256)}
    for name in names:
        await valkey.set(name, "v")

    for name in names:
        assert await valkey.keys(escape(name)) == [name]
    del client


async def test_only_keys_of_a_type(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("a:string", "v")
    await valkey.hset("a:hash", "f", "v")

    counts, _, _ = await whole_level(client, type_="hash")

    assert counts == {b"a:": 1}


async def test_counts_are_partial_until_the_last_page(
    valkey: Redis, valkey_url: str, open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "PAGE_KEYS", 500)
    await valkey.mset({f"{'abc'[number % 3]}:{number}": "v" for number in range(3000)})

    counts, keys, pages = await whole_level(open_client(valkey_url))

    assert len(pages) > 3
    assert all(page.cursor for page in pages[:-1])
    assert all(page.total == 3000 for page in pages)
    assert all(page.scanned <= 1500 for page in pages)
    assert counts.keys() == {b"a:", b"b:", b"c:"}
    assert all(count >= 1000 for count in counts.values())
    assert keys == []


def test_an_answer_holds_so_many_groups_and_keys_and_says_how_many_it_leaves_out() -> None:
    names = [b"g%d:x" % number for number in range(1500)] + [b"big:%d" % number for number in range(10)]
    names += [b"key%d" % number for number in range(1200)]

    level = group(names, b"", b":")

    assert len(level.groups) == 1000
    assert (b"big:", 10) in level.groups
    assert level.groups == sorted(level.groups)
    assert len(level.keys) == 1000
    assert level.omitted == 501 + 200


def test_an_answer_holds_so_many_bytes() -> None:
    names = [bytes([65 + number]) * 1_000_000 for number in range(10)]

    level = group(names + [name + b":x" for name in names], b"", b":")

    assert sum(map(len, level.keys)) <= namespaces.MAX_BYTES
    assert sum(len(name) for name, _ in level.groups) <= namespaces.MAX_BYTES
    assert level.omitted == 20 - len(level.keys) - len(level.groups)
