"""Sorted sets: exact scores, ranges each way, edits that overwrite nobody's, places."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.types import geo, sorted_sets
from services.redis_svc.types.scan import SORTED_SET, scan
from services.redis_svc.types.sets import Changed
from services.redis_svc.types.sorted_set_ranges import LONGEST_WALK, Range, list_range
from services.redis_svc.types.sorted_sets import Added, Scored
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))
BYTES = [bytes([byte]) for byte in range(256)]


async def listed(client: RedisClient, range_: Range, key: bytes = b"z") -> list[tuple[bytes, str]]:
    return (await list_range(client, key, range_)).members


async def test_members_are_added_listed_and_removed_whatever_their_bytes(any_engine: Engine) -> None:
    client, redis = any_engine
    everything = [*BYTES, EVERY_BYTE, b""]

    added = await sorted_sets.add(client, EVERY_BYTE, [Scored(member, "1") for member in everything])

    assert added == Added(258, 0, 258)
    page = await list_range(client, EVERY_BYTE, Range(count=1000))
    assert [member for member, _ in page.members] == sorted(everything)
    assert (page.length, page.more) == (258, False)
    assert await sorted_sets.remove(client, EVERY_BYTE, [*everything[1:], b"none"]) == Changed(257, 1)
    assert await redis.zrange(EVERY_BYTE, 0, -1) == [b"\x00"]


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        ("inf", "inf"),
        ("-inf", "-inf"),
        ("+inf", "inf"),
        ("9007199254740993", "9007199254740992"),
        ("-0.5", "-0.5"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("12345.678901234567", "12345.678901234567"),
    ],
)
async def test_a_score_keeps_what_a_double_holds(any_engine: Engine, score: str, shown: str) -> None:
    client, _ = any_engine
    await sorted_sets.add(client, b"z", [Scored(b"m", score)])

    ((_, found),) = await listed(client, Range())

    assert float(found) == float(shown)
    # What was listed is what the next edit expects.
    assert await sorted_sets.add(client, b"z", [Scored(b"m", "7", found)]) == Added(0, 1, 1)


@pytest.mark.parametrize("score", ["", "nan", "1.2.3", "1e999", "0x10", "e5", "\u0661", "1 "])
async def test_what_is_no_score_is_named(client: RedisClient, score: str) -> None:
    members = [Scored(b"a", "1"), Scored(b"b", score)]
    error = await failure_of(sorted_sets.add(client, b"z", members))
    assert [each.field for each in error.violations] == ["members[1].score"]
    error = await failure_of(sorted_sets.add(client, b"z", [Scored(b"b", "1", score)]))
    assert [each.field for each in error.violations] == ["members[0].expected_score"]


async def test_what_was_added_and_what_changed_is_counted(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.zadd("z", {"old": 1, "same": 2})
    edit = [Scored(b"old", "5"), Scored(b"same", "2.0"), Scored(b"new", "3"), Scored(b"new", "4")]

    assert await sorted_sets.add(client, b"z", edit) == Added(1, 2, 3)
    assert await redis.zrange("z", 0, -1, withscores=True) == [(b"same", 2), (b"new", 4), (b"old", 5)]
    assert await sorted_sets.add(
        client, b"z", [Scored(b"old", "6"), Scored(b"x", "1")], only_new=True
    ) == Added(1, 0, 4)
    assert await sorted_sets.add(
        client, b"z", [Scored(b"old", "7"), Scored(b"y", "1")], only_existing=True
    ) == Added(0, 1, 4)
    error = await failure_of(
        sorted_sets.add(client, b"z", [Scored(b"a", "1")], only_new=True, only_existing=True)
    )
    assert error.reason_name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("range_", "names"),
    [
        (Range(), "abcde"),
        (Range(offset=1, count=2), "bc"),
        (Range(reverse=True, offset=1, count=2), "dc"),
        (Range(offset=10), ""),
        (Range(by="score", min="2", max="4"), "bcd"),
        (Range(by="score", min="(2", max="(4"), "c"),
        (Range(by="score", min="-inf", max="3"), "abc"),
        (Range(by="score", min="3"), "cde"),
        (Range(by="score", max="+inf", reverse=True, count=2), "ed"),
        (Range(by="score", min="2", max="4", reverse=True, offset=1), "cb"),
        (Range(by="score", min="5", max="1"), ""),
    ],
)
async def test_ranges_by_rank_and_score(any_engine: Engine, range_: Range, names: str) -> None:
    client, redis = any_engine
    await redis.zadd("z", {"a": 1, "b": 2, "c": 3, "d": 4, "e": float("inf")})

    assert "".join(member.decode() for member, _ in await listed(client, range_)) == names


@pytest.mark.parametrize(
    ("range_", "names"),
    [
        (Range(by="lex"), "abcde"),
        (Range(by="lex", min="[b", max="(d"), "bc"),
        (Range(by="lex", min="-", max="[b"), "ab"),
        (Range(by="lex", min="(d", max="+"), "e"),
        (Range(by="lex", reverse=True, offset=1, count=2), "dc"),
        (Range(by="lex", min="[x"), ""),
    ],
)
async def test_ranges_by_name_come_with_scores(any_engine: Engine, range_: Range, names: str) -> None:
    client, redis = any_engine
    await redis.zadd("z", dict.fromkeys("abcde", 1.5))

    assert await listed(client, range_) == [(name.encode(), "1.5") for name in names]


@pytest.mark.parametrize(
    ("range_", "field"),
    [
        (Range(by="score", min="x"), "min"),
        (Range(by="score", max="((1"), "max"),
        (Range(by="score", max="nan"), "max"),
        (Range(by="lex", min="a"), "min"),
        (Range(by="rank", max="3"), "max"),
        (Range(by="score", offset=LONGEST_WALK + 1), "offset"),
        (Range(by="lex", offset=LONGEST_WALK + 1), "offset"),
    ],
)
async def test_a_bound_that_is_none_is_named(
    client: RedisClient, valkey: Redis, range_: Range, field: str
) -> None:
    await valkey.zadd("z", {"a": 1})

    error = await failure_of(list_range(client, b"z", range_))

    assert [each.field for each in error.violations] == [field]


@pytest.mark.parametrize("by", ["rank", "score", "lex"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_pages_of_a_large_one_hold_each_member_once_in_order(
    any_engine: Engine, by: str, *, reverse: bool
) -> None:
    client, redis = any_engine
    names = [b"%05d" % number for number in range(5000)]
    await redis.zadd("z", dict.fromkeys(names, 1.0))

    found: list[bytes] = []
    more = True
    while more:
        page = await list_range(client, b"z", Range(by=by, offset=len(found), count=700, reverse=reverse))
        found += [member for member, _ in page.members]
        more = page.more
        assert len(page.members) <= 700

    assert found == (names[::-1] if reverse else names)


async def test_a_page_of_large_members_ends_early_and_says_that_more_follow(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, page_bytes=1_000_000)
    names = [b"%03d" % number + b"x" * 100_000 for number in range(50)]
    await valkey.zadd("z", dict.fromkeys(names, 1.0))

    found: list[bytes] = []
    more = True
    while more:
        page = await list_range(client, b"z", Range(offset=len(found), count=1000))
        found += [member for member, _ in page.members]
        more = page.more
        assert 0 < len(page.members) <= 12

    assert found == names


async def test_a_pattern_pages_in_the_servers_order(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.zadd("z", {f"{kind}{number}": number for kind in "ab" for number in range(1000)})

    found: list[tuple[bytes, ...]] = []
    cursor = "0"
    while cursor:
        page = await scan(
            client, b"z", SORTED_SET, count=50, cursor="" if cursor == "0" else cursor, pattern=b"b*"
        )
        found += page.elements
        cursor = page.cursor
        assert len(page.elements) <= 50

    assert sorted(found) == sorted((b"b%d" % number, b"%d" % number) for number in range(1000))


async def test_an_edit_of_what_is_no_longer_so_changes_nothing(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.zadd("z", {"a": 1, "b": 2})
    edit = [Scored(b"a", "10", "1.0"), Scored(b"new", "1"), Scored(b"b", "20", "3")]

    error = await failure_of(sorted_sets.add(client, b"z", edit))

    assert (error.reason_name, error.metadata["index"]) == ("CONFLICT", "1")
    assert await redis.zrange("z", 0, -1, withscores=True) == [(b"a", 1), (b"b", 2)]
    for gone in (b"z", b"none"):
        error = await failure_of(sorted_sets.add(client, gone, [Scored(b"gone", "1", "0")]))
        assert error.reason_name == "CONFLICT"
    error = await failure_of(sorted_sets.add(client, b"z", [Scored(b"c", "1", "1")], only_new=True))
    assert error.reason_name == "INVALID_ARGUMENT"


async def test_of_edits_that_saw_the_same_score_one_wins(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.zadd("z", {"a": 0})

    outcomes = await asyncio.gather(
        *(sorted_sets.add(client, b"z", [Scored(b"a", str(number), "0")]) for number in range(1, 30)),
        return_exceptions=True,
    )

    (winner,) = [number for number, outcome in enumerate(outcomes, 1) if isinstance(outcome, Added)]
    assert await redis.zscore("z", "a") == winner
    assert {each.reason_name for each in outcomes if isinstance(each, StudioError)} == {"CONFLICT"}


async def test_ten_thousand_members_with_preconditions_are_one_edit(any_engine: Engine) -> None:
    """More words than a command inside a script may have."""
    client, redis = any_engine
    await redis.zadd("z", {str(number): 1 for number in range(10_000)})
    edit = [Scored(b"%d" % number, "2", "1") for number in range(10_000)]

    assert await sorted_sets.add(client, b"z", edit) == Added(0, 10_000, 10_000)
    assert (await failure_of(sorted_sets.add(client, b"z", edit))).reason_name == "CONFLICT"


async def test_places_are_found_nearest_first(any_engine: Engine) -> None:
    client, redis = any_engine
    palermo = geo.Place(EVERY_BYTE, 13.361389, 38.115556)
    catania = geo.Place(b"catania", 15.087269, 37.502669)

    assert await geo.add(client, b"g", [palermo, catania, palermo]) == 2
    found = await geo.search(client, b"g", longitude=15, latitude=37, radius_m=200_000, count=10)

    assert [place.member for place in found] == [b"catania", EVERY_BYTE]
    assert [round(place.distance_m / 1000) for place in found] == [56, 190]
    assert found[1].longitude == pytest.approx(13.361389, abs=1e-5)
    assert found[1].latitude == pytest.approx(38.115556, abs=1e-5)
    assert await geo.add(client, b"g", [catania]) == 0
    nearest = await geo.search(client, b"g", longitude=15, latitude=37, radius_m=1e6, count=1)
    assert [place.member for place in nearest] == [b"catania"]
    assert await geo.search(client, b"g", longitude=0, latitude=0, radius_m=0.5, count=1) == []
    assert await redis.zcard("g") == 2


async def test_a_missing_key_and_one_of_another_type(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("s", "v")
    area = {"longitude": 0.0, "latitude": 0.0, "radius_m": 1.0}

    for call in (
        list_range(client, b"none", Range()),
        sorted_sets.remove(client, b"none", [b"a"]),
        geo.search(client, b"none", count=1, **area),
    ):
        assert (await failure_of(call)).reason_name == "KEY_NOT_FOUND"
    for wrong in (
        list_range(client, b"s", Range()),
        sorted_sets.add(client, b"s", [Scored(b"a", "1")]),
        sorted_sets.add(client, b"s", [Scored(b"a", "1", "1")]),
        sorted_sets.remove(client, b"s", [b"a"]),
        geo.add(client, b"s", [geo.Place(b"a", 0, 0)]),
        geo.search(client, b"s", count=1, **area),
    ):
        error = await failure_of(wrong)
        assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")


async def test_a_user_learns_which_permission_is_missing(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("reader on >pw ~* +type +zcard +evalsha +eval",))
    client = open_client(server.url_of("reader", "pw"))
    async with Redis.from_url(server.url) as redis:
        await redis.zadd("z", {"a": 1})

    for call, permission in (
        (list_range(client, b"z", Range()), "+zrange"),
        (list_range(client, b"z", Range(by="score", reverse=True)), "+zrevrangebyscore"),
        (sorted_sets.add(client, b"z", [Scored(b"a", "1")]), "+zadd"),
        (sorted_sets.add(client, b"z", [Scored(b"a", "1", "1")]), "+zscore"),
        (sorted_sets.remove(client, b"z", [b"a"]), "+zrem"),
    ):
        error = await failure_of(call)
        assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", permission)
