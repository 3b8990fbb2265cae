"""Lists by index from both ends: pages bounded in bytes, edits that don't overwrite another's, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.types import list as lists
from services.redis_svc.types.list_page import Item, list_items
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.old_server import Refuse, serve_older, without
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of
from tests.support.fault_proxy import FaultProxy
from tests.support.odd_servers import StartServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]
Call = Callable[[RedisClient], Awaitable[object]]

EVERY_BYTE = bytes(range(256))
MIB = 1024 * 1024


async def contents(client: RedisClient, start: int = 0, count: int = 0) -> list[bytes]:
    return [item.content for item in (await list_items(client, b"l", start=start, count=count)).items]


async def older(
    start_valkey: StartValkey, start_server: StartServer, refuse: Refuse
) -> tuple[ValkeyServer, str]:
    server = await start_valkey(password="")
    port = await start_server(serve_older(server.host, server.port, refuse))
    return server, f"redis://127.0.0.1:{port}"


async def test_what_is_pushed_is_what_is_listed_whatever_its_bytes(any_engine: Engine) -> None:
    client, redis = any_engine
    items = [*(bytes([byte]) for byte in range(256)), EVERY_BYTE, b"", b"\r\n"]

    assert await lists.push(client, EVERY_BYTE, items) == 259
    assert await lists.push(client, EVERY_BYTE, [b"first", b"before"], left=True) == 261

    expected = [b"before", b"first", *items]
    assert await redis.lrange(EVERY_BYTE, 0, -1) == expected
    page = await list_items(client, EVERY_BYTE, count=1000)
    assert (page.items, page.start, page.length) == ([Item(item, len(item)) for item in expected], 0, 261)


async def test_an_item_is_pushed_only_to_a_list_that_exists(client: RedisClient, valkey: Redis) -> None:
    for left in (True, False):
        call = lists.push(client, b"l", [b"x"], left=left, if_exists=True)
        assert (await failure_of(call)).reason_name == "KEY_NOT_FOUND"
    assert await valkey.exists("l") == 0

    await valkey.rpush("l", "a")
    assert await lists.push(client, b"l", [b"b"], if_exists=True) == 2
    assert await lists.push(client, b"l", [b"0"], left=True, if_exists=True) == 3


@pytest.mark.parametrize(
    ("start", "count", "first", "expected"),
    [
        (0, 3, 0, "012"),
        (4, 3, 4, "456"),
        (8, 3, 8, "89"),
        (10, 3, 10, ""),
        (100, 3, 100, ""),
        (-3, 2, 7, "78"),
        (-3, 100, 7, "789"),
        (-100, 2, 0, "01"),
    ],
)
async def test_a_page_begins_at_either_end(
    client: RedisClient, valkey: Redis, start: int, count: int, first: int, expected: str
) -> None:
    await valkey.rpush("l", *"0123456789")

    page = await list_items(client, b"l", start=start, count=count)

    assert b"".join(item.content for item in page.items).decode() == expected
    assert (page.start, page.length) == (first, 10)


async def test_long_items_are_cut_and_come_in_ranges(client: RedisClient, valkey: Redis) -> None:
    huge = EVERY_BYTE * 8000
    await valkey.rpush("l", "short", huge)

    page = await list_items(client, b"l")
    assert page.items == [Item(b"short", 5), Item(huge[:4096], len(huge))]

    read = b""
    while len(read) < len(huge):
        page = await list_items(client, b"l", start=1, count=1, offset=len(read), max_bytes=MIB)
        read += page.items[0].content
    assert read == huge


async def test_a_page_of_huge_items_ends_early_and_the_next_goes_on(
    client: RedisClient, valkey: Redis
) -> None:
    for number in range(40):
        await valkey.rpush("l", b"%02d" % number * MIB)
    await valkey.config_resetstat()

    seen: list[bytes] = []
    pages = 0
    while len(seen) < 40:
        page = await list_items(client, b"l", start=len(seen), count=100, max_bytes=2)
        assert page.items
        seen += [item.content for item in page.items]
        pages += 1

    assert seen == [b"%02d" % number for number in range(40)]
    assert pages >= 15
    assert int((await valkey.info("stats"))["total_net_output_bytes"]) < 90 * MIB


async def test_huge_items_among_small_ones_do_not_break_the_page(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    """The average says that a hundred items are a few bytes."""
    client = open_client(valkey_url, max_reply_bytes=3 * MIB)
    await valkey.rpush("l", *(b"x" for _ in range(20_000)))
    for _ in range(5):
        await valkey.rpush("l", b"y" * MIB)

    page = await list_items(client, b"l", start=-10, count=10)

    assert [item.length for item in page.items[:5]] == [1] * 5
    assert {item.length for item in page.items[5:]} == {MIB}


async def test_a_user_without_memory_usage_gets_a_page(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("browser on >pw ~* +@all -memory",))
    async with Redis.from_url(server.url) as admin:
        await admin.rpush("l", *range(500))

    assert len(await contents(open_client(server.url_of("browser", "pw")), count=300)) == 300


async def test_items_are_taken_from_either_end(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.rpush("l", *"0123456789", EVERY_BYTE)

    assert await lists.pop(client, b"l", left=True, count=2) == ([b"0", b"1"], 9)
    assert await lists.pop(client, b"l", left=False, count=2) == ([EVERY_BYTE, b"9"], 7)
    assert await lists.pop(client, b"l", left=True, count=1000) == ([b"%d" % n for n in range(2, 9)], 0)
    assert (await failure_of(lists.pop(client, b"l", left=True))).reason_name == "KEY_NOT_FOUND"


@pytest.mark.parametrize("left", [True, False])
async def test_what_no_answer_holds_stays_in_the_list(
    client: RedisClient, valkey: Redis, *, left: bool
) -> None:
    for number in range(8):
        await valkey.rpush("l", b"%d" % number * MIB)

    taken, length = await lists.pop(client, b"l", left=left, count=8)

    assert 0 < len(taken) < 8
    assert length == 8 - len(taken) == await valkey.llen("l")


async def test_an_item_that_is_too_large_to_arrive_is_not_taken(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    await valkey.rpush("l", b"x" * 2 * MIB)

    client = open_client(valkey_url, max_value_bytes=MIB)
    assert (await failure_of(lists.pop(client, b"l", left=True))).reason_name == "PAYLOAD_TOO_LARGE"
    client = open_client(valkey_url, max_reply_bytes=MIB)
    assert (await failure_of(lists.pop(client, b"l", left=False))).reason_name == "RESOURCE_EXHAUSTED"
    assert await valkey.llen("l") == 1


async def test_of_many_who_take_items_each_gets_others(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("l", *range(300))

    taken = await asyncio.gather(*(lists.pop(client, b"l", left=n % 2 == 0, count=10) for n in range(30)))

    assert sorted(int(item) for items, _ in taken for item in items) == list(range(300))


async def test_before_redis_6_2_items_are_taken_as_well(
    start_valkey: StartValkey, start_server: StartServer, open_client: OpenClient
) -> None:
    def refuse(words: list[bytes]) -> bytes | None:
        if words[0] in {b"LPOP", b"RPOP"} and len(words) > 2:
            return b"ERR wrong number of arguments for 'lpop' command"
        return None

    server, url = await older(start_valkey, start_server, refuse)
    async with Redis.from_url(server.url) as redis:
        await redis.rpush("l", *"0123")

    assert await lists.pop(open_client(url), b"l", left=False, count=3) == ([b"3", b"2", b"1"], 1)


@pytest.mark.parametrize(("index", "at"), [(0, 0), (2, 2), (-1, 3), (-4, 0)])
async def test_an_item_is_replaced_by_index_from_either_end(
    client: RedisClient, valkey: Redis, index: int, at: int
) -> None:
    await valkey.rpush("l", *"0123")

    assert await lists.set_item(client, b"l", index, EVERY_BYTE) == 4
    assert await lists.set_item(client, b"l", index, b"new", expected=EVERY_BYTE) == 4
    expected = [b"0", b"1", b"2", b"3"]
    expected[at] = b"new"
    assert await valkey.lrange("l", 0, -1) == expected


async def test_an_item_that_is_another_by_now_is_not_replaced(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("l", "a", "b")

    for index, expected in ((0, b"b"), (5, b"a"), (-3, b"a")):
        error = await failure_of(lists.set_item(client, b"l", index, b"new", expected=expected))
        assert error.reason_name == "CONFLICT"
    assert (
        await failure_of(lists.set_item(client, b"none", 0, b"x", expected=b"a"))
    ).reason_name == "CONFLICT"
    assert await valkey.lrange("l", 0, -1) == [b"a", b"b"]


@pytest.mark.parametrize("rule", ["", "-@scripting"])
async def test_of_many_who_edit_the_same_item_one_wins(
    start_valkey: StartValkey, open_client: OpenClient, rule: str
) -> None:
    server = await start_valkey(users=(f"editor on >pw ~* +@all {rule}",))
    client = open_client(server.url_of("editor", "pw"))
    async with Redis.from_url(server.url) as admin:
        await admin.rpush("l", "start")

        done = await asyncio.gather(
            *(lists.set_item(client, b"l", 0, b"%d" % n, expected=b"start") for n in range(8)),
            return_exceptions=True,
        )

        winners = [n for n, each in enumerate(done) if each == 1]
        assert len(winners) == 1
        assert await admin.lrange("l", 0, -1) == [b"%d" % winners[0]]
    assert {each.reason_name for each in done if isinstance(each, StudioError)} == {"CONFLICT"}


async def test_an_item_is_inserted_beside_another(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.rpush("l", "a", EVERY_BYTE, "c")

    assert await lists.insert(client, b"l", EVERY_BYTE, b"before", before=True) == 4
    assert await lists.insert(client, b"l", EVERY_BYTE, b"after", before=False) == 5
    assert await redis.lrange("l", 0, -1) == [b"a", b"before", EVERY_BYTE, b"after", b"c"]


async def test_items_are_removed_by_value(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.rpush("l", *"abacada", EVERY_BYTE)

    assert await lists.remove(client, b"l", b"a", 1) == 1
    assert await lists.remove(client, b"l", b"a", -1) == 1
    assert await redis.lrange("l", 0, -1) == [b"b", b"a", b"c", b"a", b"d", EVERY_BYTE]
    assert await lists.remove(client, b"l", b"a") == 2
    assert await lists.remove(client, b"l", EVERY_BYTE) == 1
    assert await lists.remove(client, b"l", b"none") == 0
    assert await lists.remove(client, b"none", b"a") == 0


@pytest.mark.parametrize(
    ("start", "stop", "left"), [(1, 2, "12"), (-2, -1, "23"), (0, 100, "0123"), (5, 6, ""), (0, 0, "0")]
)
async def test_a_range_is_kept(client: RedisClient, valkey: Redis, start: int, stop: int, left: str) -> None:
    await valkey.rpush("l", *"0123")

    assert await lists.trim(client, b"l", start, stop) == len(left)
    assert await valkey.lrange("l", 0, -1) == [char.encode() for char in left]


@pytest.mark.parametrize("from_left", [True, False])
@pytest.mark.parametrize("to_left", [True, False])
async def test_an_item_is_moved(
    client: RedisClient, valkey: Redis, *, from_left: bool, to_left: bool
) -> None:
    await valkey.rpush("l", EVERY_BYTE, "mid", EVERY_BYTE)
    await valkey.rpush(EVERY_BYTE, "x")

    assert await lists.move(client, b"l", EVERY_BYTE, from_left=from_left, to_left=to_left) == EVERY_BYTE
    assert await valkey.lrange(EVERY_BYTE, 0, -1) == ([EVERY_BYTE, b"x"] if to_left else [b"x", EVERY_BYTE])
    assert await lists.move(client, b"l", b"l", from_left=True, to_left=False)
    assert await valkey.llen("l") == 2


async def test_before_redis_6_2_an_item_moves_one_way(
    start_valkey: StartValkey, start_server: StartServer, open_client: OpenClient
) -> None:
    server, url = await older(start_valkey, start_server, without("LMOVE"))
    client = open_client(url)
    async with Redis.from_url(server.url) as redis:
        await redis.rpush("l", "a", "b")

        assert await lists.move(client, b"l", b"m", from_left=False, to_left=True) == b"b"
        error = await failure_of(lists.move(client, b"l", b"m", from_left=True, to_left=True))
        assert (error.reason_name, error.metadata["command"]) == ("NOT_SUPPORTED", "LMOVE")
        assert await redis.lrange("m", 0, -1) == [b"b"]


async def test_a_push_whose_answer_is_lost_is_not_repeated(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    port = int(valkey_url.rpartition(":")[2])
    async with FaultProxy("127.0.0.1", port) as proxy:
        client = open_client(valkey_url.replace(f":{port}", f":{proxy.port}"))
        await client.links[0].execute(b"PING")
        proxy.cut_after(0)

        error = await failure_of(lists.push(client, b"l", [b"x"]))

    assert error.metadata["outcome"] == "unknown"
    assert await valkey.llen("l") <= 1


CALLS: dict[str, Call] = {
    "LRANGE": lambda client: list_items(client, b"k"),
    "LLEN": lambda client: list_items(client, b"k"),
    "LPUSH": lambda client: lists.push(client, b"k", [b"x"], left=True),
    "RPUSH": lambda client: lists.push(client, b"k", [b"x"]),
    "LPUSHX": lambda client: lists.push(client, b"k", [b"x"], left=True, if_exists=True),
    "LPOP": lambda client: lists.pop(client, b"k", left=True),
    "RPOP": lambda client: lists.pop(client, b"k", left=False),
    "LSET": lambda client: lists.set_item(client, b"k", 0, b"x"),
    "LSET in a script": lambda client: lists.set_item(client, b"k", 0, b"x", expected=b"v"),
    "LINDEX": lambda client: lists.set_item(client, b"k", 0, b"x", expected=b"v"),
    "LINSERT": lambda client: lists.insert(client, b"k", b"v", b"x", before=True),
    "LREM": lambda client: lists.remove(client, b"k", b"v"),
    "LTRIM": lambda client: lists.trim(client, b"k", 0, 0),
    "LMOVE": lambda client: lists.move(client, b"k", b"other", from_left=True, to_left=True),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_key_of_another_type_is_answered_with_the_type_it_has(
    client: RedisClient, valkey: Redis, call: str
) -> None:
    await valkey.set("k", "v")

    error = await failure_of(CALLS[call](client))

    assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")
    assert await valkey.get("k") == b"v"


async def test_a_target_of_another_type(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("k", "v")
    await valkey.set("other", "v")

    error = await failure_of(lists.move(client, b"k", b"other", from_left=True, to_left=True))

    assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")
    assert await valkey.llen("k") == 1


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call not in {"LPUSH", "RPUSH", "LREM", "LINDEX", "LSET in a script"}]
)
async def test_a_missing_key_is_not_found(client: RedisClient, valkey: Redis, call: str) -> None:
    assert (await failure_of(CALLS[call](client))).reason_name == "KEY_NOT_FOUND"
    assert await valkey.dbsize() == 0


async def test_a_missing_item_is_not_found(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("l", "a")

    for call in (
        lists.set_item(client, b"l", 1, b"x"),
        lists.set_item(client, b"l", -2, b"x"),
        lists.insert(client, b"l", b"none", b"x", before=True),
    ):
        assert (await failure_of(call)).reason_name == "ELEMENT_NOT_FOUND"


@pytest.mark.parametrize("call", CALLS)
async def test_a_user_who_may_not_run_the_command_is_told_which(
    start_valkey: StartValkey, open_client: OpenClient, call: str
) -> None:
    command = call.partition(" ")[0].lower()
    server = await start_valkey(users=(f"browser on >pw ~* +@all -{command}",))
    async with Redis.from_url(server.url) as admin:
        await admin.rpush("k", "v")

        error = await failure_of(CALLS[call](open_client(server.url_of("browser", "pw"))))

        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", f"+{command}")
        assert await admin.lrange("k", 0, -1) == [b"v"]
