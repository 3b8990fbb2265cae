"""Commands that may take hours: the server works, and the caller hears now and then that it still does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, MutableMapping
from typing import Any, Generic, TypeVar

import pymongo

from services.mongo_svc import errors
from services.mongo_svc.catalog.bounds import SHORTEST_S, Bounds
from services.mongo_svc.client import PLAIN, Document, MongoClient
from services.runtime import context as call
from services.runtime.databases import Check
from services.runtime.durations import milliseconds

T = TypeVar("T")


async def long_command(
    client: MongoClient, database: str, command: MutableMapping[str, Any], bounds: Bounds
) -> Document:
    """Runs a command for as long as it takes, `bounds.work_s` at most.

    Cancelling closes its connection, upon which the server stops the command: it looks now and then whether the client
    is still there.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    with errors.translated(), pymongo.timeout(max(SHORTEST_S, call.remaining_s(bounds.work_s))):
        return await client.database(database).command(command, codec_options=PLAIN)


class Work(Generic[T]):
    """Something that runs beside whoever reports on it; see `running`."""

    def __init__(self, task: asyncio.Task[T], every_s: float, check: Check) -> None:
        self._task = task
        self._every_s = every_s
        self._check = check
        self._clock = asyncio.get_running_loop().time
        self._began_at = self._clock()

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since it began."""
        return milliseconds(self._clock() - self._began_at)

    async def beats(self) -> AsyncGenerator[None, None]:
        """One element whenever a report is due, until the work has ended; see `result` then.

        Raises:
            StudioError: the work must end.
        """
        while not self._task.done():
            await asyncio.wait({self._task}, timeout=self._every_s)
            if not self._task.done():
                await self._check()
                yield

    @property
    def has_ended(self) -> bool:
        """It is done, or failed."""
        return self._task.done()

    async def cancel(self) -> None:
        """Ends it, and returns when it has ended."""
        self._task.cancel()
        await asyncio.wait({self._task})

    def result(self) -> T:
        """What came of it; raises what it raised."""
        return self._task.result()


@contextlib.asynccontextmanager
async def running(
    coroutine: Coroutine[Any, Any, T], *, every_s: float, check: Check
) -> AsyncIterator[Work[T]]:
    """Runs something for the time of a block; what has not ended then is cancelled.

    Args:
        coroutine: what to run.
        every_s: seconds between two beats.
        check: asked at each.
    """
    task = asyncio.create_task(coroutine)
    work = Work(task, every_s, check)
    try:
        yield work
    finally:
        await work.cancel()
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is warned of it: whoever wanted it has asked for the result


async def run(
    client: MongoClient, database: str, command: MutableMapping[str, Any], check: Check, bounds: Bounds
) -> AsyncGenerator[tuple[float, Document | None], None]:
    """A long command: milliseconds so far, and at the end the server's answer.

    Raises:
        StudioError: as `long_command`.
    """
    answer = long_command(client, database, command, bounds)
    async with running(answer, every_s=bounds.report_s, check=check) as work:
        async with contextlib.aclosing(work.beats()) as beats:
            async for _ in beats:
                yield work.elapsed_ms, None
        yield work.elapsed_ms, work.result()
