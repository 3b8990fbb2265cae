"""`make bench`: starts the system, measures, prints the table.

Each round measures every figure once, so that a ratio compares what was taken within the same seconds. The machine's
noise shows in minimum and maximum; quote the median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import quote

import uvloop

from benchmarks import (
    access,
    bun,
    first_page,
    mongo,
    mongo_export,
    pg_meta,
    pool,
    redis_guard,
    redis_scrolling,
    registry,
    scale,
    tracing,
)
from benchmarks.bare_redis import BareRedis
from benchmarks.http_load import Client, Target, closed_loop, connect
from benchmarks.redis_export import dump_all, export_all
from benchmarks.stack import Stack, running
from benchmarks.table import Figure, header, ratio

CONNECTIONS = 16
KEYS = 200_000
PAGE = 2000
PART_S = 600
"""Seconds that a part may take."""

_CURSOR = re.compile(rb'"cursor":"(\d*)"')


async def list_all(client: Client, target: Target, database_id: str) -> int:
    """Lists every key with type, TTL and memory through the gateway; returns how many there are."""
    cursor, listed = "", 0
    while True:
        path = f"/api/platform/redis/{database_id}/keys?count={PAGE}&read_mask=type,ttl_ms,memory_bytes"
        answer = await client.ask(target.get(f"{path}&cursor={quote(cursor)}"))
        found = _CURSOR.search(answer, len(answer) - 200)
        if found is None:
            raise RuntimeError(f"no page of keys: {answer[:300]!r}")
        listed += answer.count(b'"ttl_ms":')
        cursor = found[1].decode()
        if not cursor:
            return listed


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """No-op rpc, Redis get, keys and memory."""
    target = stack.target
    client = await connect(target)
    listed = await client.ask(target.get("/api/platform/databases?type=redis"))
    database_id = json.loads(listed.partition(b"\r\n\r\n")[2])[0]["id"]
    bare = BareRedis(stack.engines["redis"])
    services = ("registry", "redis_svc", "mongo_svc", "bun_proxy", "gateway")
    names = (*services, "postgres", "redis", "mongodb", "bun", "pg_meta")
    idle = [Figure(f"resident memory, idle: {name}", [stack.resident_mb(name)], "MB") for name in names]

    bare.ask([("SET", "bench:value", "x" * 100)])
    bare.fill(KEYS)
    noop = target.get("/api/platform/redis/status")
    get = target.get(f"/api/platform/redis/{database_id}/get?key=bench:value")
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, request in (("noop", noop), ("get", get)):
            rate = await closed_loop(target, request, connections=CONNECTIONS, seconds=seconds)
            samples[name].append(rate)
        started = time.perf_counter()
        count = bare.list_all(PAGE)
        samples["bare"].append(count / (time.perf_counter() - started))
        started = time.perf_counter()
        count = await list_all(client, target, database_id)
        samples["listing"].append(count / (time.perf_counter() - started))
        started = time.perf_counter()
        count = dump_all(bare)
        samples["dumping"].append(count / (time.perf_counter() - started))
        started = time.perf_counter()
        count = await export_all(target, database_id)
        samples["export"].append(count / (time.perf_counter() - started))
    client.close()
    bare.close()

    figures = {
        "noop": Figure(
            f"no-op rpc through the gateway, {CONNECTIONS} connections", samples["noop"], "calls/s"
        ),
        "get": Figure(f"Redis get through the gateway, {CONNECTIONS} connections", samples["get"], "calls/s"),
        "bare": Figure(f"bare hiredis loop, {KEYS:,} keys: type, TTL, memory", samples["bare"], "keys/s"),
        "dumping": Figure(f"bare hiredis loop, {KEYS:,} keys: DUMP, TTL", samples["dumping"], "keys/s"),
        "export": Figure("export through the gateway, `dump`", samples["export"], "keys/s"),
        "listing": Figure(f"listing through the gateway, pages of {PAGE:,}", samples["listing"], "keys/s"),
    }
    yield figures["noop"]
    yield figures["get"]
    yield ratio("  get / no-op", figures["get"], figures["noop"], ">= 0.70")
    yield figures["bare"]
    yield figures["listing"]
    yield ratio("  listing / bare loop", figures["listing"], figures["bare"], ">= 0.50")
    yield figures["dumping"]
    yield figures["export"]
    yield ratio("  export / bare loop", figures["export"], figures["dumping"], ">= 0.50")
    for figure in idle:
        yield figure
    yield Figure("resident memory, after the run: redis_svc", [stack.resident_mb("redis_svc")], "MB")


PARTS: dict[str, Callable[[Stack, int, float], AsyncIterator[Figure]]] = {
    "redis": measure,
    "access": access.measure,
    "mongo": mongo.measure,
    "mongo_export": lambda stack, *_: mongo_export.measure(stack),
    "bun": bun.measure,
    "pg_meta": pg_meta.measure,
    "registry": registry.measure,
    "redis_guard": redis_guard.measure,
    "redis_scrolling": redis_scrolling.measure,
    "tracing": tracing.measure,
    "scale": scale.measure,
    "first_page": first_page.measure,
}
"""What needs the running system."""


def main() -> None:
    """Runs the benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times each figure is taken")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one load")
    parser.add_argument("--only", choices=tuple(PARTS), action="append", help="one part; may be repeated")
    options = parser.parse_args()
    with running() as stack:
        print(header(), flush=True)
        failed = uvloop.run(_measured(stack, options.only or tuple(PARTS), options.rounds, options.seconds))
    if not options.only:
        for figure in uvloop.run(pool.measure(options.rounds)):
            print(figure.line(), flush=True)
    if failed:
        sys.exit(f"not measured, see above: {', '.join(failed)}")


async def _measured(stack: Stack, parts: Sequence[str], rounds: int, seconds: float) -> list[str]:
    """Prints each figure as soon as it is there; returns the parts that failed, which keep no other from its turn."""
    failed = []
    for part in parts:
        try:
            async with asyncio.timeout(PART_S):
                async for figure in PARTS[part](stack, rounds, seconds):
                    print(figure.line(), flush=True)
        except Exception:  # noqa: BLE001  whatever it was: the others are worth their figures
            traceback.print_exc()
            failed.append(part)
    return failed


if __name__ == "__main__":
    main()
