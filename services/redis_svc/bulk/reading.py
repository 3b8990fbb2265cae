"""Reads values in bounded writes, on connections of their own: what a large reply delays or ends is this work only."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from types import TracebackType
from typing import NamedTuple, Self

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


class Entry(NamedTuple):
    """A key with what is needed to read its value. A tuple: making it takes a third of a frozen dataclass's time."""

    name: bytes
    """The key."""
    type: str
    """Its type; empty where it was not asked for, or the user may not ask."""
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


class Links:
    """Ways to the servers that nobody else uses, for an `async with`.

    Args:
        limits: of the connections.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stack = contextlib.AsyncExitStack()
        self._own: dict[Link, ServerLink] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def to(self, link: Link) -> ServerLink:
        """The way to the server of a link."""
        own = self._own.get(link)
        if own is None:
            own = self._own[link] = await self._stack.enter_async_context(_own_link(link, self._limits))
        return own


async def found(job: Job, links: Links, *, with_types: bool) -> AsyncGenerator[Found, None]:
    """The selected keys with expiry, size and perhaps type, asked for one batch ahead."""
    lookup = Lookup(Wanted(type=with_types, length=False), job.selection.type, job.client.limits)
    waiting: tuple[Batch, ServerLink, Started] | None = None
    try:
        async with contextlib.aclosing(job.batches()) as batches:
            async for batch in batches:
                link = await links.to(batch.link)
                started = link.start(lookup.request(batch.names), lookup.width * len(batch.names))
                before, waiting = waiting, (batch, link, started)
                if before is not None:
                    yield await _described(before, lookup, job.bounds)
            if waiting is not None:
                last, waiting = waiting, None
                yield await _described(last, lookup, job.bounds)
    finally:
        if waiting is not None:
            waiting[2].cancel()


async def _described(waiting: tuple[Batch, ServerLink, Started], lookup: Lookup, bounds: Bounds) -> Found:
    batch, link, started = waiting
    keys = lookup.keys(batch.names, await started.replies()) if batch.names else None
    return Found(batch, link, _entries(keys, bounds) if keys is not None else [])


def _entries(keys: Keys, bounds: Bounds) -> list[Entry]:
    sizes = keys.memory
    if sizes and min(sizes) < 0:
        sizes = [size if size >= 0 else bounds.unknown_value_bytes for size in sizes]
    return list(map(Entry._make, zip(keys.names, keys.types or repeat(""), keys.ttls, sizes, strict=False)))


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


def groups(entries: list[Entry], bounds: Bounds) -> list[list[Entry]]:
    """The entries in groups whose values fit into one write; larger values alone."""
    if sum([entry.size for entry in entries]) <= bounds.batch_bytes:
        return [entries] if entries else []
    found: list[list[Entry]] = []
    size = bounds.batch_bytes
    for entry in entries:
        size += entry.size
        if size > bounds.batch_bytes:
            found.append([])
            size = entry.size
        found[-1].append(entry)
    return found


Refuse = Callable[[Entry, str], None]
"""Takes an entry that can't be read, and why."""


async def replies(
    job: Job, source: Found, entries: list[Entry], ask: Callable[[Entry], bytes], refuse: Refuse
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


class Dumped(NamedTuple):
    """Some keys of a batch with their DUMPs."""

    source: Found
    """The batch."""
    values: list[tuple[Entry, bytes]]
    """The keys that could be read."""
    ends: bool
    """Nothing more comes of the batch."""


class _Asked(NamedTuple):
    source: Found
    group: list[Entry]
    started: Started | None
    begins: bool
    ends: bool


async def dumps(job: Job, max_bytes: int, refuse: Refuse) -> AsyncGenerator[Dumped, None]:
    """DUMP of each selected key, group by group. While one is worked on, the server makes the next.

    Args:
        job: which keys; it is told of each batch that begins.
        max_bytes: of one DUMP; a larger one is refused.
        refuse: takes what can't be read.

    Raises:
        StudioError: the connection is lost and can't be made anew; what all keys would be answered.
    """
    ahead: _Asked | None = None
    try:
        async with (
            Links(job.client.limits) as links,
            contextlib.aclosing(found(job, links, with_types=False)) as sources,
        ):
            async for source in sources:
                for group, begins, ends in _grouped(job, source, refuse):
                    is_large = bool(group) and group[0].size > job.bounds.batch_bytes
                    if ahead is not None and is_large:
                        before, ahead = ahead, None  # large values are in memory one at a time
                        yield await _dumped(job, before, max_bytes, refuse)
                    started = source.link.start(b"".join(map(_dump, group)), len(group)) if group else None
                    before_, ahead = ahead, _Asked(source, group, started, begins, ends)
                    if is_large:
                        before_, ahead = ahead, None
                    if before_ is not None:
                        yield await _dumped(job, before_, max_bytes, refuse)
            if ahead is not None:
                last, ahead = ahead, None
                yield await _dumped(job, last, max_bytes, refuse)
    finally:
        if ahead is not None and ahead.started is not None:
            ahead.started.cancel()


def _grouped(job: Job, source: Found, refuse: Refuse) -> Iterator[tuple[list[Entry], bool, bool]]:
    """The groups of a batch, the first and the last one marked; an empty one where there is nothing to read."""
    limit = job.client.limits.max_reply_bytes
    entries = source.entries
    if entries and max([entry.size for entry in entries]) > limit:
        for entry in entries:
            if entry.size > limit:  # unasked: making such a DUMP would hold the server up for long
                refuse(entry, f"It takes {entry.size} bytes of memory; up to {limit} are read in one piece.")
        entries = [entry for entry in entries if entry.size <= limit]
    found_groups = groups(entries, job.bounds) or [[]]
    for number, group in enumerate(found_groups, start=1):
        yield group, number == 1, number == len(found_groups)


async def _dumped(job: Job, asked: _Asked, max_bytes: int, refuse: Refuse) -> Dumped:
    if asked.begins:
        job.begin(asked.source.batch)
    if asked.started is None:
        return Dumped(asked.source, [], asked.ends)
    answers = await _answered(asked.source, (asked.group, asked.started), _dump, refuse)
    values = []
    for entry, reply in answers:
        if type(reply) is bytes:  # else it is gone
            if len(reply) <= max_bytes:
                values.append((entry, reply))
            else:
                refuse(entry, f"Its DUMP has {len(reply)} bytes; {max_bytes} are the most.")
    return Dumped(asked.source, values, asked.ends)


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
    pairs = list(zip(group, answers, strict=True))
    if ServerError not in set(map(type, answers)):
        return pairs
    read: list[tuple[Entry, Reply]] = []
    for entry, reply in pairs:
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
