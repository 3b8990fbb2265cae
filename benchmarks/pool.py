"""What the pool's hit path costs: a lease of a client that is open, against a look into a plain dictionary."""

from __future__ import annotations

import time

from benchmarks.table import Figure, ratio
from services.runtime.pool import ClientPool

LEASES = 200_000
CLIENTS = 10


async def _open(spec: str) -> str:
    return spec


async def _close(client: str) -> None:
    del client


async def measure(rounds: int) -> list[Figure]:
    """Nanoseconds a lease and a look-up, and their ratio; both loops do the same besides."""
    pool: ClientPool[str, str] = ClientPool(name="bench", create=_open, close=_close, max_clients=CLIENTS)
    keys = [f"client-{number}" for number in range(CLIENTS)]
    plain = {key: await _open(key) for key in keys}
    turns = keys * (LEASES // CLIENTS)
    leases, lookups = [], []
    for _ in range(rounds + 1):  # the first one opens the clients and is left out
        started = time.perf_counter()
        for key in turns:
            async with pool.lease(key, key, "1"):
                pass
        leases.append((time.perf_counter() - started) / LEASES * 1e9)
        started = time.perf_counter()
        for key in turns:
            plain[key]
        lookups.append((time.perf_counter() - started) / LEASES * 1e9)
    await pool.aclose()
    leased = Figure("pool: a lease of an open client", leases[1:], "ns")
    looked = Figure("a plain dictionary's look-up", lookups[1:], "ns")
    return [leased, looked, ratio("  lease / look-up", leased, looked)]
