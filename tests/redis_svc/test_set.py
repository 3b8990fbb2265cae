"""Sets: members in and out whatever their bytes, and pages of them that hold each once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.types import sets
from services.redis_svc.types.scan import SET, SORTED_SET, Page, scan
from services.redis_svc.types.sets import Changed
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))
BYTES = [bytes([byte]) for byte in range(256)]


async def pages(client: RedisClient, key: bytes, *, count: int, pattern: bytes = b"") -> list[Page]:
    found = [await scan(client, key, SET, count=count, pattern=pattern)]
    while found[-1].cursor:
        found.append(await scan(client, key, SET, count=count, cursor=found[-1].cursor, pattern=pattern))
    return found


def members(found: list[Page]) -> list[bytes]:
    return [element[0] for page in found for element in page.elements]


async def test_members_are_added_listed_and_removed_whatever_their_bytes(any_engine: Engine) -> None:
    client, redis = any_engine
    everything = [*BYTES, EVERY_BYTE, b""]

    assert await sets.add(client, EVERY_BYTE, everything) == Changed(258, 258)
    assert await sets.add(client, EVERY_BYTE, [b"a", b"new"]) == Changed(1, 259)

    assert await redis.smembers(EVERY_BYTE) == {*everything, b"new"}
    assert sorted(members(await pages(client, EVERY_BYTE, count=50))) == sorted([*everything, b"new"])
    assert await sets.remove(client, EVERY_BYTE, [*everything, b"none"]) == Changed(258, 1)
    assert await sets.remove(client, EVERY_BYTE, [b"new"]) == Changed(1, 0)
    assert not await redis.exists(EVERY_BYTE)


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize(
    "names",
    [
        [b"%d" % number for number in range(400)],  # an intset
        [b"m%d" % number for number in range(100)],  # a listpack
        [b"m%d" % number for number in range(3000)],  # a hash table
    ],
    ids=["intset", "listpack", "hashtable"],
)
async def test_pages_hold_each_member_once_and_no_more_than_asked_for(
    any_engine: Engine, names: list[bytes], count: int
) -> None:
    """The server returns a small set whole, whatever COUNT says."""
    client, redis = any_engine
    await redis.sadd("s", *names)

    found = await pages(client, b"s", count=count)

    assert sorted(members(found)) == sorted(names)
    assert all(len(page.elements) <= count for page in found)
    assert {page.length for page in found} == {len(names)}
    assert len(found) <= 3 * len(names) // count + 1


async def test_members_that_stay_are_listed_while_the_set_grows_and_shrinks(any_engine: Engine) -> None:
    client, redis = any_engine
    stay = {b"stay%d" % number for number in range(60)}
    await redis.sadd("s", *stay, *(b"go%d" % number for number in range(60)))

    seen: set[bytes] = set()
    page = await scan(client, b"s", SET, count=5)
    for turn in range(400):
        seen |= {element[0] for element in page.elements}
        if not page.cursor:
            break
        # From a listpack to a table, larger with each page for a while, then small again.
        await redis.sadd(
            "s", *(b"new%d.%d" % (turn, number) for number in range(100 if turn < 20 else 0)), b"x"
        )
        if turn == 20:
            gone = [each for each in await redis.smembers("s") if each not in stay]
            await redis.srem("s", *gone)
        page = await scan(client, b"s", SET, count=5, cursor=page.cursor)

    assert not page.cursor
    assert seen >= stay


async def test_a_pattern_chooses_members(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.sadd("s", *(b"a%d" % number for number in range(5000)), *(b"b\xff%d" % n for n in range(30)))

    found = await pages(client, b"s", count=10, pattern=b"b\xff*")

    assert sorted(members(found)) == sorted(b"b\xff%d" % number for number in range(30))
    assert all(len(page.elements) <= 10 for page in found)


async def test_a_pattern_that_nothing_matches_costs_a_bounded_scan(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, scan_budget_keys=1000)
    await valkey.sadd("s", *(b"%d" % number for number in range(10_000)))

    page = await scan(client, b"s", SET, count=10, pattern=b"none*")

    assert page.elements == []
    assert page.cursor


async def test_a_page_of_large_members_ends_early(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, page_bytes=1_000_000)
    large = [b"%d" % number + b"x" * 100_000 for number in range(100)]
    await valkey.sadd("s", *large)

    found = await pages(client, b"s", count=1000)

    assert sorted(members(found)) == sorted(large)
    assert max(sum(len(element[0]) for element in page.elements) for page in found) < 5_000_000


@pytest.mark.parametrize(
    "cursor", ["x", "-1", "1.2", "0.xyz", "0." + "a" * 17, "99999999999999999999", "0.0123456789abcdef.1"]
)
async def test_a_cursor_that_is_none(client: RedisClient, valkey: Redis, cursor: str) -> None:
    await valkey.sadd("s", "a")

    assert (await failure_of(scan(client, b"s", SET, count=1, cursor=cursor))).reason_name == "INVALID_CURSOR"


async def test_a_missing_key_and_one_of_another_type(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.rpush("l", "a")

    assert (await failure_of(scan(client, b"none", SET, count=1))).reason_name == "KEY_NOT_FOUND"
    assert (await failure_of(sets.remove(client, b"none", [b"a"]))).reason_name == "KEY_NOT_FOUND"
    for call in (
        scan(client, b"l", SET, count=1),
        sets.add(client, b"l", [b"a"]),
        sets.remove(client, b"l", [b"a"]),
    ):
        error = await failure_of(call)
        assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "list")
    assert (await failure_of(scan(client, b"l", SORTED_SET, count=1))).metadata["expected"] == "zset"


async def test_many_add_the_same_member_and_it_is_new_once(client: RedisClient) -> None:
    done = await asyncio.gather(*(sets.add(client, b"s", [b"same"]) for _ in range(50)))

    assert sorted(each.elements for each in done) == [0] * 49 + [1]


async def test_a_user_learns_which_permission_is_missing_and_edits_without_what_is_not_needed(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("editor on >pw ~* +sadd +type",))
    client = open_client(server.url_of("editor", "pw"))

    assert await sets.add(client, b"s", [b"a"]) == Changed(1, -1)
    for call, permission in (
        (sets.remove(client, b"s", [b"a"]), "+srem"),
        (scan(client, b"s", SET, count=1), "+scard"),
    ):
        error = await failure_of(call)
        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", permission)
