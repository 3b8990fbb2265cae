"""Lists keys page by page: SCAN, and what is asked about each key, with a bounded amount of work a page.

Never KEYS. While the server looks up one step's keys, the next SCAN is under way already and the step before is made
into an answer; each step is one write of at most `scan_step` keys, so that other callers of the shared connection, and
other clients of the server, come in between. Keys go through in columns: one list a command, not one object a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from services.redis_svc.client import RedisClient
from services.redis_svc.cursors import invalid_cursor
from services.redis_svc.errors import to_studio_error
from services.redis_svc.key_details import UNKNOWN, Keys, Lookup, Wanted
from services.redis_svc.limits import Limits
from services.redis_svc.link import Link, Started
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.shards import Walk
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e


@dataclass(frozen=True, slots=True)
class Query:
    """Which keys."""

    pattern: bytes = b""
    """Glob; empty for all."""
    type: str = ""
    """As TYPE names it; empty for all."""
    count: int = 100
    """About how many keys."""
    cursor: str = ""
    """Of the page before; empty or `0` for the first."""
    wanted: Wanted = field(default_factory=Wanted)
    """What to look up."""
    min_memory: int = 0
    """Only keys that take at least so many bytes; 0 for all."""
    max_ttl_ms: int = 0
    """Only keys that expire within so many milliseconds; 0 for all, -1 for those that never do."""

    @property
    def looked_up(self) -> Wanted:
        """What is wanted, and what the filters need."""
        wanted = self.wanted
        return replace(
            wanted, memory=wanted.memory or bool(self.min_memory), ttl=wanted.ttl or bool(self.max_ttl_ms)
        )

    @property
    def filters(self) -> bool:
        """Whether keys are left out for what is looked up about them."""
        return bool(self.min_memory or self.max_ttl_ms)

    def pick(self, keys: Keys) -> Keys:
        """Those of the keys that the filters let through, in the columns that are wanted."""
        if not self.filters:
            return keys
        keep = [True] * len(keys.names)
        if self.min_memory:
            keep = [size >= self.min_memory for size in keys.memory]
        if self.max_ttl_ms > 0:
            keep = [kept and 0 <= ttl <= self.max_ttl_ms for kept, ttl in zip(keep, keys.ttls, strict=True)]
        elif self.max_ttl_ms:
            keep = [kept and ttl < 0 for kept, ttl in zip(keep, keys.ttls, strict=True)]
        keys = keys.where(keep)
        if not self.wanted.memory:
            keys.memory = []
        if not self.wanted.ttl:
            keys.ttls = []
        return keys


@dataclass(frozen=True, slots=True)
class Page:
    """What a page was, beside its keys."""

    cursor: str
    """Of the next page; empty on the last."""
    scanned: int
    """About how many keys were looked at; never fewer than were returned."""
    total: int
    """DBSIZE, of all shards together; -1 where the user may not ask."""


async def list_keys(
    client: RedisClient, query: Query, emit: Callable[[Keys], None], *, time_left_s: float = float("inf")
) -> Page:
    """Scans one page.

    Args:
        client: the database.
        query: which keys, from where.
        emit: gets the keys step by step, as they come; runs while the server works.
        time_left_s: seconds until the caller stops waiting.

    Raises:
        StudioError: INVALID_CURSOR; INVALID_ARGUMENT for a type the server does not know; DB_PERMISSION_DENIED;
            RESOURCE_EXHAUSTED when too many listings of this database are under way; …
    """
    async with client.listings:
        walk = client.walk(query.cursor)
        scan = _Scan(walk, query, client.limits, time_left_s)
        sizing = [link.start(pack(((b"DBSIZE",),)), 1) for link in client.links]
        try:
            while await walk.next():
                await scan.run(walk.link, walk.position, emit)
                await walk.reached(scan.position)
                if not scan.wants_more:
                    break
            sizes = [(await started.replies())[0] for started in sizing]
        finally:
            for started in sizing:
                started.cancel()
    size = sum(each for each in sizes if isinstance(each, int))
    if not all(isinstance(each, int) for each in sizes):
        size = UNKNOWN
    # A first page that is the last one saw all; DBSIZE may be from before a key that came meanwhile.
    whole = size != UNKNOWN and not walk.cursor and not query.cursor
    scanned = max(size, scan.returned) if whole else scan.scanned
    return Page(walk.cursor, scanned, size)


class _Scan:
    """One page in the making: SCAN of step n, metadata of step n-1 and lengths of step n-2 go in one write."""

    def __init__(self, walk: Walk, query: Query, limits: Limits, time_left_s: float) -> None:
        self._walk = walk
        self._query = query
        self._limits = limits
        self.position = 0
        """SCAN's cursor on the server that is scanned."""
        self.scanned = 0
        """About how many keys were looked at."""
        self._seen: set[bytes] = set()
        self._budget = max(limits.scan_budget_keys, limits.scan_budget_factor * query.count)
        # Half of what the caller still waits for: the answer must be made and sent in it, too.
        self._until = asyncio.get_running_loop().time() + min(limits.scan_budget_s, time_left_s / 2)
        self._filtered = bool(query.pattern or query.type or query.filters)
        self._step = 0
        self._lookup = Lookup(query.looked_up, query.type, limits, needs_memory=bool(query.min_memory))
        self._judged = 0  # keys that the filters have seen
        self._picked = 0  # and let through

    async def run(self, link: Link, position: int, emit: Callable[[Keys], None]) -> None:
        """Scans a server from a position: to its end, or until the page has enough."""
        self._link, self.position = link, position
        lookup = self._lookup
        scan: Started | None = self._start_scan()
        meta: tuple[list[bytes], Started] | None = None
        lengths: tuple[Keys, Started] | None = None
        try:
            while scan or meta or lengths:
                names = self._take(await scan.replies()) if scan else []
                keys = self._pick(lookup.keys(meta[0], await meta[1].replies())) if meta else None
                done = lookup.with_lengths(lengths[0], await lengths[1].replies()) if lengths else None
                scan = self._start_scan() if scan and self.position and self.wants_more else None
                meta = lengths = None
                if names and (payload := lookup.request(names)):
                    meta = (names, link.start(payload, lookup.width * len(names)))
                elif names:
                    keys = self._pick(lookup.keys(names, []))
                if keys and (asked := lookup.lengths_request(keys)):
                    lengths, keys = (keys, link.start(*asked)), None
                if scan or meta or lengths:
                    # Let the write leave, so that the server works while this step's keys are emitted.
                    await asyncio.sleep(0)
                for each in (done, keys):
                    if each:
                        emit(each)
        finally:
            for started in (scan, meta and meta[1], lengths and lengths[1]):
                if started:
                    started.cancel()

    def _pick(self, keys: Keys) -> Keys:
        self._judged += len(keys.names)
        keys = self._query.pick(keys)
        self._picked += len(keys.names)
        return keys

    @property
    def returned(self) -> int:
        """The most keys that the page has."""
        return len(self._seen)

    @property
    def _found(self) -> int:
        """Keys for the page: with filters about as many, for those of the last step are still looked up."""
        if not self._query.filters:
            return len(self._seen)
        return self._picked * len(self._seen) // max(1, self._judged)

    @property
    def wants_more(self) -> bool:
        """Whether the page is to hold more keys, and the call has time and work left for them."""
        return (
            self._found < self._query.count
            and self.scanned < self._budget
            and asyncio.get_running_loop().time() < self._until
        )

    def _start_scan(self) -> Started:
        missing = max(1, self._query.count - self._found)
        step = missing
        if self._filtered and self.scanned and (self._judged or not self._query.filters):
            # As many as should hold what is missing, judging from the share that has matched so far.
            step = missing * self.scanned // max(1, self._found)
        self._step = max(1, min(step, self._limits.scan_step))
        command: Command = (b"SCAN", self.position)
        if self._query.pattern:
            command += (b"MATCH", self._query.pattern)
        command += (b"COUNT", self._step)
        if self._query.type:
            command += (b"TYPE", self._query.type)
        return self._link.start(pack((command,)), 1)

    def _take(self, replies: Sequence[Reply]) -> list[bytes]:
        """The keys of a SCAN that this page has not had yet; remembers the cursor."""
        reply = replies[0]
        if isinstance(reply, ServerError):
            raise self._scan_error(reply)
        if not isinstance(reply, list) or [type(part) for part in reply] != [bytes, list]:
            raise StudioError(
                e.ERROR_REASON_DB_PROTOCOL_ERROR,
                "The Redis server answered SCAN with something else than a page.",
            )
        cursor, found = cast("tuple[bytes, list[bytes]]", reply)
        self.position = int(cursor)
        # COUNT is a hint: the server returns whole buckets, which may be more.
        self.scanned += max(self._step, len(found)) if self._filtered else len(found)
        names = self._walk.keep(list(dict.fromkeys(found)))
        if not self._seen.isdisjoint(names):
            names = [name for name in names if name not in self._seen]
        self._seen.update(names)
        return names

    def _scan_error(self, reply: ServerError) -> StudioError:
        if "invalid cursor" in reply.text:
            return invalid_cursor()
        if "unknown type name" in reply.text:
            return invalid_argument("type", "the server knows no such type")
        return to_studio_error(reply, command="SCAN")
