"""Memory analysis: walks through the keyspace in steps too small to be noticed, and sums up what each key takes.

SCAN of step n, what is asked about the keys of step n-1 and the lengths of step n-2 are one write. How large steps are
and how long to rest between them is `pace`'s, what is kept of the keys `tally`'s. Memory is MEMORY USAGE with as many
samples as `limits` says, so that no key costs the server more than a few microseconds, however large it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from time import perf_counter, thread_time  # the event loop's own clock has milliseconds only, under uvloop

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for
from services.redis_svc.key_details import UNKNOWN, Keys, Lookup, Wanted
from services.redis_svc.limits import Limits
from services.redis_svc.link import Link, Started
from services.redis_svc.replies import Command, Reply, pack
from services.redis_svc.server.pace import Pace
from services.redis_svc.server.tally import Tally
from services.redis_svc.shards import Walk
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

EVENT_S = 0.25
"""Seconds between two reports."""
SEPARATOR = b":"


@dataclass(frozen=True, slots=True)
class Question:
    """What to analyse."""

    pattern: bytes = b""
    """Glob; empty for all keys."""
    separator: bytes = SEPARATOR
    max_keys: int = 0
    """Keys to count at most; 0 for all."""


def analyze(
    client: RedisClient, question: Question, *, turn: asyncio.Lock | None = None
) -> AsyncGenerator[Tally, None]:
    """Reports about every quarter of a second; the last report is done.

    The same object each time, which grows on: make of it what is needed before asking for the next.

    Args:
        client: the database.
        question: what to analyse.
        turn: shared by the analyses of one database, which take turns: several together are no heavier than one.

    Raises:
        StudioError: DB_PERMISSION_DENIED when the user may not SCAN, or not ask for types; …
    """
    return _Analysis(client, question, turn or asyncio.Lock()).run()


class _Analysis:
    """One analysis under way."""

    def __init__(self, client: RedisClient, question: Question, turn: asyncio.Lock) -> None:
        self._client = client
        self._question = question
        self._turn = turn
        self._tally = Tally(question.separator)
        self._began = self._reported = perf_counter()

    async def run(self) -> AsyncGenerator[Tally, None]:
        tally = self._tally
        await self._client.ready()
        sizes = await self._client.execute_everywhere(b"DBSIZE")
        if all(isinstance(size, int) for size in sizes):
            tally.total = sum(size for size in sizes if isinstance(size, int))
        walk = self._client.walk("")
        while not tally.truncated and await walk.next():
            async with contextlib.aclosing(self._scan(walk)) as due:
                async for _ in due:
                    yield self._report()
            if not tally.truncated:
                await walk.reached(0)
        if not tally.truncated:
            tally.scanned = max(tally.total, tally.analyzed)
        tally.done = True
        yield self._report()

    def _report(self) -> Tally:
        self._reported = perf_counter()
        self._tally.elapsed_s = self._reported - self._began
        return self._tally

    async def _scan(self, walk: Walk) -> AsyncGenerator[None, None]:
        """Through one server; yields when a report is due."""
        pace, link = Pace(), walk.link
        await self._ping(link, pace)
        scan = _Scan(self._question, self._client.limits, walk)
        while scan.goes_on:
            async with self._turn:
                began, busy = perf_counter(), thread_time()
                size = await scan.step(pace.step)
                took = perf_counter() - began
                self._take(scan)
                pace.worked(size, took, thread_time() - busy)
                rest = pace.rest()
                if rest:
                    await asyncio.sleep(rest)
            if perf_counter() - self._reported >= EVENT_S:
                await self._ping(link, pace)
                yield

    def _take(self, scan: _Scan) -> None:
        tally, most = self._tally, self._question.max_keys
        tally.scanned += scan.scanned
        scan.scanned = 0
        if tally.total != UNKNOWN:
            tally.scanned = min(tally.scanned, max(tally.total, tally.analyzed))
        for keys in scan.take():
            if most and tally.analyzed + len(keys.names) > most:
                left = most - tally.analyzed
                keys = keys.where([at < left for at in range(len(keys.names))])  # noqa: PLW2901
            tally.add(keys)
        if most and tally.analyzed >= most and scan.goes_on:
            tally.truncated = True
            scan.stop()

    async def _ping(self, link: Link, pace: Pace) -> None:
        began = perf_counter()
        await link.execute(b"PING")
        pace.pinged(perf_counter() - began)


class _Scan:
    """The keys of the server that a walk has come to, by steps."""

    def __init__(self, question: Question, limits: Limits, walk: Walk) -> None:
        self._walk = walk
        self._pattern = question.pattern
        self._limits = limits
        self._lookup = Lookup(Wanted(), "", limits)
        self._cursor = 0
        self._begun = False
        self._stopped = False
        self._names: list[bytes] = []  # found, nothing is known of them
        self._keys: Keys | None = None  # all is known but their lengths
        self._ready: list[Keys] = []
        self.scanned = 0
        """Keys passed since it was set to 0."""

    @property
    def goes_on(self) -> bool:
        """Whether there is a step to take."""
        left = not self._begun or self._cursor or self._names or self._keys
        return bool(left) and not self._stopped

    def stop(self) -> None:
        """Takes no more steps."""
        self._stopped = True

    def take(self) -> list[Keys]:
        """The keys that are ready."""
        ready, self._ready = self._ready, []
        return ready

    async def step(self, size: int) -> int:
        """Sends what there is to ask, and takes the answers in; returns about how many keys the server looked at."""
        scans = not self._begun or self._cursor != 0
        link, names, keys, lookup = self._walk.link, self._names, self._keys, self._lookup
        lengths = lookup.lengths_request(keys) if keys else None
        started: list[Started] = []
        try:
            if scans:
                started.append(link.start(pack((self._command(size),)), 1))
            if names:
                started.append(link.start(lookup.request(names), lookup.width * len(names)))
            if lengths:
                started.append(link.start(*lengths))
            answers = iter([await each.replies() for each in started])
        finally:
            for each in started:
                each.cancel()
        self._names, self._keys = [], None
        if scans:
            self._found(next(answers)[0], size)
        if names:
            self._looked_up(lookup.keys(names, next(answers)))
        if keys:
            self._ready.append(lookup.with_lengths(keys, next(answers)) if lengths else keys)
        return size if scans else max(len(names), 1)

    def _command(self, size: int) -> Command:
        if self._pattern:
            return (b"SCAN", self._cursor, b"MATCH", self._pattern, b"COUNT", size)
        return (b"SCAN", self._cursor, b"COUNT", size)

    def _found(self, reply: Reply, size: int) -> None:
        raise_for(reply, command="SCAN")
        match reply:
            case [bytes(cursor), list(found)] if cursor.isdigit():
                self._begun, self._cursor = True, int(cursor)
                # Once each: a table that grows has a key in two places. Across steps that is not known.
                names = list(dict.fromkeys(name for name in found if isinstance(name, bytes)))
                self.scanned += size if self._pattern else len(names)
                self._names = self._walk.keep(names)
            case _:
                raise StudioError(
                    e.ERROR_REASON_DB_PROTOCOL_ERROR,
                    "The Redis server answered SCAN with something else than a page.",
                )

    def _looked_up(self, keys: Keys) -> None:
        if not keys.names:
            return
        self._keys = keys
        if keys.memory and max(keys.memory) == UNKNOWN and any(keys.types):
            # The server lacks the command, or the user may not use it. Asking for each of a million keys would cost
            # as much, and fill the server's ACL log.
            self._lookup = Lookup(Wanted(memory=False), "", self._limits)
