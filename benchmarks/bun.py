"""What forwarding costs: a small answer against the no-op rpc, a long one against a bare stream of the same API."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator

import httpx

from benchmarks.http_load import Target, closed_loop, connect
from benchmarks.mongo_transfer import Growth
from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio
from deploy.local.engines.bun import KEY

CONNECTIONS = 16
MB = 1_000_000
LONG_MB = 1000


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures of Bun APIs."""
    target = stack.target
    base = f"/api/platform/bun/{await _database(target)}/proxy"
    key = {"authorization": f"Bearer {stack.system.state.secret(KEY)}"}
    token = {"authorization": f"Bearer {target.token}"}
    route = f"/bytes?n={LONG_MB * MB}"
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, path in (("noop", "/api/platform/bun/status"), ("get", f"{base}/books/1")):
            samples[name].append(
                await closed_loop(target, target.get(path), connections=CONNECTIONS, seconds=seconds)
            )
        samples["bare"].append(await _speed(f"{stack.engines['bun']}{route}", key))
        speed, growth = await Growth(stack, ("bun_proxy", "gateway")).of(
            _length(f"http://{target.host}:{target.port}{base}{route}", token)
        )
        samples["long"].append(speed)
        samples["growth"].append(growth["bun_proxy"])
    noop = Figure(f"no-op rpc of bun_proxy, {CONNECTIONS} connections", samples["noop"], "calls/s")
    get = Figure(f"small GET forwarded, {CONNECTIONS} connections", samples["get"], "calls/s")
    bare = Figure(f"bare httpx stream, {LONG_MB:,} MB", samples["bare"], "MB/s")
    long = Figure(f"the same forwarded, {LONG_MB:,} MB", samples["long"], "MB/s")
    yield noop
    yield get
    yield ratio("  small GET / no-op", get, noop, ">= 0.50")
    yield bare
    yield long
    yield ratio("  forwarded / bare stream", long, bare, ">= 0.30")
    yield Figure("  growth of bun_proxy meanwhile", samples["growth"], "MB", "< 30")


async def _database(target: Target) -> str:
    client = await connect(target)
    listed = await client.ask(target.get("/api/platform/databases?type=bun_api"))
    client.close()
    return str(json.loads(listed.partition(b"\r\n\r\n")[2])[0]["id"])


async def _length(url: str, headers: dict[str, str]) -> int:
    size = 0
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        async for piece in answer.aiter_raw():
            size += len(piece)
    if size != LONG_MB * MB:
        raise RuntimeError(f"{size} bytes came of {LONG_MB} MB")
    return size


async def _speed(url: str, headers: dict[str, str]) -> float:
    started = time.perf_counter()
    return await _length(url, headers) / MB / (time.perf_counter() - started)
