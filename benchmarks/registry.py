"""The registry through the gateway: a list of a thousand databases, one by its id, and many writers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator

import psycopg

from benchmarks.http_load import Target, closed_loop, connect
from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio

DATABASES = 1000
CONNECTIONS = 16
WRITERS = 32
PREFIX = "bench-"
PATH = "/api/platform/databases"

_FILL = """
INSERT INTO platform.databases (project_id, name, type, description, connection_string, host, port)
SELECT p.id, %(prefix)s || n, 'redis', 'Benchmark', 'sealed', 'redis-' || n || '.example.net', 6379
FROM platform.projects p, generate_series(1, %(count)s) n WHERE p.ref = 'default'
ON CONFLICT DO NOTHING
"""
_EMPTY = "DELETE FROM platform.databases WHERE name LIKE %(prefix)s || '%%'"


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures; a thousand databases are there while they are taken, and no longer."""
    with psycopg.connect(stack.engines["postgres"], autocommit=True) as db:
        db.execute(_FILL, {"prefix": PREFIX, "count": DATABASES})
        try:
            requests = await _requests(stack.target)
            samples: dict[str, list[float]] = defaultdict(list)
            for _ in range(rounds):
                for name, (request, connections) in requests.items():
                    rate = await closed_loop(stack.target, request, connections=connections, seconds=seconds)
                    samples[name].append(rate)
        finally:
            db.execute(_EMPTY, {"prefix": PREFIX})
    noop = Figure(f"no-op rpc beside the registry's, {CONNECTIONS} connections", samples["noop"], "calls/s")
    get = Figure(f"get a database by id, {CONNECTIONS} connections", samples["get"], "calls/s")
    listed = Figure(f"list {DATABASES:,} databases, {CONNECTIONS} connections", samples["list"], "calls/s")
    page = Figure(f"list a page of 100, {CONNECTIONS} connections", samples["page"], "calls/s")
    written = Figure(f"change a description, {WRITERS} writers", samples["write"], "calls/s")
    yield noop
    yield get
    yield ratio("  get a database / no-op", get, noop)
    yield page
    yield ratio("  list a page of 100 / no-op", page, noop)
    yield listed
    yield ratio(f"  list {DATABASES:,} / no-op", listed, noop)
    yield written
    yield ratio("  change / no-op", written, noop)


async def _requests(target: Target) -> dict[str, tuple[bytes | list[bytes], int]]:
    """What each figure asks, and on how many connections."""
    client = await connect(target)
    listing = target.get(f"{PATH}?search={PREFIX}&page_size={DATABASES}")
    answer = await client.ask(listing)
    client.close()
    ids = [each["id"] for each in json.loads(answer.partition(b"\r\n\r\n")[2])]
    if len(ids) != DATABASES:
        raise RuntimeError(f"{len(ids)} databases are listed, not {DATABASES}: {answer[:300]!r}")
    change = json.dumps({"description": "Changed"}).encode()
    return {
        "noop": (target.get("/api/platform/redis/status"), CONNECTIONS),
        "get": (target.get(f"{PATH}/{ids[0]}"), CONNECTIONS),
        "page": (target.get(f"{PATH}?projectRef=default"), CONNECTIONS),
        "list": (target.get(f"{PATH}?page_size={DATABASES}"), CONNECTIONS),
        "write": ([target.request("PATCH", f"{PATH}/{id_}", change) for id_ in ids[:WRITERS]], WRITERS),
    }
