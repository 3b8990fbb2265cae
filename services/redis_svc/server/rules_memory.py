"""Rules about memory. https://redis.io/docs/latest/commands/info/ says what each figure means."""

from __future__ import annotations

from services.redis_svc.server.advice import MIB, Rule, Server, Severity, in_words

_EVICTION = "https://redis.io/docs/latest/develop/reference/eviction/"
_MEMORY = "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/memory-optimization/"
_INFO = "https://redis.io/docs/latest/commands/info/"

NEARLY_FULL = 0.9
MOST_OF_THE_HOST = 0.6
FRAGMENTED = 1.5
FRAGMENTED_BYTES = 100 * MIB
SWAPPED = 0.9
SWAPPED_FROM_BYTES = 50 * MIB
OVERHEAD = 0.6
OVERHEAD_FROM_BYTES = 100 * MIB
SCRIPTS = 1000
SCRIPT_BYTES = 100 * MIB
BUFFER_BYTES = 64 * MIB
BUFFER_SHARE = 0.1


def _no_limit(server: Server) -> str | None:
    if server.number("maxmemory"):
        return None
    used = in_words(server.number("used_memory"))
    return f"maxmemory is 0: the server takes memory without limit, {used} by now, until the system ends it."


def _most_of_host(server: Server) -> str | None:
    rss, host = server.number("used_memory_rss"), server.number("total_system_memory")
    if not host or rss / host < MOST_OF_THE_HOST:
        return None
    return f"Its process takes {in_words(rss)} of the host's {in_words(host)}: the copy that saving makes may not fit."


def _nearly_full(server: Server) -> str | None:
    used, limit = server.number("used_memory"), server.number("maxmemory")
    if not limit or used / limit < NEARLY_FULL or server.text("maxmemory_policy") != "noeviction":
        return None
    return (
        f"{in_words(used)} of {in_words(limit)} are used ({used / limit:.0%}), "
        "and with `noeviction` writes fail when it is full."
    )


def _nothing_to_evict(server: Server) -> str | None:
    policy = server.text("maxmemory_policy")
    rows = server.facts.rows("keyspace", "db")
    if not server.number("maxmemory") or not policy.startswith("volatile") or not rows:
        return None
    if any(row.get("expires") for row in rows.values()):
        return None
    return f"The policy is {policy}, which evicts keys with an expiry, and no key has one: in the end writes fail."


def _evictions(server: Server) -> str | None:
    evicted = server.number("evicted_keys")
    if not evicted:
        return None
    return (
        f"{evicted:,.0f} keys were evicted since its start, to make room: what callers stored is gone early."
    )


def _fragmented(server: Server) -> str | None:
    ratio, waste = server.number("mem_fragmentation_ratio"), server.number("mem_fragmentation_bytes")
    if ratio < FRAGMENTED or waste < FRAGMENTED_BYTES:
        return None
    return (
        f"The process takes {ratio:.2f} times the memory in use: {in_words(waste)} are lost between the data."
    )


def _swapped(server: Server) -> str | None:
    used, rss = server.number("used_memory"), server.number("used_memory_rss")
    if used < SWAPPED_FROM_BYTES or rss >= used * SWAPPED:
        return None
    return f"{in_words(used)} are in use, {in_words(rss)} of them in memory: the system has moved the rest to disk."


def _overhead(server: Server) -> str | None:
    used, overhead = server.number("used_memory"), server.number("used_memory_overhead")
    if used < OVERHEAD_FROM_BYTES or overhead / used < OVERHEAD:
        return None
    return f"{overhead / used:.0%} of the memory, {in_words(overhead)}, is administration: there are many small keys."


def _scripts(server: Server) -> str | None:
    memory, count = server.number("used_memory_lua"), server.number("number_of_cached_scripts")
    if count < SCRIPTS and memory < SCRIPT_BYTES:
        return None
    return f"{count:,.0f} scripts are cached, Lua takes {in_words(memory)}: scripts seem to be made for each call."


def _buffers(server: Server) -> str | None:
    buffers, used = server.number("mem_clients_normal"), server.number("used_memory")
    if buffers < BUFFER_BYTES or buffers < used * BUFFER_SHARE:
        return None
    return f"The buffers of clients take {in_words(buffers)}: some ask for large replies, or read them too slowly."


RULES = (
    Rule(
        "maxmemory-unset",
        Severity.MEDIUM,
        "Set maxmemory and a policy for when it is reached.",
        _EVICTION,
        _no_limit,
    ),
    Rule("memory-of-host", Severity.HIGH, "Give the host more memory, or hold less.", _MEMORY, _most_of_host),
    Rule(
        "memory-nearly-full",
        Severity.HIGH,
        "Raise maxmemory, or choose an eviction policy.",
        _EVICTION,
        _nearly_full,
    ),
    Rule(
        "nothing-to-evict",
        Severity.HIGH,
        "Give keys an expiry, or choose an allkeys policy.",
        _EVICTION,
        _nothing_to_evict,
    ),
    Rule("evictions", Severity.MEDIUM, "Raise maxmemory, or hold less.", _EVICTION, _evictions),
    Rule(
        "fragmentation",
        Severity.MEDIUM,
        "Switch activedefrag on, or restart the server.",
        _MEMORY,
        _fragmented,
    ),
    Rule(
        "swapped",
        Severity.HIGH,
        "Give the host more memory: every access may have to wait for the disk.",
        _INFO,
        _swapped,
    ),
    Rule("overhead", Severity.LOW, "Keep small values together in hashes.", _MEMORY, _overhead),
    Rule(
        "scripts",
        Severity.MEDIUM,
        "Pass what changes to scripts as arguments.",
        "https://redis.io/docs/latest/develop/programmability/eval-intro/",
        _scripts,
    ),
    Rule(
        "client-buffers",
        Severity.MEDIUM,
        "Ask for large values in pages, and limit the buffers.",
        "https://redis.io/docs/latest/develop/reference/clients/#output-buffer-limits",
        _buffers,
    ),
)
"""In the order in which equally severe ones are shown."""
