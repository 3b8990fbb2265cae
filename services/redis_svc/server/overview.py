"""The server at a glance: INFO's figures, and how they changed since the last look.

On a Cluster numbers are sums over the masters. https://redis.io/docs/latest/commands/info/ explains the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.redis_svc.client import RedisClient
from services.redis_svc.server.facts import KEYSPACE, UNKNOWN, Facts, as_number, read_facts
from services.redis_svc.server.nodes import Node, ask_all, nodes_of
from services.runtime.rates import Growth, Rates

KIB = 1024
"""INFO's kbps are kilobytes of so many bytes."""
_COUNTERS = ("evicted_keys", "expired_keys", "used_cpu_sys", "used_cpu_user")


@dataclass(slots=True)
class Keyspace:
    """A numbered database."""

    number: int
    keys: float = 0.0
    expires: float = 0.0
    average_ttl_ms: float = 0.0


@dataclass(slots=True)
class Overview:
    """One or several servers; a number that they don't tell is -1."""

    version: str = ""
    flavor: str = ""
    mode: str = ""
    role: str = ""
    eviction_policy: str = ""
    last_save_status: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    """By field of GetOverviewResponse."""
    databases: list[Keyspace] = field(default_factory=list)
    nodes: int = 1


# Field of the answer -> INFO's figure and what to multiply it by.
_SUMS = {
    "connected_clients": ("connected_clients", 1),
    "used_memory_bytes": ("used_memory", 1),
    "max_memory_bytes": ("maxmemory", 1),
    "peak_memory_bytes": ("used_memory_peak", 1),
    "resident_memory_bytes": ("used_memory_rss", 1),
    "max_clients": ("maxclients", 1),
    "blocked_clients": ("blocked_clients", 1),
    "commands_per_s": ("instantaneous_ops_per_sec", 1),
    "input_bytes_per_s": ("instantaneous_input_kbps", KIB),
    "output_bytes_per_s": ("instantaneous_output_kbps", KIB),
    "replicas": ("connected_slaves", 1),
}


async def get_overview(client: RedisClient, rates: Rates, database_id: str) -> Overview:
    """What a database's servers say.

    Args:
        client: the database.
        rates: the looks before.
        database_id: which of them are this database's.

    Raises:
        StudioError: DB_PERMISSION_DENIED when the user may not ask for INFO; …
    """
    nodes = await nodes_of(client)

    async def ask(node: Node) -> tuple[Facts, Growth]:
        facts = await read_facts(node.link)
        counters = {name: value for name in _COUNTERS if (value := facts.number(name)) is not None}
        return facts, rates.look((database_id, node.name), facts.text("run_id"), counters)

    answers = await ask_all(nodes, ask)
    return combine([facts for facts, _ in answers], [growth for _, growth in answers])


def combine(servers: Sequence[Facts], growths: Sequence[Growth]) -> Overview:
    """One overview of some servers: at least one."""
    first = servers[0]
    overview = Overview(
        version=first.text("valkey_version") or first.text("redis_version"),
        flavor=flavor_of(first),
        mode=first.text("redis_mode") or first.text("server_mode"),
        role={"slave": "replica"}.get(first.text("role"), first.text("role")),
        eviction_policy=first.text("maxmemory_policy"),
        last_save_status=_worst(each.text("rdb_last_bgsave_status") for each in servers),
        databases=keyspaces(servers),
        nodes=len(servers),
    )
    numbers = overview.numbers
    for field_, (name, factor) in _SUMS.items():
        total = _sum(each.number(name) for each in servers)
        numbers[field_] = total * factor if total >= 0 else UNKNOWN
    if any(each.number("maxmemory") == 0 for each in servers):
        numbers["max_memory_bytes"] = 0  # one without a limit makes that the whole has none
    numbers["uptime_s"] = min(each.number_or("uptime_in_seconds") for each in servers)
    known = any(KEYSPACE in each.sections for each in servers)
    numbers["keys"] = sum(each.keys for each in overview.databases) if known else UNKNOWN
    numbers["expiring_keys"] = sum(each.expires for each in overview.databases) if known else UNKNOWN
    numbers["hit_ratio"] = hit_ratio(servers)
    numbers["fragmentation_ratio"] = max(each.number_or("mem_fragmentation_ratio") for each in servers)
    for field_, name in (("evicted_keys_per_s", "evicted_keys"), ("expired_keys_per_s", "expired_keys")):
        numbers[field_] = _sum(_known(growth.of(name)) for growth in growths)
    numbers["cpu_ratio"] = _sum(
        _known(growth.of(name)) for growth in growths for name in ("used_cpu_sys", "used_cpu_user")
    )
    numbers["interval_s"] = max(growth.interval_s for growth in growths)
    return overview


def flavor_of(facts: Facts) -> str:
    """`valkey`, or `redis` where nothing says otherwise."""
    return "valkey" if facts.text("valkey_version") or facts.text("server_name") == "valkey" else "redis"


def hit_ratio(servers: Iterable[Facts]) -> float:
    """The part of look-ups that found a key; -1 where there were none."""
    hits = misses = 0.0
    for each in servers:
        hits += each.number_or("keyspace_hits", 0)
        misses += each.number_or("keyspace_misses", 0)
    return hits / (hits + misses) if hits + misses else UNKNOWN


def keyspaces(servers: Iterable[Facts]) -> list[Keyspace]:
    """The numbered databases that hold keys, by number, summed over servers."""
    found: dict[int, Keyspace] = {}
    for each in servers:
        for name, row in each.rows(KEYSPACE, "db").items():
            if not name.isdecimal():
                continue
            known = found.setdefault(int(name), Keyspace(int(name)))
            keys, expires, ttl = (as_number(row.get(key)) or 0.0 for key in ("keys", "expires", "avg_ttl"))
            if known.expires + expires:
                sum_ttl = known.average_ttl_ms * known.expires + ttl * expires
                known.average_ttl_ms = sum_ttl / (known.expires + expires)
            known.keys += keys
            known.expires += expires
    return [found[number] for number in sorted(found)]


def _sum(numbers: Iterable[float | None]) -> float:
    """Of those that are known; -1 where none is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else UNKNOWN


def _known(number: float) -> float | None:
    return None if number == UNKNOWN else number


def _worst(words: Iterable[str]) -> str:
    known = [word for word in words if word]
    return next((word for word in known if word != "ok"), known[0] if known else "")
