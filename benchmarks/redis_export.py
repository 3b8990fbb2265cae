"""What exporting keys costs, against a bare loop that scans and dumps them.

Run alone with `python -m benchmarks.redis_export redis://host:port [keys]`, it measures inside the service, without
gRPC and the gateway: where a change to the export made it slower, this shows it with less noise than the whole system.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time

import uvloop

from benchmarks.bare_redis import BareRedis, Command
from benchmarks.http_load import Target
from services.redis_svc.bulk.bounds import BOUNDS
from services.redis_svc.bulk.export import export
from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.selection import Selection
from services.redis_svc.client import RedisClient
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.url import parse
from services.runtime.addresses import AddressPolicy

ROUNDS = 3
TAIL = 4096
_SUMMARY = re.compile(rb'"summary":\{.*"succeeded":([0-9]+)')


def dump_all(bare: BareRedis) -> int:
    """SCAN, then DUMP and PTTL of each key, in the steps that the service takes; returns how many keys there are."""
    cursor, dumped = b"0", 0
    while True:
        cursor, keys = bare.scan(cursor, BOUNDS.step)
        commands: list[Command] = []
        for key in keys:
            commands += (("DUMP", key), ("PTTL", key))
        if commands:
            bare.ask(commands)
        dumped += len(keys)
        if cursor == b"0":
            return dumped


async def export_all(target: Target, database_id: str) -> int:
    """Exports every key through the gateway; returns how many there were.

    Reads as little of the answer as shows its end: the machine that is measured reads it, too.

    Raises:
        RuntimeError: the export failed.
    """
    body = b'{"selection":{"pattern":{"value":"*"}}}'
    head = (
        f"POST /api/platform/redis/{database_id}/export HTTP/1.1\r\nhost: {target.host}\r\n"
        f"authorization: Bearer {target.token}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(target.host, target.port)
    writer.write(head.encode() + body)
    tail = b""
    async with asyncio.timeout(600):
        while read := await reader.read(1 << 18):
            tail = read if len(read) > TAIL else (tail + read)[-TAIL:]
    writer.close()
    found = _SUMMARY.search(tail)
    if found is None:
        raise RuntimeError(f"the export failed: {tail[-500:]!r}")
    return int(found[1])


async def _inside(client: RedisClient, format_: str) -> int:
    async def nothing() -> None: ...

    job = Job("bench", client, Selection(pattern=b"*"), "", BOUNDS, nothing)
    async with contextlib.aclosing(export(job, format_)) as chunks:
        async for _ in chunks:
            pass
    return job.counts.succeeded


async def measure(url: str, keys: int) -> None:
    """Prints keys a second, and the ratio to the bare loop of the same round."""
    bare = BareRedis(url)
    bare.fill(keys)
    client = RedisClient(parse(url), AddressPolicy(), DEFAULTS)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        dump_all(bare)
        bare_s = time.perf_counter() - started
        print(f"bare loop {keys / bare_s:12,.0f} keys/s")
        for format_ in ("dump", "readable"):
            started = time.perf_counter()
            exported = await _inside(client, format_)
            took_s = time.perf_counter() - started
            print(f"  {format_:<20} {exported / took_s:12,.0f} keys/s, ratio {bare_s / took_s:.2f}")
    await client.aclose()
    bare.close()


def main() -> None:
    """Measures on the Redis that is named."""
    url, *numbers = sys.argv[1:]
    uvloop.run(measure(url, int(numbers[0]) if numbers else 200_000))


if __name__ == "__main__":
    main()
