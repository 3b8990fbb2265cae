"""The overview: figures that may be missing, sums over a Cluster's masters, rates since the last look."""

from __future__ import annotations

from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.info import parse
from services.redis_svc.server.facts import Facts, facts_from, read_facts, read_settings
from services.redis_svc.server.overview import combine, get_overview
from services.runtime.rates import Growth, Rates

Engine = tuple[RedisClient, Redis]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def facts(text: str) -> Facts:
    return facts_from(parse(text.encode()))


async def test_an_engine_at_a_glance(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("a", "v")
    await redis.set("b", "v", px=1_000_000)
    await redis.get("a")
    rates = Rates()

    first = await get_overview(client, rates, "id")

    assert (first.mode, first.role, first.last_save_status, first.nodes) == ("standalone", "master", "ok", 1)
    assert first.version.split(".")[0].isdecimal()
    assert first.eviction_policy == "noeviction"
    assert (first.numbers["keys"], first.numbers["expiring_keys"]) == (2, 1)
    assert [(each.number, each.keys, each.expires) for each in first.databases] == [(0, 2, 1)]
    assert first.numbers["connected_clients"] >= 2
    assert first.numbers["used_memory_bytes"] > 0
    assert 0 < first.numbers["hit_ratio"] <= 1
    assert first.numbers["evicted_keys_per_s"] == first.numbers["interval_s"] == -1

    second = await get_overview(client, rates, "id")

    assert second.numbers["evicted_keys_per_s"] == 0
    assert second.numbers["interval_s"] > 0
    assert second.numbers["cpu_ratio"] >= 0


async def test_the_flavor_is_told_apart(client: RedisClient) -> None:
    assert (await get_overview(client, Rates(), "id")).flavor == "valkey"
    assert combine([facts("redis_version:7.0.15\r\n")], [Growth()]).flavor == "redis"


def test_nothing_is_needed_of_what_a_server_may_leave_out() -> None:
    overview = combine([facts("")], [Growth()])

    assert (overview.version, overview.role, overview.last_save_status) == ("", "", "")
    assert set(overview.numbers.values()) == {-1}


def test_words_where_numbers_should_be_are_missing_numbers() -> None:
    odd = facts("# Memory\r\nused_memory:lots\r\nmaxmemory:99999999999999999999\r\nrole:a=1,b=2\r\n")

    assert odd.number("used_memory") is None
    assert odd.number("maxmemory") == 1e20
    assert odd.text("role") == ""


def test_of_several_masters_numbers_are_summed_and_trouble_is_kept() -> None:
    one = facts(
        "# Server\r\nuptime_in_seconds:10\r\n# Memory\r\nused_memory:100\r\nmaxmemory:1000\r\n"
        "mem_fragmentation_ratio:1.5\r\nrdb_last_bgsave_status:ok\r\nkeyspace_hits:3\r\nkeyspace_misses:1\r\n"
        "instantaneous_input_kbps:2\r\n# Keyspace\r\ndb0:keys=10,expires=2,avg_ttl=100\r\n"
    )
    other = facts(
        "# Server\r\nuptime_in_seconds:5\r\n# Memory\r\nused_memory:50\r\nmaxmemory:1000\r\n"
        "mem_fragmentation_ratio:1.1\r\nrdb_last_bgsave_status:err\r\nkeyspace_hits:0\r\nkeyspace_misses:0\r\n"
        "instantaneous_input_kbps:1\r\n# Keyspace\r\ndb0:keys=5,expires=6,avg_ttl=200\r\n"
    )
    growths = [Growth(2.0, {"evicted_keys": 3.0}), Growth(2.5, {"evicted_keys": 4.0})]

    overview = combine([one, other], growths)

    assert overview.last_save_status == "err"
    assert overview.numbers["used_memory_bytes"] == 150
    assert overview.numbers["max_memory_bytes"] == 2000
    assert overview.numbers["uptime_s"] == 5
    assert overview.numbers["fragmentation_ratio"] == 1.5
    assert overview.numbers["hit_ratio"] == 0.75
    assert overview.numbers["input_bytes_per_s"] == 3 * 1024
    assert overview.numbers["evicted_keys_per_s"] == 7
    assert overview.numbers["expired_keys_per_s"] == -1
    assert [(each.keys, each.expires, each.average_ttl_ms) for each in overview.databases] == [(15, 8, 175)]


def test_one_master_without_a_limit_leaves_the_whole_without_one() -> None:
    servers = [facts("maxmemory:0\r\n"), facts("maxmemory:100\r\n")]

    assert combine(servers, [Growth(), Growth()]).numbers["max_memory_bytes"] == 0


def test_a_rate_is_what_grew_since_the_last_look() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    key = ("id", "")

    assert rates.look(key, "run", {"evicted": 10.0}).of("evicted") == -1
    clock.now += 4
    grown = rates.look(key, "run", {"evicted": 30.0, "new": 1.0})
    assert (grown.interval_s, grown.of("evicted"), grown.of("new")) == (4, 5, -1)


def test_a_server_that_counts_anew_has_no_rate() -> None:
    clock = Clock()
    rates = Rates(clock=clock)
    key = ("id", "")
    rates.look(key, "run", {"evicted": 10.0})
    clock.now += 1

    assert rates.look(key, "another run", {"evicted": 20.0}) == Growth()
    clock.now += 1
    assert rates.look(key, "another run", {"evicted": 5.0}).of("evicted") == -1  # CONFIG RESETSTAT


def test_only_so_many_servers_are_remembered() -> None:
    clock = Clock()
    rates = Rates(size=2, clock=clock)
    for name in ("a", "b", "a", "c"):  # b is not asked about for the longest
        clock.now += 1
        rates.look((name, ""), "run", {})
    clock.now += 1

    assert rates.look(("b", ""), "run", {}).interval_s == -1
    assert rates.look(("c", ""), "run", {}).interval_s > 0


async def test_settings_that_are_not_there_are_missing(client: RedisClient) -> None:
    found = await read_settings(client.links[0], "maxmemory", "no-such-setting")

    assert found.keys() == {"maxmemory"}


async def test_further_sections_are_asked_for_by_name(client: RedisClient) -> None:
    found = await read_facts(client.links[0], "commandstats", "no-such-section")

    assert "info" in found.rows("commandstats", "cmdstat_")
    assert found.number("used_memory") is not None
