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
from services.redis_svc.bulk.lines import (
    FORMAT_VERSION,
    Chunks,
    Json,
    dump_lines,
    key_fields,
    line,
    type_of_dump,
)
from services.redis_svc.bulk.readable import Piece, Readable
from services.redis_svc.bulk.reading import Entry, Refuse, dumps
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

    writing = Readable(job, refuse).lines() if format_ == READABLE else _dump_lines(job, refuse)
    async with contextlib.aclosing(writing) as pieces:
        async for batch, piece in pieces:
            chunks.add(piece)
            if batch is not None:
                job.finish(batch)
                if await job.is_due():
                    chunks.add(line({"progress": _told(job.progress())}))
                    for each in chunks.take():
                        yield each
            if chunks.full:
                for each in chunks.take():
                    yield each
    chunks.add(line({"summary": _told(job.progress(done=True))}))
    for each in chunks.take():
        yield each


def error_line(message: str, code: str, *, retryable: bool) -> bytes:
    """The last line of an export that can't go on."""
    return line({"error": {"message": message, "error_code": code, "retryable": retryable}})


async def _dump_lines(job: Job, refuse: Refuse) -> AsyncGenerator[Piece, None]:
    async with contextlib.aclosing(dumps(job, job.bounds.max_dump_bytes, refuse)) as dumped:
        async for source, values, ends in dumped:
            job.succeed(len(values))
            known = job.selection.type
            types = [known or type_of_dump(dump) for _, dump in values]
            if "" in types:  # a module's: its name is the server's to tell
                commands = [(b"TYPE", entry.name) for entry, _ in values]
                replies = await source.link.execute_many(commands)
                types = [reply.decode() if isinstance(reply, bytes) else "" for reply in replies]
            lines = dump_lines(
                (entry.name, type_, entry.ttl_ms, dump)
                for (entry, dump), type_ in zip(values, types, strict=True)
            )
            yield source.batch if ends else None, lines


def _told(progress: Progress) -> dict[str, Json]:
    counts: dict[str, Json] = asdict(progress.counts)
    del counts["memory_bytes"]
    if not progress.done:
        counts["resume"] = progress.resume
    return counts
