"""Edits under a precondition: nothing is lost, whether the user may run scripts or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.atomic import Check, Match, compare_and_run, transact
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import to_studio_error
from services.redis_svc.replies import ServerError
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

EVERY_BYTE = bytes(range(256))


@pytest.fixture(params=["scripts", "no scripts", "no EVALSHA"])
async def engine(
    request: pytest.FixtureRequest, start_valkey: StartValkey, open_client: OpenClient
) -> AsyncIterator[Engine]:
    """A user of each kind, and an administrator's client."""
    rules = {"scripts": "+@all", "no scripts": "+@all -@scripting", "no EVALSHA": "+@all -evalsha"}
    server = await start_valkey(users=(f"editor on >pw ~* {rules[request.param]}",))
    async with Redis.from_url(server.url) as redis:
        yield open_client(server.url_of("editor", "pw")), redis


async def test_commands_run_where_every_check_holds(engine: Engine) -> None:
    client, redis = engine
    await redis.hset("h", mapping={EVERY_BYTE: EVERY_BYTE, b"n": b"1.50"})
    checks = [
        Check((b"HGET", b"h", EVERY_BYTE), EVERY_BYTE),
        Check((b"HGET", b"h", b"n"), b"1.5", Match.NUMBER),
        Check((b"HGET", b"h", b"none"), match=Match.ABSENT),
        Check((b"HLEN", b"h"), b"2"),
    ]

    replies = await compare_and_run(
        client.link_for(b"h"), b"h", checks, [(b"HSET", b"h", b"none", EVERY_BYTE), (b"HLEN", b"h")]
    )

    assert replies == [1, 3]
    assert await redis.hget("h", "none") == EVERY_BYTE


@pytest.mark.parametrize(
    "wrong",
    [
        Check((b"GET", b"k"), b"w"),
        Check((b"GET", b"k"), b"2", Match.NUMBER),
        Check((b"GET", b"k"), match=Match.ABSENT),
        Check((b"GET", b"other{k}"), b""),
        Check((b"STRLEN", b"k"), b"11"),
    ],
)
async def test_nothing_runs_where_one_check_does_not_hold(engine: Engine, wrong: Check) -> None:
    client, redis = engine
    await redis.set("k", "1")

    held = Check((b"GET", b"k"), b"1")
    error = await failure_of(compare_and_run(client.link_for(b"k"), b"k", [held, wrong], [(b"DEL", b"k")]))

    assert (error.reason_name, error.metadata["index"]) == ("CONFLICT", "1")
    assert await redis.get("k") == b"1"


async def test_one_of_many_who_saw_the_same_wins(engine: Engine) -> None:
    client, redis = engine
    await redis.set("k", "seen")
    limit = 8  # as many as may have a connection of their own

    async def edit(value: bytes) -> str:
        try:
            await compare_and_run(
                client.link_for(b"k"), b"k", [Check((b"GET", b"k"), b"seen")], [(b"SET", b"k", value)]
            )
        except StudioError as error:
            return error.reason_name
        return value.decode()

    outcomes = await asyncio.gather(*(edit(b"%d" % number) for number in range(limit)))

    winners = [outcome for outcome in outcomes if outcome != "CONFLICT"]
    assert len(winners) == 1
    assert await redis.get("k") == winners[0].encode()


async def test_an_edit_goes_through_beside_edits_of_other_parts(engine: Engine) -> None:
    """WATCH sees the whole key; what is compared is a part of it."""
    client, redis = engine
    await redis.hset("h", mapping={"mine": "1", "others": "0"})

    await asyncio.gather(
        *(redis.hset("h", "others", str(number)) for number in range(20)),
        compare_and_run(
            client.link_for(b"h"),
            b"h",
            [Check((b"HGET", b"h", b"mine"), b"1")],
            [(b"HSET", b"h", b"mine", b"2")],
        ),
    )

    assert await redis.hget("h", "mine") == b"2"


async def test_a_failing_check_or_command_says_what_the_server_said(engine: Engine) -> None:
    client, redis = engine
    await redis.rpush("l", "a")
    link = client.link_for(b"l")

    error = await failure_of(compare_and_run(link, b"l", [Check((b"GET", b"l"), b"a")], [(b"DEL", b"l")]))
    assert error.reason_name == "WRONG_TYPE"
    (reply,) = await compare_and_run(link, b"l", [], [(b"INCR", b"l")])
    assert isinstance(reply, ServerError)
    assert reply.prefix == "WRONGTYPE"


async def test_the_connections_of_their_own_are_bounded_and_closed(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey()
    client = open_client(server.url, max_dedicated=1)
    link = client.link_for(b"k")
    async with link.dedicated():
        error = await failure_of(transact(link, b"k", [], lambda _: []))
        assert error.reason_name == "RESOURCE_EXHAUSTED"

    assert await transact(link, b"k", [], lambda _: [(b"SET", b"k", b"v")]) == [b"OK"]


async def test_whoever_may_neither_run_scripts_nor_watch_learns_which_permission_is_missing(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("editor on >pw ~* +@all -@scripting -watch",))
    client = open_client(server.url_of("editor", "pw"))

    error = await failure_of(compare_and_run(client.link_for(b"k"), b"k", [], [(b"SET", b"k", b"v")]))

    assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "+watch")


async def test_a_command_that_the_user_may_not_run_is_named(engine: Engine) -> None:
    client, redis = engine
    await redis.acl_setuser("editor", enabled=True, commands=["-set"])

    async def run() -> None:
        replies = await compare_and_run(client.link_for(b"k"), b"k", [], [(b"SET", b"k", b"v")])
        assert isinstance(replies[0], ServerError)
        raise to_studio_error(replies[0], command="SET")

    error = await failure_of(run())
    assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "+set")
