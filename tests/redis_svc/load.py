"""Callers that go on and on while something breaks, and what they were told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from services.redis_svc import values
from services.redis_svc.client import RedisClient
from services.redis_svc.values import Setting
from services.runtime.errors import StudioError

T = TypeVar("T")

CALLERS = 16
PASSING = {"DB_CONNECTION_FAILED", "DB_TIMEOUT", "DB_UNAVAILABLE"}
"""What callers may be told while servers fail over: 503 and 504."""


async def eventually(call: Callable[[], Awaitable[T]]) -> T:
    """Repeats a call until it succeeds; what is no passing failure is raised."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await call()
            except StudioError as error:
                if error.reason_name not in PASSING:
                    raise
            await asyncio.sleep(0.05)


class Load:
    """Writes numbered keys, each once, and reads them back, for as long as an `async with` lasts.

    Args:
        client: where to.
    """

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._written: set[bytes] = set()
        self.reasons: set[str] = set()
        """Of the errors that callers got."""

    @property
    def acknowledged(self) -> int:
        """Writes that the service has said are made."""
        return len(self._written)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(CALLERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def _call(self, caller: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = b"load:%d:%d" % (caller, number)
            try:
                await values.set_value(self._client, name, name, Setting())
                self._written.add(name)
                assert (await values.get(self._client, name)).content == name
            except StudioError as error:
                self.reasons.add(error.reason_name)
                await asyncio.sleep(0.01)

    async def further(self, writes: int) -> None:
        """Returns after so many more writes."""
        target = self.acknowledged + writes
        async with asyncio.timeout(40):
            while self.acknowledged < target:  # noqa: ASYNC110  callers have no event for it
                await asyncio.sleep(0.01)

    async def check(self) -> None:
        """Asserts that every acknowledged write is there, and that callers were told of passing failures only."""
        assert self.reasons <= PASSING
        for name in self._written:
            value = await eventually(lambda name=name: values.get(self._client, name))  # type: ignore[misc]  # a default
            assert value.content == name
