"""Asks several servers the same question, one after the other with a short head start, and takes the first answer.

A server that hangs costs the head start, not its whole timeout.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from services.runtime.errors import StudioError

ServerT = TypeVar("ServerT")
AnswerT = TypeVar("AnswerT")

HEAD_START_S = 0.25
"""Before the next server is asked as well."""


class NoAnswerError(Exception):
    """No server had an answer.

    Attributes:
        failures: why, one a server, in the order in which they failed.
    """

    def __init__(self, failures: list[StudioError]) -> None:
        super().__init__("no server had an answer")
        self.failures = failures


async def first_answer(
    servers: Iterable[ServerT], ask: Callable[[ServerT], Awaitable[AnswerT]]
) -> tuple[ServerT, AnswerT]:
    """The first answer and who gave it.

    Args:
        servers: whom to ask, in this order.
        ask: asks one, in bounded time; raises StudioError where it has no answer.

    Raises:
        NoAnswerError: nobody has one.
    """
    waiting = deque(servers)
    running: dict[asyncio.Task[AnswerT], ServerT] = {}
    failures: list[StudioError] = []
    try:
        while True:
            if waiting:
                server = waiting.popleft()
                running[asyncio.ensure_future(ask(server))] = server
            if not running:
                raise NoAnswerError(failures)
            done, _ = await asyncio.wait(
                running, timeout=HEAD_START_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                server = running.pop(task)
                failure = task.exception()
                if failure is None:
                    return server, task.result()
                if not isinstance(failure, StudioError):
                    raise failure
                failures.append(failure)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
