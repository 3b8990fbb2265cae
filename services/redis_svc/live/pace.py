"""The rhythm of a stream: what comes, heartbeats where nothing does, an end when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from services.redis_svc.live.bounds import Bounds
from services.redis_svc.live.mailbox import Mailbox


@dataclass(frozen=True, slots=True)
class Beat:
    """A turn of a stream."""

    item: object | None
    """What the server sent; None for a heartbeat."""


class Pace:
    """Reads a mailbox.

    Args:
        mailbox: what comes.
        bounds: how often what happens.
        check: raises when the stream must end; asked every now and then.
        seconds: after which the stream ends by itself; None for never.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        bounds: Bounds,
        check: Callable[[], Awaitable[None]],
        seconds: float | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._bounds = bounds
        self._check = check
        self._clock = asyncio.get_running_loop().time
        self._said_at = self._clock()
        self._until = self._said_at + seconds if seconds is not None else float("inf")

    def said(self) -> None:
        """An event was written just now."""
        self._said_at = self._clock()

    async def beats(self) -> AsyncIterator[Beat]:
        """What comes. The first is a heartbeat: it tells the caller that the server listens from now on."""
        yield Beat(None)
        bounds = self._bounds
        check_at = self._clock() + bounds.check_s
        while (now := self._clock()) < self._until:
            if now >= check_at:
                await self._check()
                check_at = now + bounds.check_s
            heartbeat_at = self._said_at + bounds.heartbeat_s
            item = await self._mailbox.get(min(check_at, heartbeat_at, self._until) - now)
            if item is not None:
                yield Beat(item)
            elif self._clock() >= heartbeat_at:
                self.said()
                yield Beat(None)
