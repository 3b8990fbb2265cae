"""What a keyspace of a million costs: the first page, the service's memory, and the server's other clients.

A million keys and a thousand are in numbered databases of their own, registered for the time of the measurement. The
other client is a process of its own, on a bare socket: one GET every half millisecond, so that it finds the server in
whatever state it is in. (One that sends the next GET when it has the last answer asks less often while the server is
busy, and so sees less of it.) `python -m benchmarks.redis_guard redis://…` is that client.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx

from benchmarks.bare_redis import BareRedis
from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio

LARGE, SMALL = 1_000_000, 1_000
NUMBERS = {LARGE: 15, SMALL: 14}
"""The numbered databases."""
FIRST_PAGES = 200
"""Requests whose median is one sample."""
PAGE = 1000
LOOK_EVERY = 20
"""Pages between two looks at the service's memory."""
PAUSE_S = 0.000_5
"""Of the other client, between an answer and the next GET."""
SHARE = 0.99
TIMEOUT_S = 600.0


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures; the keys are gone afterwards."""
    base = f"http://{stack.target.host}:{stack.target.port}"
    headers = {"authorization": f"Bearer {stack.target.token}"}
    async with (
        httpx.AsyncClient(base_url=base, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http,
        _databases(stack, http) as ids,
    ):
        pages: dict[int, list[float]] = defaultdict(list)
        for _ in range(rounds):
            for size, database_id in ids.items():
                pages[size].append(await _first_page_ms(http, database_id))
        large = Figure(f"first page of 100 keys, {LARGE:,} keys", pages[LARGE], "ms")
        small = Figure(f"first page of 100 keys, {SMALL:,} keys", pages[SMALL], "ms")
        yield small
        yield large
        yield ratio(f"  {LARGE:,} / {SMALL:,}", large, small, "<= 2.0")

        yield Figure(
            f"redis_svc: memory that paging through {LARGE:,} keys adds",
            [await _growth_mb(stack, http, ids[LARGE])],
            "MB",
            "< 20",
        )

        url = f"{stack.engines['redis']}/{NUMBERS[LARGE]}"
        idle: list[float] = []
        beside: list[float] = []
        for _ in range(rounds):
            idle.append(await _other_client(url, seconds))
            async with _analysis(http, ids[LARGE]) as lines:
                await anext(lines)
                reading = asyncio.create_task(_read(lines))
                beside.append(await _other_client(url, seconds))
                reading.cancel()
                await asyncio.wait([reading])
        alone = Figure("another client's GET, 99th percentile, alone", idle, "us")
        disturbed = Figure(f"  while {LARGE:,} keys are analysed", beside, "us")
        yield alone
        yield disturbed
        yield ratio("  analysed / alone", disturbed, alone, "<= 2.0")

        async with _analysis(http, ids[LARGE]) as lines:
            last = json.loads(await _read(lines))
        if last["analyzed"] != LARGE or not last["done"]:
            raise RuntimeError(f"the analysis ended with {last['analyzed']} keys")
        yield Figure(f"memory analysis of {LARGE:,} keys", [LARGE / last["elapsed_ms"] * 1000], "keys/s")


@asynccontextmanager
async def _databases(stack: Stack, http: httpx.AsyncClient) -> AsyncIterator[dict[int, str]]:
    """The filled databases' ids, by the number of keys."""
    ids: dict[int, str] = {}
    servers: list[BareRedis] = []
    try:
        for size, number in NUMBERS.items():
            url = f"{stack.engines['redis']}/{number}"
            bare = BareRedis(stack.engines["redis"])
            servers.append(bare)
            bare.ask([("SELECT", number)])
            bare.fill(size)
            body = {
                "projectRef": "default",
                "name": f"guard-{size}",
                "type": "redis",
                "connectionString": url,
            }
            answer = await http.post("/api/platform/databases", json=body)
            answer.raise_for_status()
            ids[size] = answer.json()["id"]
        yield ids
    finally:
        for database_id in ids.values():
            await http.delete(f"/api/platform/databases/{database_id}")
        for bare in servers:
            bare.ask([("FLUSHDB", "ASYNC")])
            bare.close()


async def _page(http: httpx.AsyncClient, database_id: str, count: int, cursor: str = "") -> str:
    """One page of keys with all that is told of each; returns the next cursor."""
    answer = await http.get(f"/api/platform/redis/{database_id}/keys?count={count}&cursor={quote(cursor)}")
    answer.raise_for_status()
    return str(answer.json()["cursor"])


async def _first_page_ms(http: httpx.AsyncClient, database_id: str) -> float:
    times = []
    for _ in range(FIRST_PAGES):
        started = time.perf_counter()
        await _page(http, database_id, 100)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


async def _growth_mb(stack: Stack, http: httpx.AsyncClient, database_id: str) -> float:
    """How much larger the service was at most, while every key was listed, than before."""
    before = most = stack.resident_mb("redis_svc")
    cursor, number = "", 0
    while True:
        cursor = await _page(http, database_id, PAGE, cursor)
        number += 1
        if number % LOOK_EVERY == 0 or not cursor:
            most = max(most, stack.resident_mb("redis_svc"))
        if not cursor:
            return most - before


@asynccontextmanager
async def _analysis(http: httpx.AsyncClient, database_id: str) -> AsyncIterator[AsyncIterator[str]]:
    """The events of an analysis, as text."""
    async with http.stream("GET", f"/api/platform/redis/{database_id}/analysis") as answer:
        answer.raise_for_status()

        async def events() -> AsyncIterator[str]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield line.removeprefix("data: ")

        yield events()


async def _read(events: AsyncIterator[str]) -> str:
    """The last event."""
    last = ""
    async for event in events:
        last = event
    return last


async def _other_client(url: str, seconds: float) -> float:
    """The 99th percentile of a second client's GET, in microseconds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, url, str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return float(out)


def main() -> None:
    """Is the other client."""
    url, seconds = sys.argv[1:]
    bare = BareRedis(url)
    bare.ask([("SET", "guard:value", "x" * 100)])
    get = ("GET", "guard:value")
    times = []
    end = time.perf_counter() + float(seconds)
    while (started := time.perf_counter()) < end:
        bare.ask([get])
        times.append(time.perf_counter() - started)
        time.sleep(PAUSE_S)
    times.sort()
    print(times[int(len(times) * SHARE)] * 1e6)


if __name__ == "__main__":
    main()
