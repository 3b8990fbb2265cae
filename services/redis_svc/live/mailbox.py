"""Between a socket that must be read and a caller who may be slow: a bounded queue that drops and counts."""

from __future__ import annotations

import asyncio
from collections import deque

from services.runtime.errors import StudioError


class Mailbox:
    """Replies on their way to one reader.

    Args:
        max_items: replies that wait at most.
        max_bytes: bytes of them.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._items: deque[tuple[object, int]] = deque()
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: StudioError | None = None
        self.dropped = 0
        """Replies that found no room, so far."""

    def put(self, item: object, size: int) -> None:
        """Adds a reply, or counts it as dropped. The newest are dropped: what is kept has no holes but one."""
        if len(self._items) >= self._max_items or self._bytes + size > self._max_bytes:
            self.dropped += 1
            return
        self._items.append((item, size))
        self._bytes += size
        self._wake()

    def fail(self, failure: StudioError) -> None:
        """Ends the stream: the reader gets what is there, then the failure."""
        self._failure = self._failure or failure
        self._wake()

    async def get(self, timeout_s: float) -> object | None:
        """The next reply; None when there is none in time.

        Raises:
            StudioError: the stream has ended and everything was read.
        """
        if not self._items and self._failure is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(max(0.0, timeout_s)):
                    await self._waiter
            except TimeoutError:
                return None
            finally:
                self._waiter = None
        if not self._items:
            if self._failure is not None:
                raise self._failure
            return None
        item, size = self._items.popleft()
        self._bytes -= size
        return item

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
