"""Exports keys as NDJSON: a header, a line a key (or several for a large value), and a summary.

Beside them stand lines about the export itself, each an object with one field: `export` first, `failure` where a key
could not be read, `progress` now and then, `summary` or `error` last. An interrupted export goes on from the `resume`
of its last `progress` line; what follows that line comes again.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import asdict

from services.redis_svc.bulk.job import Job
from services.redis_svc.bulk.lines import FORMAT_VERSION, Chunks, Json, dump_line, key_fields, line
from services.redis_svc.bulk.readable import Readable
from services.redis_svc.bulk.reading import Entry, Found, Refuse, dumps, found
from services.redis_svc.bulk.selection import Progress

DUMP, READABLE = "dump", "readable"


async def export(job: Job, format_: str) -> AsyncGenerator[bytes, None]:
    """The export, in pieces that may end anywhere in a line.

    Nothing comes before the first keys were read, so that a refusal can still be the answer itself.

    Args:
        job: which keys.
        format_: `dump` or `readable`.

    Raises:
        StudioError: the work can't go on; the caller writes `error_line`.
    """
    chunks = Chunks(job.bounds.chunk_bytes)
    chunks.add(line({"export": {"format": format_, "version": FORMAT_VERSION}}))

    def refuse(entry: Entry, why: str) -> None:
        job.fail(entry.name, why)
        chunks.add(line({"failure": {**key_fields(entry.name), "message": why}}))

    readable = Readable(job, refuse)
    async with contextlib.aclosing(found(job)) as sources:
        async for source in sources:
            job.begin(source.batch)
            writing = readable.lines(source) if format_ == READABLE else _dump_lines(job, source, refuse)
            async with contextlib.aclosing(writing) as pieces:
                async for piece in pieces:
                    chunks.add(piece)
                    if chunks.full:
                        for each in chunks.take():
                            yield each
            job.finish(source.batch)
            if await job.is_due():
                chunks.add(line({"progress": _told(job.progress())}))
                for each in chunks.take():
                    yield each
    chunks.add(line({"summary": _told(job.progress(done=True))}))
    for each in chunks.take():
        yield each


def error_line(message: str, code: str, *, retryable: bool) -> bytes:
    """The last line of an export that can't go on."""
    return line({"error": {"message": message, "error_code": code, "retryable": retryable}})


async def _dump_lines(job: Job, source: Found, refuse: Refuse) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(dumps(job, source, job.bounds.max_dump_bytes, refuse)) as dumped:
        async for group in dumped:
            job.succeed(len(group))
            yield b"".join(
                [dump_line(entry.name, entry.type, entry.ttl_ms, content) for entry, content in group]
            )


def _told(progress: Progress) -> dict[str, Json]:
    counts: dict[str, Json] = asdict(progress.counts)
    del counts["memory_bytes"]
    if not progress.done:
        counts["resume"] = progress.resume
    return counts
