"""What moving much data as files costs: speed, and how much memory the gateway and the service grow by.

Run alone: `python -m benchmarks.mongo_transfer [MB [kind …]]` writes so many megabytes of documents by an import,
exports them again in every format, and stores and fetches a file of that size; or does only what is named. What is
measured is the growth of resident memory over what each process had before: flat means that it does not depend on how
much is moved.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import httpx
import uvloop

from benchmarks.stack import Stack, running
from benchmarks.table import Figure, header

MB = 1_000_000
DEFAULT_MB = 64
PROCESSES = ("gateway", "mongo_svc")
SAMPLE_S = 0.05
TIMEOUT_S = 3600

_LINE = b'{"name":"customer %d","at":{"$date":"2024-05-01T10:00:00Z"},"total":%d.25,"tags":["a","b"],"note":"%s"}\n'
_NOTE = b"x" * 150
_BATCH = 500
_PIECE = bytes(MB)


@dataclass
class Growth:
    """Watches the resident memory of processes while something runs."""

    stack: Stack
    names: Sequence[str] = PROCESSES
    """The processes."""

    async def of(self, work: Awaitable[int]) -> tuple[float, dict[str, float]]:
        """MB/s of the work, which returns bytes, and by how many MB each process grew at most."""
        before = {name: self.stack.resident_mb(name) for name in self.names}
        most = dict(before)
        task = asyncio.ensure_future(work)
        started = time.perf_counter()
        while not task.done():
            await asyncio.wait([task], timeout=SAMPLE_S)
            for name in self.names:
                most[name] = max(most[name], self.stack.resident_mb(name))
        took_s = time.perf_counter() - started
        return task.result() / MB / took_s, {name: most[name] - before[name] for name in self.names}


async def _lines(size: int) -> AsyncIterator[bytes]:
    sent = number = 0
    while sent < size:
        batch = b"".join(_LINE % (each, each, _NOTE) for each in range(number, number + _BATCH))
        number += _BATCH
        sent += len(batch)
        yield batch


async def _zeros(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // MB):
        yield _PIECE


Answer = AbstractAsyncContextManager[httpx.Response]


async def _read(asked: Answer) -> tuple[int, bytes]:
    """Bytes of an answer, and its end."""
    size, tail = 0, b""
    async with asked as answer:
        async for piece in answer.aiter_raw():
            size += len(piece)
            tail = (tail + piece)[-1000:]
        if not answer.is_success:
            raise RuntimeError(f"{answer.status_code}: {tail!r}")
    return size, tail


async def _import(http: httpx.AsyncClient, base: str, size: int) -> int:
    query = {"collection": "transfer", "format": "ndjson", "databaseName": "bench"}
    _, tail = await _read(http.stream("POST", f"{base}/import", params=query, content=_lines(size)))
    if b'"done":true' not in tail:
        raise RuntimeError(f"the import failed: {tail!r}")
    return size


async def _export(http: httpx.AsyncClient, base: str, format_: str) -> int:
    body = {"collection": "transfer", "format": format_, "databaseName": "bench"}
    return (await _read(http.stream("POST", f"{base}/export", json=body)))[0]


async def _upload(http: httpx.AsyncClient, base: str, size: int) -> int:
    query = {"filename": "zeros", "id": "1", "databaseName": "bench"}
    await _read(http.stream("POST", f"{base}/gridfs/upload", params=query, content=_zeros(size)))
    return size


async def _download(http: httpx.AsyncClient, base: str) -> int:
    query = {"id": "1", "databaseName": "bench"}
    return (await _read(http.stream("GET", f"{base}/gridfs/download", params=query)))[0]


async def measure(stack: Stack, size: int, kinds: Sequence[str] = ()) -> list[Figure]:
    """Speed and growth of each kind of work, or of those that are named."""
    target = stack.target
    headers = {"authorization": f"Bearer {target.token}", "accept-encoding": "identity"}
    address = f"http://{target.host}:{target.port}"
    figures = []
    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=TIMEOUT_S, trust_env=False
    ) as http:
        listed = json.loads((await http.get("/api/platform/databases", params={"type": "mongodb"})).text)
        base = f"/api/platform/mongodb/{listed[0]['id']}"
        work: list[tuple[str, Callable[[], Awaitable[int]]]] = [
            ("import", lambda: _import(http, base, size)),
            *(
                (f"export-{each}", lambda each=each: _export(http, base, each))
                for each in ("bson", "ndjson", "json", "csv")
            ),
            ("upload", lambda: _upload(http, base, size)),
            ("download", lambda: _download(http, base)),
        ]
        for name, begin in work:
            if kinds and name not in kinds:
                continue
            speed, growth = await Growth(stack).of(begin())
            figures.append(Figure(name, [speed], "MB/s"))
            figures += [Figure(f"  growth of {each}", [growth[each]], "MB") for each in PROCESSES]
    return figures


def main() -> None:
    """Measures with as many megabytes as asked for."""
    size = (int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MB) * MB
    with running() as stack:
        figures = uvloop.run(measure(stack, size, sys.argv[2:]))
    print(header())
    for figure in figures:
        print(figure.line())


if __name__ == "__main__":
    main()
