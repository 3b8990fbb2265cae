"""Reads values in bounded writes, on connections of their own: what a large reply delays or ends is this work only."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from services.redis_svc.bulk.bounds import Bounds
from services.redis_svc.bulk.job import Job, about_key
from services.redis_svc.bulk.walk import Batch
from services.redis_svc.connection import Connection
from services.redis_svc.key_details import Keys, Lookup, Wanted
from services.redis_svc.limits import Limits
from services.redis_svc.link import Link, ServerLink, Started
from services.redis_svc.replies import Reply, ServerError
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with what is needed to read its value."""

    name: bytes
    """The key."""
    type: str
    """Its type; empty where the user may not ask."""
    ttl_ms: int
    """Milliseconds until it expires; -1 for never."""
    size: int
    """About how many bytes its value has."""


@dataclass(frozen=True, slots=True)
class Found:
    """A batch, its keys with what is known of them, and the connection to read them on."""

    batch: Batch
    """The batch."""
    link: ServerLink
    """A way to its server that nobody else uses."""
    entries: list[Entry]
    """The keys that still exist."""


async def found(job: Job) -> AsyncGenerator[Found, None]:
    """The selected keys with type, expiry and size, asked for one batch ahead."""
    lookup = Lookup(Wanted(length=False), job.selection.type, job.client.limits)
    async with contextlib.AsyncExitStack() as stack:
        own: dict[Link, ServerLink] = {}
        batches = await stack.enter_async_context(contextlib.aclosing(job.batches()))
        waiting: tuple[Batch, ServerLink, Started] | None = None
        async for batch in batches:
            link = own.get(batch.link)
            if link is None:
                link = await stack.enter_async_context(_own_link(batch.link, job.client.limits))
                own[batch.link] = link
            started = link.start(lookup.request(batch.names), lookup.width * len(batch.names))
            before, waiting = waiting, (batch, link, started)
            if before is not None:
                yield await _described(before, lookup, job.bounds)
        if waiting is not None:
            yield await _described(waiting, lookup, job.bounds)


async def _described(waiting: tuple[Batch, ServerLink, Started], lookup: Lookup, bounds: Bounds) -> Found:
    batch, link, started = waiting
    keys = lookup.keys(batch.names, await started.replies()) if batch.names else None
    return Found(batch, link, _entries(keys, bounds) if keys is not None else [])


def _entries(keys: Keys, bounds: Bounds) -> list[Entry]:
    return [
        Entry(name, type_, ttl_ms, size if size >= 0 else bounds.unknown_value_bytes)
        for name, type_, ttl_ms, size in zip(keys.names, keys.types, keys.ttls, keys.memory, strict=True)
    ]


@contextlib.asynccontextmanager
async def _own_link(link: Link, limits: Limits) -> AsyncIterator[ServerLink]:
    """A way to the same server that dials again when its connection is lost, as the shared one does."""
    current = contextlib.AsyncExitStack()

    async def dial() -> Connection:
        await current.aclose()  # at most one at a time
        return await current.enter_async_context(link.dedicated())

    own = ServerLink(dial, limits)
    try:
        yield own
    finally:
        await own.aclose()
        await current.aclose()


def groups(entries: Sequence[Entry], bounds: Bounds) -> Iterator[list[Entry]]:
    """The entries in groups whose values fit into one write; larger values alone."""
    group: list[Entry] = []
    size = 0
    for entry in entries:
        if group and size + entry.size > bounds.batch_bytes:
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.size
    if group:
        yield group


Refuse = Callable[[Entry, str], None]
"""Takes an entry that can't be read, and why."""


async def replies(
    job: Job, source: Found, entries: Sequence[Entry], ask: Callable[[Entry], bytes], refuse: Refuse
) -> AsyncGenerator[list[tuple[Entry, Reply]], None]:
    """The reply to one command about each entry, group by group; the next is asked for while one is worked on.

    Args:
        job: for its bounds.
        source: on which connection.
        entries: what to read.
        ask: the packed command about an entry.
        refuse: takes what can't be read.

    Raises:
        StudioError: the connection is lost and can't be made anew; what all keys would be answered.
    """
    ahead: tuple[list[Entry], Started] | None = None
    try:
        for group in groups(entries, job.bounds):
            started = source.link.start(b"".join(map(ask, group)), len(group))
            before, ahead = ahead, (group, started)
            if before is not None:
                yield await _answered(source, before, ask, refuse)
        if ahead is not None:
            yield await _answered(source, ahead, ask, refuse)
    finally:
        if ahead is not None:
            ahead[1].cancel()


async def dumps(
    job: Job, source: Found, max_bytes: int, refuse: Refuse
) -> AsyncGenerator[list[tuple[Entry, bytes]], None]:
    """DUMP of each entry, as `replies`.

    Args:
        job: for its bounds.
        source: what to read.
        max_bytes: of one DUMP; a larger one is refused.
        refuse: takes what can't be read.
    """
    limit = job.client.limits.max_reply_bytes
    allowed = []
    for entry in source.entries:
        # Unasked: making such a DUMP would hold the server up for long.
        if entry.size > limit:
            refuse(entry, f"It takes {entry.size} bytes of memory; up to {limit} are read in one piece.")
        else:
            allowed.append(entry)
    async with contextlib.aclosing(replies(job, source, allowed, _dump, refuse)) as answers:
        async for group in answers:
            read = []
            for entry, reply in group:
                if isinstance(reply, bytes) and len(reply) > max_bytes:
                    refuse(entry, f"Its DUMP has {len(reply)} bytes; {max_bytes} are the most.")
                elif isinstance(reply, bytes):
                    read.append((entry, reply))
            yield read


async def _answered(
    source: Found, asked: tuple[list[Entry], Started], ask: Callable[[Entry], bytes], refuse: Refuse
) -> list[tuple[Entry, Reply]]:
    group, started = asked
    try:
        answers = await started.replies()
    except StudioError as error:
        if error.reason != e.ERROR_REASON_RESOURCE_EXHAUSTED:
            raise
        # The sizes were estimates, and the replies too large for one connection: one by one.
        answers = [await _alone(source.link, ask(entry)) for entry in group]
    read: list[tuple[Entry, Reply]] = []
    for entry, reply in zip(group, answers, strict=True):
        if isinstance(reply, ServerError):
            refuse(entry, about_key(reply, ""))
        else:
            read.append((entry, reply))
    return read


async def _alone(link: ServerLink, payload: bytes) -> Reply:
    try:
        return (await link.request(payload, 1))[0]
    except StudioError as error:
        if error.reason != e.ERROR_REASON_RESOURCE_EXHAUSTED:
            raise
        return ServerError(f"ERR {error.message}")


def _dump(entry: Entry) -> bytes:
    return b"*2\r\n$4\r\nDUMP\r\n$%d\r\n%b\r\n" % (len(entry.name), entry.name)
