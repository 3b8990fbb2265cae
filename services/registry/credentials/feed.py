"""Tells every watcher which API keys and sessions end: one listener feeds all, each through a bounded queue of its own.

As `services.registry.feed` does for connections: a watcher that could have missed something is ended with an error; it
comes back, compares, and has missed nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

from services.registry.credentials.store import Ended
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_REGISTRY_UNAVAILABLE, ERROR_REASON_RESOURCE_EXHAUSTED

MAX_WATCHERS = 1000
MAX_PENDING = 1024
"""Events that a watcher has not read yet."""


class Subscription:
    """What one watcher has not read yet."""

    def __init__(self) -> None:
        self._pending: deque[Ended] = deque()
        self._error: StudioError | None = None
        self._wake = asyncio.Event()

    def push(self, event: Ended) -> None:
        """Adds an event; ends the watcher when it is too far behind."""
        if len(self._pending) >= MAX_PENDING:
            self.end(
                StudioError(
                    ERROR_REASON_RESOURCE_EXHAUSTED,
                    "The watcher reads too slowly; it has to compare anew.",
                    retry_after_s=1,
                )
            )
            return
        self._pending.append(event)
        self._wake.set()

    def end(self, error: StudioError) -> None:
        """Makes `next` raise."""
        self._error = error
        self._wake.set()

    async def next(self, timeout_s: float) -> Ended | None:
        """The next event; None when nothing happens for `timeout_s` seconds.

        Raises:
            StudioError: the watcher must come back and compare.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return None
        if self._error is not None:
            raise self._error
        event = self._pending.popleft()
        if not self._pending:
            self._wake.clear()
        return event


class CredentialFeed:
    """The watchers of this process. Begins down: nobody can watch before changes arrive."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._is_up = False

    def up(self) -> None:
        """Changes arrive from now on."""
        self._is_up = True

    def down(self) -> None:
        """Changes may be missed from now on: ends every watcher and refuses new ones."""
        self._is_up = False
        self.resync()

    def resync(self) -> None:
        """Ends every watcher, so that each compares anew."""
        for subscription in self._subscriptions:
            subscription.end(_not_watching())

    def publish(self, event: Ended) -> None:
        """Tells those who watch."""
        for subscription in self._subscriptions:
            subscription.push(event)

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Collects what ends.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE while down; RESOURCE_EXHAUSTED with too many watchers.
        """
        if not self._is_up:
            raise _not_watching()
        if len(self._subscriptions) >= MAX_WATCHERS:
            raise StudioError(
                ERROR_REASON_RESOURCE_EXHAUSTED,
                f"There are {MAX_WATCHERS} watchers already.",
                retry_after_s=1,
            )
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


def _not_watching() -> StudioError:
    return StudioError(
        ERROR_REASON_REGISTRY_UNAVAILABLE,
        "Changes in the platform database can't be watched at the moment.",
        retry_after_s=1,
    )
