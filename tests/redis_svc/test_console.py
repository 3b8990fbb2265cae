"""Commands are run all together or not at all: roles, confirmations, read-only connections, bounds, lost servers."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.console.bounds import BOUNDS
from services.redis_svc.console.confirmation import PURPOSE, Subject
from services.redis_svc.console.quoting import split
from services.redis_svc.console.resp import Kind
from services.redis_svc.console.run import Console, Request
from services.redis_svc.console.wire import Answer
from services.runtime.confirmation import Confirmations
from services.runtime.errors import StudioError
from studio.options.v1.access_pb2 import ROLE_ADMINISTRATOR, ROLE_DEVELOPER, ROLE_READ_ONLY, Role
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyFactory
from tests.support.odd_servers import until

SECRET = "secret-of-the-tests"
DATABASE = "00000000-0000-0000-0000-000000000001"


def console(**bounds: float) -> Console:
    limited = dataclasses.replace(BOUNDS, **bounds)  # type: ignore[arg-type]  # ints among them
    return Console(Confirmations(SECRET, PURPOSE, BOUNDS.confirmation_s), bounds=limited)


def asking(
    *lines: str,
    role: Role.ValueType = ROLE_ADMINISTRATOR,
    caller: str = "ann",
    confirmation: str = "",
    read_only: bool = False,
) -> Request:
    commands = [split(line.encode()) for line in lines]
    return Request(DATABASE, commands, caller, role, read_only, confirmation)


async def run(client: RedisClient, request: Request, with_: Console | None = None) -> Sequence[Answer]:
    return await (with_ or console()).run(client, request, time_left_s=10)


async def refusal(client: RedisClient, request: Request) -> StudioError:
    with pytest.raises(StudioError) as caught:
        await run(client, request)
    return caught.value


def contents(answers: Sequence[Answer]) -> list[bytes]:
    return [answer.node.content for answer in answers]


async def test_every_byte_survives(client: RedisClient) -> None:
    every_byte = bytes(range(256))
    request = Request(
        DATABASE, [[b"SET", every_byte, every_byte], [b"GET", every_byte]], "ann", ROLE_DEVELOPER
    )

    set_, got = await run(client, request)

    assert (set_.node.kind, set_.node.content) == (Kind.STATUS, b"OK")
    assert (got.node.kind, got.node.content) == (Kind.BULK, every_byte)


async def test_types_are_those_of_resp3(any_engine: tuple[RedisClient, Redis]) -> None:
    client, other = any_engine
    await other.hset("h", "f", "v")
    await other.zadd("z", {"m": 1.5})
    await other.sadd("s", "m")

    kinds = [
        answer.node.kind
        for answer in await run(
            client, asking("HGETALL h", "ZSCORE z m", "SMEMBERS s", "GET none", "EXISTS h", "LRANGE l 0 1")
        )
    ]

    assert kinds == [Kind.MAP, Kind.NUMBER, Kind.SET, Kind.NULL, Kind.INTEGER, Kind.LIST]


async def test_an_error_in_the_middle_is_an_answer_and_the_rest_runs(
    client: RedisClient, valkey: Redis
) -> None:
    await valkey.set("k", "v")

    answers = await run(client, asking("SET a 1", "LPUSH k x", "NOSUCH x", "GET a", "GET"))

    kinds = [answer.node.kind for answer in answers]
    assert kinds == [Kind.STATUS, Kind.ERROR, Kind.ERROR, Kind.BULK, Kind.ERROR]
    assert answers[1].node.content.startswith(b"WRONGTYPE")
    assert b"unknown command" in answers[2].node.content


async def test_a_long_pipeline_runs_in_chunks_and_in_order(client: RedisClient, valkey: Redis) -> None:
    lines = [f"RPUSH l {number}" for number in range(1000)]

    answers = await run(client, asking(*lines))

    assert [answer.node.content for answer in answers] == [b"%d" % n for n in range(1, 1001)]
    assert await valkey.lrange("l", 0, -1) == [b"%d" % n for n in range(1000)]
    assert all(0 < answer.after_s < 10 for answer in answers)


@pytest.mark.parametrize(
    ("role", "last", "reason"),
    [
        (ROLE_READ_ONLY, "SET a 2", "PERMISSION_DENIED"),
        (ROLE_DEVELOPER, "CONFIG GET maxmemory", "PERMISSION_DENIED"),
        (ROLE_DEVELOPER, "FLUSHALL", "PERMISSION_DENIED"),
        (ROLE_ADMINISTRATOR, "FLUSHALL", "CONFIRMATION_REQUIRED"),
        (ROLE_ADMINISTRATOR, "MULTI", "COMMAND_REFUSED"),
    ],
)
async def test_nothing_runs_where_one_command_may_not(
    client: RedisClient, valkey: Redis, role: Role.ValueType, last: str, reason: str
) -> None:
    await valkey.set("kept", "1")
    first = "GET kept" if role == ROLE_READ_ONLY else "SET a 1"

    error = await refusal(client, asking(first, last, role=role))

    assert error.reason_name == reason
    assert error.metadata["index"] == "1"
    assert await valkey.keys() == [b"kept"]


async def test_a_confirmation_runs_exactly_what_was_shown(client: RedisClient, valkey: Redis) -> None:
    await valkey.set("a", "1")
    token = (await refusal(client, asking("GET a", "FLUSHDB"))).metadata["confirmation"]

    for other in (
        asking("GET a", "FLUSHALL", confirmation=token),
        asking("FLUSHDB", confirmation=token),
        asking("GET a", "FLUSHDB", caller="eve", confirmation=token),
        asking("GET a", "FLUSHDB", confirmation=token[:-1] + ("A" if token[-1] != "A" else "B")),
        asking("GET a", "FLUSHDB", confirmation="99999999999." + token.partition(".")[2]),
        dataclasses.replace(asking("GET a", "FLUSHDB", confirmation=token), database_id="other"),
    ):
        error = await refusal(client, other)
        assert error.reason_name == "CONFIRMATION_REQUIRED"
        assert error.message.startswith("The confirmation is not for these commands")
    assert await valkey.dbsize() == 1

    await run(client, asking("GET a", "FLUSHDB", confirmation=token))
    assert await valkey.dbsize() == 0


def test_a_confirmation_ends_and_is_told_apart_by_every_byte() -> None:
    ours = Confirmations(SECRET, PURPOSE, 120)
    subject = Subject("ann", DATABASE, [[b"a", b"bc"]]).parts()
    now = time.time()
    token = ours.issue(subject, now)

    assert ours.accepts(token, subject, now + 118)
    assert not ours.accepts(token, subject, now + 121)
    assert Confirmations(SECRET, PURPOSE, 120).accepts(token, subject, now)
    assert not Confirmations("another secret", PURPOSE, 120).accepts(token, subject, now)
    assert not Confirmations(SECRET, b"calls", 120).accepts(token, subject, now)
    for commands in ([[b"ab", b"c"]], [[b"a"], [b"bc"]], [[b"a", b"bc"], []], [[b"A", b"bc"]]):
        assert not ours.accepts(token, Subject("ann", DATABASE, commands).parts(), now)
    for nonsense in ("", ".", "x.y", "1.ü", "9" * 30 + ".a"):
        assert not ours.accepts(nonsense, subject, now)


@pytest.mark.parametrize(
    ("line", "runs"),
    [("GET a", True), ("SET a 1", False), ("CONFIG SET maxmemory 0", False), ("PUBLISH a b", False)],
)
async def test_a_read_only_connection_refuses_changes_whoever_asks(
    client: RedisClient, line: str, *, runs: bool
) -> None:
    request = asking(line, read_only=True)
    if runs:
        await run(client, request)
    else:
        assert (await refusal(client, request)).reason_name == "CONNECTION_READ_ONLY"


async def test_replies_are_cut_to_the_bounds_of_the_call(client: RedisClient, valkey: Redis) -> None:
    await valkey.rpush("l", *range(1000))
    await valkey.set("s", "x" * 1000)

    answers = await run(
        client,
        asking("LRANGE l 0 -1", "GET s", "GET s", "NOSUCH"),
        console(reply_elements=500, reply_bytes=2500, bulk_bytes=800),
    )

    assert [answer.truncated for answer in answers] == [True, True, True, False]
    assert len(answers[0].node.items) == 500
    assert answers[1].node.full_length == 1000
    assert sum(len(each.content) for each in answers[0].node.items) + len(answers[1].node.content) <= 2500
    assert answers[3].node.kind is Kind.ERROR


async def test_a_reply_too_large_to_be_read_ends_this_call_only(
    valkey: Redis, valkey_url: str, open_client: OpenClient
) -> None:
    client = open_client(valkey_url, max_reply_bytes=100_000)
    await valkey.set("s", "x" * 1_000_000)

    with pytest.raises(StudioError) as caught:
        await run(client, asking("SET a 1", "GET s"))

    assert caught.value.reason_name == "RESOURCE_EXHAUSTED"
    assert caught.value.metadata["outcome"] == "unknown"
    assert contents(await run(client, asking("GET a"))) == [b"1"]


async def test_what_an_acl_forbids_is_the_servers_answer(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("bob on >pw ~* +@read +command +client +ping",))
    client = open_client(server.url_of("bob", "pw"))

    got, set_ = await run(client, asking("GET a", "SET a 1"))

    assert got.node.kind is Kind.NULL
    assert set_.node.content.startswith(b"NOPERM")


async def test_a_user_who_may_not_ask_for_commands_learns_which_permission_is_missing(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("bob on >pw ~* +@read +ping",))

    error = await refusal(open_client(server.url_of("bob", "pw")), asking("GET a"))

    assert (error.reason_name, error.metadata["permission"]) == ("DB_PERMISSION_DENIED", "+command|info")


async def test_a_server_that_hangs_says_how_far_it_came(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey()
    client, hurried = open_client(server.url), console(call_s=0.5)
    await run(client, asking("SET a 1"), hurried)
    server.suspend()

    with pytest.raises(StudioError) as caught:
        await run(client, asking("SET a 2"), hurried)

    server.resume()
    assert (caught.value.reason_name, caught.value.metadata["completed"]) == ("DB_TIMEOUT", "0")


async def test_a_caller_who_goes_away_leaves_no_connection(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey()
    client, ours = open_client(server.url), console()
    await run(client, asking("GET a"), ours)
    async with Redis.from_url(server.url) as other:
        before = [each["id"] for each in await other.client_list()]
        server.suspend()
        task = asyncio.create_task(run(client, asking("GET a"), ours))
        await until(lambda: ours.places.taken == 1)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        server.resume()
        async with asyncio.timeout(10):  # the server has yet to see the end of the connection
            while [each["id"] for each in await other.client_list()] != before:  # noqa: ASYNC110  the server tells nobody
                await asyncio.sleep(0.01)
        assert ours.places.taken == 0


async def test_more_calls_than_allowed_are_refused_at_once(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey()
    client, limited = open_client(server.url), console(calls=2, calls_of_one_database=2)
    await run(client, asking("GET a"), limited)
    server.suspend()
    calls = [asyncio.create_task(run(client, asking("GET a"), limited)) for _ in range(2)]
    await until(lambda: limited.places.taken == 2)

    with pytest.raises(StudioError) as caught:
        await run(client, asking("GET a"), limited)

    assert caught.value.reason_name == "RESOURCE_EXHAUSTED"
    server.resume()
    await asyncio.gather(*calls)
    assert limited.places.taken == 0


async def test_in_a_cluster_a_script_without_keys_runs_on_the_first_server(
    cluster_client: RedisClient,
) -> None:
    (answer,) = await run(cluster_client, asking('EVAL_RO "return 7" 0'))

    assert (answer.node.kind, answer.node.content) == (Kind.INTEGER, b"7")


async def test_in_a_cluster_each_command_runs_where_its_key_is(cluster_client: RedisClient) -> None:
    lines = [f"SET key:{number} {number}" for number in range(20)]
    eval_ = [f"EVAL_RO 'return redis.call(\"GET\", KEYS[1])' 1 key:{number}" for number in range(20)]

    answers = await run(cluster_client, asking(*lines, *eval_, "PING"))

    assert contents(answers[:20]) == [b"OK"] * 20
    assert contents(answers[20:40]) == [b"%d" % number for number in range(20)]
    assert len(cluster_client.links) == 3
