"""Those who listen to what happens, each through a bounded queue of its own.

A watcher that could have missed something is ended with an error; it comes back, compares, and has missed nothing.
That covers a lost connection to PostgreSQL, a watcher that reads too slowly, and a table that was emptied.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_REGISTRY_UNAVAILABLE,
    ERROR_REASON_RESOURCE_EXHAUSTED,
    ErrorReason,
)

MAX_WATCHERS = 1000
"""Of one feed."""
MAX_PENDING = 1024
"""Things with an event that a watcher has not read yet; events of one thing are merged."""


class Identified(Protocol):
    """An event about one thing."""

    @property
    def id(self) -> str:
        """Of the thing."""


EventT = TypeVar("EventT", bound=Identified)


class Subscription(Generic[EventT]):
    """What one watcher has not read yet."""

    def __init__(self) -> None:
        self._pending: dict[str, EventT] = {}
        self._error: StudioError | None = None
        self._wake = asyncio.Event()

    def push(self, event: EventT) -> None:
        """Adds an event; ends the watcher when it is too far behind."""
        waiting = self._pending.pop(event.id, None)  # the merged one goes to the end
        if len(self._pending) >= MAX_PENDING:
            self.end(
                _ended(
                    ERROR_REASON_RESOURCE_EXHAUSTED, "The watcher reads too slowly; it has to compare anew."
                )
            )
            return
        self._pending[event.id] = event if waiting is None else self.merged(waiting, event)
        self._wake.set()

    def merged(self, waiting: EventT, event: EventT) -> EventT:  # noqa: ARG002  for those who must look at both
        """What is left of two events about the same thing: the later one."""
        return event

    def end(self, error: StudioError) -> None:
        """Makes `next` raise."""
        self._error = error
        self._wake.set()

    async def next(self, timeout_s: float) -> EventT | None:
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
        event = self._pending.pop(next(iter(self._pending)))
        if not self._pending:
            self._wake.clear()
        return event


SubscriptionT = TypeVar("SubscriptionT", bound=Subscription[Any])


class Watchers(Generic[SubscriptionT]):
    """The watchers of this process. Begins down: nobody can watch before changes arrive."""

    def __init__(self) -> None:
        self._subscriptions: set[SubscriptionT] = set()
        self._is_up = False

    @property
    def is_up(self) -> bool:
        """Whether changes arrive."""
        return self._is_up

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

    @contextlib.contextmanager
    def joined(self, subscription: SubscriptionT) -> Iterator[SubscriptionT]:
        """Has a watcher hear what happens.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE while down; RESOURCE_EXHAUSTED with too many watchers.
        """
        if not self._is_up:
            raise _not_watching()
        if len(self._subscriptions) >= MAX_WATCHERS:
            raise _ended(ERROR_REASON_RESOURCE_EXHAUSTED, f"There are {MAX_WATCHERS} watchers already.")
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)


def _not_watching() -> StudioError:
    return _ended(
        ERROR_REASON_REGISTRY_UNAVAILABLE, "Changes in the platform database can't be watched at the moment."
    )


def _ended(reason: ErrorReason.ValueType, message: str) -> StudioError:
    return StudioError(reason, message, retry_after_s=1)
