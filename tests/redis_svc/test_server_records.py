"""What a server records of its commands: the slow log with its settings, latencies; and what it may refuse to tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.info import parse
from services.redis_svc.replies import Reply
from services.redis_svc.server import slow_log
from services.redis_svc.server.advice import advise
from services.redis_svc.server.clients import kill_client, list_clients
from services.redis_svc.server.facts import facts_from
from services.redis_svc.server.latency import combine, command_times, get_latency, parse_events
from services.redis_svc.server.overview import get_overview
from services.redis_svc.server.rules import RULES
from services.redis_svc.server.slow_log import configure, list_slow_log, parse_entries
from services.runtime.errors import StudioError
from services.runtime.rates import Rates
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

MANAGED = {
    f"rename-command {name}": f"hidden-{name}"
    for name in ("CONFIG", "CLIENT", "SLOWLOG", "LATENCY", "MEMORY", "ACL")
}
"""As managed servers do: these commands are not known."""
SLOW = "for turn = 1, 5000000 do end"
"""A script that takes some milliseconds."""


@pytest.fixture
async def recorder(any_engine: Engine) -> AsyncIterator[Engine]:
    """An engine that records everything, in an empty slow log; as it was afterwards."""
    _, redis = any_engine
    before = await redis.config_get("slowlog-*", "latency-*")
    await redis.config_set("slowlog-log-slower-than", 0)
    await redis.slowlog_reset()
    yield any_engine
    for name in ("slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold"):
        await redis.config_set(name, {_text(key): _text(value) for key, value in before.items()}[name])
    await redis.slowlog_reset()


def _text(word: object) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


async def test_slow_commands_newest_first_with_secrets_masked(recorder: Engine) -> None:
    client, redis = recorder
    await redis.config_set("masterauth", "hunter2")
    await redis.set(b"\xff", bytes(range(256)))

    log = await list_slow_log(client, 100)

    commands = [each.arguments for each in log.commands]
    assert next(each for each in commands if each[0] == b"SET")[:2] == [b"SET", b"\xff"]
    # Servers mask this one themselves; what they show is masked in any case.
    assert not any(b"hunter2" in b" ".join(each) for each in commands)
    ids = [each.id for each in log.commands]
    assert ids == sorted(ids, reverse=True)
    newest = log.commands[0]
    assert newest.at_unix_ms > 1e12
    assert newest.duration_us >= 0
    assert newest.client.startswith("127.0.0.1:")
    assert (log.threshold_us, log.max_length) == (0, 128)
    assert log.length >= len(log.commands)
    await redis.config_set("masterauth", "")


async def test_as_many_as_were_asked_for(recorder: Engine) -> None:
    client, redis = recorder
    for _ in range(10):
        await redis.ping()

    assert len((await list_slow_log(client, 3)).commands) == 3


async def test_settings_are_changed_and_the_log_emptied(recorder: Engine) -> None:
    client, redis = recorder

    await configure(client, threshold_us=123, max_length=77)
    log = await list_slow_log(client)
    assert (log.threshold_us, log.max_length) == (123, 77)
    assert log.length > 0

    await configure(client, threshold_us=-1, reset=True)
    log = await list_slow_log(client)
    assert (log.threshold_us, log.max_length, log.length, log.commands) == (-1, 77, 0, [])
    assert await redis.config_get("slowlog-max-len") in (
        {"slowlog-max-len": "77"},
        {b"slowlog-max-len": b"77"},
    )


async def test_all_settings_are_changed_or_none(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(users=("half on >pw ~* +@all -config|set",))
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        before = await redis.config_get("slowlog-*")
        client = open_client(server.url_of("half", "pw"))

        with pytest.raises(StudioError) as refused:
            await configure(client, threshold_us=5, max_length=5)

        assert refused.value.reason_name == "DB_PERMISSION_DENIED"
        assert await redis.config_get("slowlog-*") == before


async def test_what_is_set_is_put_back_where_the_next_one_fails(recorder: Engine) -> None:
    client, redis = recorder
    # No server takes a negative length.
    with pytest.raises(StudioError) as refused:
        await configure(client, threshold_us=5, max_length=-5)

    assert refused.value.reason_name == "DB_QUERY_ERROR"
    settings = await redis.config_get("slowlog-log-slower-than")
    assert [_text(each) for each in settings.values()] == ["0"]


def test_entries_of_every_version_are_read() -> None:
    old: Reply = [7, 1_700_000_000, 12, [b"GET", b"k"]]
    new: Reply = [8, 1_700_000_001, 5, [b"AUTH", b"secret"], b"1.2.3.4:5", b"app"]

    found = list(parse_entries([old, [1, 2], None, [1, b"x", 3, []], new], "n:1"))

    assert [(each.id, each.client, each.client_name, each.node) for each in found] == [
        (7, "", "", "n:1"),
        (8, "1.2.3.4:5", "app", "n:1"),
    ]
    assert found[0].at_unix_ms == 1.7e12
    assert found[1].arguments == [b"AUTH", b"***"]
    assert list(parse_entries(None)) == []


async def test_latencies(recorder: Engine) -> None:
    client, redis = recorder
    await redis.config_set("latency-monitor-threshold", 1)
    await redis.latency_reset()
    await redis.eval(SLOW, 0)

    found = await get_latency(client)

    assert found.threshold_ms == 1
    assert found.round_trip_ms > 0
    event = next(each for each in found.events if each.name in {"command", "script"})
    assert event.max_ms >= event.latest_ms >= 1
    assert event.at_unix_ms > 1e12
    called = {each.name: each for each in found.commands}
    assert called["eval"].calls >= 1
    assert called["eval"].usec_per_call >= 1000
    assert called["eval"].p99_us >= called["eval"].p50_us > 0
    calls = [each.calls for each in found.commands]
    assert calls == sorted(calls, reverse=True)
    await redis.latency_reset()


def test_latencies_of_several_masters_are_one() -> None:
    text = (
        "# Commandstats\r\ncmdstat_get:calls={calls},usec=100,usec_per_call=1.0\r\n"
        "# Latencystats\r\nlatency_percentiles_usec_get:p50=1.0,p99={p99},p99.9=9\r\n"
    )
    servers = [
        command_times(facts_from(parse(text.format(calls=calls, p99=p99).encode())))
        for calls, p99 in ((10, 5.5), (30, 2.5))
    ]

    (get,) = combine(servers)

    assert (get.name, get.calls, get.usec_per_call, get.p99_us) == ("get", 40, 5, 5.5)


def test_commands_that_were_only_rejected_have_no_times() -> None:
    text = (
        "# Commandstats\r\ncmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=3,failed_calls=0\r\n"
    )
    assert command_times(facts_from(parse(text.encode()))) == {}


def test_a_server_without_percentiles() -> None:
    old = command_times(
        facts_from(parse(b"# Commandstats\r\ncmdstat_get:calls=1,usec=3,usec_per_call=3.0\r\n"))
    )

    assert (old["get"].p50_us, old["get"].p99_us) == (-1, -1)


def test_what_is_no_event_is_left_out() -> None:
    found = list(parse_events([[b"fork", 1_700_000_000, 3, 9], [b"odd"], 7, [1, 2, 3, 4]]))

    assert [(each.name, each.at_unix_ms, each.latest_ms, each.max_ms) for each in found] == [
        ("fork", 1.7e12, 3, 9)
    ]


async def test_a_managed_server_shows_what_it_can(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(settings=MANAGED)
    client = open_client(server.url)

    for call in (
        list_clients(client),
        kill_client(client, 1),
        list_slow_log(client),
        configure(client, threshold_us=1),
        configure(client, reset=True),
    ):
        with pytest.raises(StudioError) as refused:
            await call
        assert refused.value.reason_name == "NOT_SUPPORTED"
        assert refused.value.hint
    latency = await get_latency(client)
    assert (latency.events, latency.threshold_ms) == ([], -1)
    assert latency.commands
    assert (await get_overview(client, Rates(), "id")).flavor == "valkey"
    advice = await advise(client, RULES)
    assert {"no-persistence", "slow-log-full", "no-password"} <= set(advice.skipped)
    assert advice.checked >= 20


async def test_settings_that_a_user_may_not_read_are_unknown(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("half on >pw ~* +@all -config",))

    log = await list_slow_log(open_client(server.url_of("half", "pw")))

    assert (log.threshold_us, log.max_length, log.length) == (slow_log.UNKNOWN_THRESHOLD, -1, 0)


async def test_a_user_who_may_ask_for_nothing_is_told_what_is_missing(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(users=("none on >pw ~* +ping",))
    client = open_client(server.url_of("none", "pw"))

    for call, permission in (
        (get_overview(client, Rates(), "id"), "+info"),
        (list_clients(client), "+client|list"),
        (kill_client(client, 1), "+client|kill"),
        (list_slow_log(client), "+slowlog|get"),
        (configure(client, max_length=1), "+config|set"),
        (configure(client, reset=True), "+slowlog|reset"),
        (get_latency(client), "+latency|latest"),
        (advise(client, RULES), "+info"),
    ):
        with pytest.raises(StudioError) as refused:
            await call
        assert refused.value.metadata["permission"] == permission
