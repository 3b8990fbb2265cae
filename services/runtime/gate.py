"""Lets a bounded number of callers through at a time, a few more wait, and the rest is refused at once."""

from __future__ import annotations

import asyncio
from types import TracebackType

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED


class Gate:
    """For an `async with`.

    Args:
        at_a_time: callers inside.
        waiting: callers that may wait for a place.
        refusal: the sentence for one more.
    """

    def __init__(self, at_a_time: int, waiting: int, refusal: str) -> None:
        self._places = asyncio.Semaphore(at_a_time)
        self._at_a_time = at_a_time
        self._waiting = waiting
        self._refusal = refusal
        self._callers = 0

    async def __aenter__(self) -> None:
        if self._callers >= self._at_a_time + self._waiting:
            raise StudioError(ERROR_REASON_RESOURCE_EXHAUSTED, self._refusal, hint="Try again in a moment.")
        self._callers += 1
        try:
            await self._places.acquire()
        except BaseException:
            self._callers -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._callers -= 1
        self._places.release()
