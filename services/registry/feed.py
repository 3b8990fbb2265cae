"""Tells every watcher what changed: one listener feeds all of them, each through a bounded queue of its own.

A watcher that could have missed something is ended with an error; it comes back, compares, and has missed nothing.
That covers a lost connection to PostgreSQL, a watcher that reads too slowly, and a table that was emptied.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from services.registry.store.rows import Change
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_REGISTRY_UNAVAILABLE,
    ERROR_REASON_RESOURCE_EXHAUSTED,
    ErrorReason,
)

MAX_WATCHERS = 1000
MAX_PENDING = 1024
"""Connections with an event that a watcher has not read yet; events of one connection are merged."""


class Subscription:
    """What one watcher has not read yet.

    Args:
        type_: the type of connections it watches.
    """

    def __init__(self, type_: str) -> None:
        self.type = type_
        self._pending: dict[str, Change] = {}
        self._error: StudioError | None = None
        self._wake = asyncio.Event()

    def push(self, change: Change) -> None:
        """Adds an event; ends the watcher when it is too far behind."""
        # To the end, and the later event wins: what was changed and then deleted is deleted. Who has to look at a
        # connection anew finds its grants there, too.
        waiting = self._pending.pop(change.id, None)
        if change.access and waiting is not None:
            change = waiting
        if len(self._pending) >= MAX_PENDING:
            self.end(
                _ended(
                    ERROR_REASON_RESOURCE_EXHAUSTED, "The watcher reads too slowly; it has to compare anew."
                )
            )
            return
        self._pending[change.id] = change
        self._wake.set()

    def end(self, error: StudioError) -> None:
        """Makes `next` raise."""
        self._error = error
        self._wake.set()

    async def next(self, timeout_s: float) -> Change | None:
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
        change = self._pending.pop(next(iter(self._pending)))
        if not self._pending:
            self._wake.clear()
        return change


class Feed:
    """The watchers of this process. Begins down: nobody can watch before changes arrive."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._observers: list[Callable[[Change | None], None]] = []
        self._up = False
        self.lists_version = 0
        """Grows whenever something that lists show has changed, or may have."""

    @property
    def is_up(self) -> bool:
        """Whether changes arrive."""
        return self._up

    def version(self) -> int | None:
        """The version of what lists show; None while changes can't be heard of."""
        return self.lists_version if self._up else None

    def lists_changed(self) -> None:
        """Something that lists show has changed."""
        self.lists_version += 1

    def observe(self, observer: Callable[[Change | None], None]) -> None:
        """Tells a part of this process of every change, of whatever type; None when anything may have changed."""
        self._observers.append(observer)

    def up(self) -> None:
        """Changes arrive from now on."""
        self._up = True
        self.lists_changed()  # what happened before was not heard

    def down(self) -> None:
        """Changes may be missed from now on: ends every watcher and refuses new ones."""
        self._up = False
        self.resync()

    def resync(self) -> None:
        """Ends every watcher, so that each compares anew."""
        self.lists_changed()
        for subscription in self._subscriptions:
            subscription.end(_not_watching())
        for observer in self._observers:
            observer(None)

    def publish(self, database_id: str, types: Sequence[str], *, deleted: bool) -> None:
        """Tells those who watch.

        Args:
            database_id: what changed.
            types: its type before and after; one where it stayed.
            deleted: whether it is gone.
        """
        for observer in self._observers:
            observer(Change(database_id, deleted=deleted))
        for subscription in self._subscriptions:
            if subscription.type in types:
                # For the watchers of the type it had before it is gone.
                gone = deleted or subscription.type != types[-1]
                subscription.push(Change(database_id, deleted=gone))

    def publish_access(self, database_id: str) -> None:
        """Tells those who watch, of whatever type, that the grants on a database changed."""
        change = Change(database_id, deleted=False, access=True)
        for observer in self._observers:
            observer(change)
        for subscription in self._subscriptions:
            subscription.push(change)

    @contextlib.contextmanager
    def subscribe(self, type_: str) -> Iterator[Subscription]:
        """Collects the changes of one type.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE while down; RESOURCE_EXHAUSTED with too many watchers.
        """
        if not self._up:
            raise _not_watching()
        if len(self._subscriptions) >= MAX_WATCHERS:
            raise _ended(ERROR_REASON_RESOURCE_EXHAUSTED, f"There are {MAX_WATCHERS} watchers already.")
        subscription = Subscription(type_)
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
