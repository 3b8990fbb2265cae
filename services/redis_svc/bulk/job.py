"""A job on many keys: counts, reports now and then, knows where to go on."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from services.redis_svc.bulk.bounds import Bounds
from services.redis_svc.bulk.selection import Progress, Selection, from_token, to_token
from services.redis_svc.bulk.walk import Batch, walk
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import is_denied_key, to_studio_error
from services.redis_svc.replies import ServerError
from services.runtime.databases import Check
from services.runtime.durations import milliseconds
from studio.options.v1 import errors_pb2 as e

_ABOUT_THE_KEY = frozenset({"ERR", "WRONGTYPE", "BUSYKEY", "TRYAGAIN", "CROSSSLOT", "MOVED", "ASK"})
_ENDS_THE_WORK = frozenset({e.ERROR_REASON_NOT_SUPPORTED, e.ERROR_REASON_DB_UNAVAILABLE})


class Job:
    """One run.

    Args:
        operation: its name; a token of another one is refused.
        client: the database.
        selection: which keys.
        resume: the token of an interrupted run.
        bounds: how much at a time.
        check: asked with each report.

    Raises:
        StudioError: INVALID_ARGUMENT where nothing is selected; INVALID_CURSOR.
    """

    def __init__(
        self,
        operation: str,
        client: RedisClient,
        selection: Selection,
        resume: str,
        bounds: Bounds,
        check: Check,
    ) -> None:
        selection.check()
        self.client = client
        self.selection = selection
        self.bounds = bounds
        self._check = check
        self._digest = selection.digest(operation)
        self._position, self.counts = from_token(resume, self._digest)
        self._token = to_token(self._digest, self._position, self.counts)
        self._clock = asyncio.get_running_loop().time
        self._began_at = self._clock()
        self._report_at = 0.0
        self._sample: list[bytes] = []
        self._sampled = False
        self._failures: list[tuple[bytes, str]] = []
        self._total = -1

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """The keys that are left to do. Say `begin` and `finish` of each batch."""
        await self._estimate()
        async for batch in walk(self.client, self.selection, self._position, self.bounds):
            yield batch

    def begin(self, batch: Batch) -> None:
        """Counts the keys of a batch that is worked on from now on."""
        self.counts.scanned += batch.scanned
        self.counts.matched += len(batch.names)
        if len(self._sample) < self.bounds.sample and not self._sampled:
            self._sample += batch.names[: self.bounds.sample - len(self._sample)]

    def finish(self, batch: Batch) -> None:
        """Says that all of a batch is done: what follows begins behind it."""
        if batch.after != self._position:
            self._position = batch.after
            self._token = to_token(self._digest, self._position, self.counts)

    async def run(self, work: Callable[[Batch], Awaitable[None]]) -> AsyncGenerator[Progress, None]:
        """Does the work batch by batch, and reports."""
        async with contextlib.aclosing(self.batches()) as batches:
            async for batch in batches:
                self.begin(batch)
                if batch.names:
                    await work(batch)
                self.finish(batch)
                if await self.is_due():
                    yield self.progress()
        yield self.progress(done=True)

    def succeed(self, keys: int = 1) -> None:
        """Counts keys that were worked on."""
        self.counts.succeeded += keys

    def fail(self, key: bytes, message: str) -> None:
        """Counts a key that could not be."""
        self.counts.failed += 1
        if len(self._failures) < self.bounds.failures:
            self._failures.append((key, message))

    def take_error(self, key: bytes, error: ServerError, command: str) -> str:
        """Counts an error reply about a key; one that all further keys would get ends the work.

        Returns:
            What the error means.

        Raises:
            StudioError: what it means, where it is not about the key.
        """
        message = about_key(error, command)
        self.fail(key, message)
        return message

    async def is_due(self) -> bool:
        """Whether a report is due. Asks `check` then.

        Raises:
            StudioError: the work must end.
        """
        now = self._clock()
        if now < self._report_at:
            return False
        self._report_at = now + self.bounds.report_s
        await self._check()
        return True

    def progress(self, *, done: bool = False) -> Progress:
        """How far the job is."""
        sample: Sequence[bytes] = ()
        if self._sample and not self._sampled:
            sample, self._sampled = self._sample, True
        return Progress(
            counts=dataclasses.replace(self.counts),
            resume="" if done else self._token,
            done=done,
            elapsed_ms=milliseconds(self._clock() - self._began_at),
            total_estimate=self._total,
            sample=sample,
            failures=list(self._failures),
        )

    async def _estimate(self) -> None:
        sizes = await self.client.execute_everywhere(b"DBSIZE")
        known = [size for size in sizes if isinstance(size, int)]
        self._total = sum(known) if len(known) == len(sizes) else -1


def about_key(error: ServerError, command: str) -> str:
    """What an error reply about one key means.

    Raises:
        StudioError: what it means, where all further keys would get the same.
    """
    meaning = to_studio_error(error, command=command)
    if not (error.prefix in _ABOUT_THE_KEY or is_denied_key(error)) or meaning.reason in _ENDS_THE_WORK:
        raise meaning
    return meaning.message
