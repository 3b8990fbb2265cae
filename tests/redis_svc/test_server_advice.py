"""Recommendations: each rule speaks up for what it is about alone, and is skipped where its figures lack."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.info import parse
from services.redis_svc.server.advice import Server, Severity, advise, in_words, judge, look_at
from services.redis_svc.server.facts import facts_from
from services.redis_svc.server.latency import command_times
from services.redis_svc.server.nodes import Node
from services.redis_svc.server.rules import RULES
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

HEALTHY = """# Server
redis_version:7.4.1
uptime_in_seconds:1000
# Clients
connected_clients:10
maxclients:1000
blocked_clients:0
# Memory
used_memory:200000000
used_memory_rss:220000000
total_system_memory:8000000000
maxmemory:1000000000
maxmemory_policy:allkeys-lru
mem_fragmentation_ratio:1.1
mem_fragmentation_bytes:20000000
used_memory_overhead:20000000
used_memory_lua:30000
number_of_cached_scripts:1
mem_clients_normal:10000
# Persistence
aof_enabled:1
rdb_last_bgsave_status:ok
aof_last_write_status:ok
aof_last_bgrewrite_status:ok
# Stats
evicted_keys:0
rejected_connections:0
total_connections_received:100
client_output_buffer_limit_disconnections:0
keyspace_hits:90000
keyspace_misses:1000
expired_stale_perc:0.5
total_error_replies:10
total_commands_processed:100000
latest_fork_usec:1000
sync_full:0
acl_access_denied_auth:0
# Replication
role:master
master_repl_offset:100000000
slave0:ip=10.0.0.1,port=6379,state=online,offset=99999000,lag=1
# Commandstats
cmdstat_get:calls=1000,usec=2000,usec_per_call=2.00
# Keyspace
db0:keys=200000,expires=100000,avg_ttl=5
"""
SETTINGS = {
    "save": "3600 1",
    "protected-mode": "yes",
    "slowlog-log-slower-than": "10000",
    "slowlog-max-len": "128",
    "latency-monitor-threshold": "100",
    "notify-keyspace-events": "",
    "timeout": "0",
    "disable-thp": "yes",
    "appendfsync": "everysec",
}


def server(
    changes: dict[str, str] | None = None,
    *,
    add: str = "",
    settings: dict[str, str] | None = None,
    slow_log_length: int | None = 3,
    flags: frozenset[str] = frozenset({"on"}),
) -> Server:
    """A healthy server but for what is changed."""
    text = HEALTHY
    for name, value in (changes or {}).items():
        text, count = re.subn(rf"(?m)^{re.escape(name)}:.*$", f"{name}:{value}", text)
        assert count == 1, name
    facts = facts_from(parse((text + add).encode()))
    return Server(
        facts=facts,
        settings=SETTINGS | (settings or {}),
        commands=command_times(facts),
        slow_log_length=slow_log_length,
        default_user=flags,
    )


def found(*servers: Server) -> dict[str, str]:
    advice = judge([("", each) for each in servers], RULES)
    return {each.rule.id: each.reason for each in advice.recommendations}


def test_a_healthy_server_gets_no_advice() -> None:
    advice = judge([("", server())], RULES)

    assert (advice.recommendations, advice.skipped) == ([], [])
    assert advice.checked == len(RULES) > 40


CASES: list[tuple[str, Server, str]] = [
    ("maxmemory-unset", server({"maxmemory": "0"}), "190.7 MiB"),
    ("memory-of-host", server({"used_memory_rss": "7000000000"}), "7.5 GiB"),
    (
        "memory-nearly-full",
        server(
            {"used_memory": "950000000", "used_memory_rss": "950000000", "maxmemory_policy": "noeviction"}
        ),
        "95%",
    ),
    (
        "nothing-to-evict",
        server({"maxmemory_policy": "volatile-ttl", "db0": "keys=10,expires=0,avg_ttl=0"}),
        "volatile-ttl",
    ),
    ("evictions", server({"evicted_keys": "1234"}), "1,234"),
    (
        "fragmentation",
        server({"mem_fragmentation_ratio": "2.5", "mem_fragmentation_bytes": "300000000"}),
        "2.50",
    ),
    ("swapped", server({"used_memory_rss": "100000000"}), "95.4 MiB"),
    ("overhead", server({"used_memory_overhead": "150000000"}), "75%"),
    ("scripts", server({"number_of_cached_scripts": "5000"}), "5,000"),
    ("client-buffers", server({"mem_clients_normal": "100000000"}), "95.4 MiB"),
    (
        "save-fails",
        server({"rdb_last_bgsave_status": "err"}, add="# X\nrdb_changes_since_last_save:77\n"),
        "77",
    ),
    ("aof-fails", server({"aof_last_write_status": "err"}), "aof_last_write_status"),
    ("aof-fails", server({"aof_last_bgrewrite_status": "err"}), "aof_last_bgrewrite_status"),
    ("no-persistence", server({"aof_enabled": "0"}, settings={"save": ""}), "restart"),
    ("slow-fork", server({"latest_fork_usec": "900000"}), "900 ms"),
    ("fsync-always", server(settings={"appendfsync": "always"}), "always"),
    ("huge-pages", server(settings={"disable-thp": "no"}), "disable-thp"),
    (
        "replica-link-down",
        server({"role": "slave"}, add="# X\nmaster_link_status:down\nmaster_link_down_since_seconds:42\n"),
        "42 s",
    ),
    ("replica-behind", server({"slave0": "ip=1,port=1,state=wait_bgsave,offset=0,lag=0"}), "wait_bgsave"),
    ("replica-behind", server({"slave0": "ip=1,port=1,state=online,offset=0,lag=0"}), "95.4 MiB"),
    ("replica-behind", server({"slave0": "ip=1,port=1,state=online,offset=100000000,lag=60"}), "60 s"),
    ("full-syncs", server({"sync_full": "50"}), "50"),
    ("no-password", server(flags=frozenset({"on", "nopass"})), "default"),
    ("denied-logins", server({"acl_access_denied_auth": "5000"}), "5,000"),
    ("old-version", server({"redis_version": "6.0.16"}), "6.0.16"),
    ("clients-nearly-full", server({"connected_clients": "900"}), "900"),
    ("clients-rejected", server({"rejected_connections": "3"}), "3"),
    ("blocked-clients", server({"blocked_clients": "80", "connected_clients": "100"}), "80"),
    ("no-idle-timeout", server({"connected_clients": "2000", "maxclients": "10000"}), "2,000"),
    ("connection-churn", server({"total_connections_received": "1000000"}), "1,000"),
    ("output-limit", server({"client_output_buffer_limit_disconnections": "9"}), "9"),
    ("low-hit-ratio", server({"keyspace_misses": "900000"}), "91%"),
    ("stale-keys", server({"expired_stale_perc": "25.00"}), "25 %"),
    ("no-expiry", server({"db0": "keys=200000,expires=0,avg_ttl=0"}), "200,000"),
    ("numbered-databases", server(add="db3:keys=1,expires=1,avg_ttl=0\n"), "2"),
    ("error-replies", server({"total_error_replies": "50000"}), "50%"),
    ("slow-log-off", server(settings={"slowlog-log-slower-than": "-1"}), "off"),
    ("slow-log-off", server(settings={"slowlog-log-slower-than": "5000000"}), "5,000 ms"),
    ("slow-log-full", server(slow_log_length=128), "128"),
    ("latency-monitor-off", server(settings={"latency-monitor-threshold": "0"}), "0"),
    ("keyspace-events", server(settings={"notify-keyspace-events": "AKE"}), "AKE"),
    *(
        (
            rule,
            server(
                {"cmdstat_get": "calls=1,usec=1"}, add=f"# Commandstats\ncmdstat_{name}:calls=12,usec=120\n"
            ),
            "12",
        )
        for rule, name in (("keys-command", "keys"), ("monitor-command", "monitor"), ("save-command", "save"))
    ),
    ("slow-commands", server({"cmdstat_get": "calls=100,usec=5000000,usec_per_call=50000"}), "50.0 ms"),
]


@pytest.mark.parametrize(("rule", "ill", "figure"), CASES, ids=[rule for rule, *_ in CASES])
def test_a_rule_names_its_figures(rule: str, ill: Server, figure: str) -> None:
    reasons = found(ill)

    assert list(reasons) == [rule]
    assert figure in reasons[rule]


def test_without_password_and_protection_two_rules_speak() -> None:
    assert list(found(server(flags=frozenset({"on", "nopass"}), settings={"protected-mode": "no"}))) == [
        "unprotected",
        "no-password",
    ]


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, *_ in CASES} | {"unprotected"}


def test_every_rule_has_a_name_of_its_own_a_reference_and_whole_sentences() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.reference.startswith("https://redis.io/docs/")
        assert rule.title.endswith(".")
    for _, ill, _ in CASES:
        assert all(reason.endswith(".") for reason in found(ill).values())


def test_a_server_that_tells_nothing_is_skipped_by_every_rule() -> None:
    advice = judge([("", Server(facts_from({})))], RULES)

    assert advice.recommendations == []
    assert advice.checked + len(advice.skipped) == len(RULES)
    assert len(advice.skipped) > 35


def test_no_figure_that_is_missing_makes_a_rule_fail() -> None:
    lines = HEALTHY.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("#"):
            continue
        text = "\n".join([*lines[:at], *lines[at + 1 :]])
        facts = facts_from(parse(text.encode()))
        judge([("", Server(facts, SETTINGS, command_times(facts), 1, frozenset()))], RULES)
        facts = facts_from(
            parse("\n".join([*lines[:at], f"{line.split(':')[0]}:odd", *lines[at + 1 :]]).encode())
        )
        judge(
            [("", Server(facts, dict.fromkeys(SETTINGS, "odd"), command_times(facts), 1, frozenset()))], RULES
        )


def test_the_most_severe_come_first() -> None:
    ill = server(
        {"maxmemory": "0", "rdb_last_bgsave_status": "err"}, settings={"latency-monitor-threshold": "0"}
    )
    order = [each.rule.severity for each in judge([("", ill)], RULES).recommendations]

    assert order == [Severity.HIGH, Severity.MEDIUM, Severity.LOW]


def test_on_a_cluster_the_nodes_are_named() -> None:
    nodes = [
        ("a:1", server()),
        ("b:1", server({"evicted_keys": "5"})),
        ("c:1", server({"evicted_keys": "7"})),
    ]

    (advice,) = judge(nodes, RULES).recommendations

    assert (advice.rule.id, advice.nodes) == ("evictions", ["b:1", "c:1"])
    assert "5 keys" in advice.reason


async def test_an_engine_is_looked_at(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.keys("nothing*")

    seen = await look_at(Node("", client.links[0]))
    advice = await advise(client, RULES)

    assert seen.default_user is not None
    assert "on" in seen.default_user
    assert seen.slow_log_length is not None
    assert {"save", "slowlog-max-len", "latency-monitor-threshold"} <= seen.settings.keys()
    assert advice.checked >= 40
    assert "keys-command" in [each.rule.id for each in advice.recommendations]


async def test_an_open_server_without_persistence(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(password="", settings={"save": "", "appendonly": "no"})

    advice = await advise(open_client(server.url), RULES)

    assert {"no-password", "no-persistence", "maxmemory-unset"} <= {
        each.rule.id for each in advice.recommendations
    }


async def test_a_replica_that_lost_its_primary(start_valkey: StartValkey, open_client: OpenClient) -> None:
    primary = await start_valkey()
    replica = await start_valkey(replica_of=primary)
    primary.kill()

    advice = await advise(open_client(replica.url), RULES)

    assert advice.recommendations[0].rule.id in {"replica-link-down", "unprotected"}
    assert "replica-link-down" in [each.rule.id for each in advice.recommendations]


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert in_words(size) == words
