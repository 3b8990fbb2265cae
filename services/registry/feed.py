"""Tells every watcher what changed of connections: one listener feeds all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from services.registry.store.rows import Change
from services.registry.watchers import Subscription, Watchers


class Changes(Subscription[Change]):
    """What one watcher of connections has not read yet.

    Args:
        type_: the type of connections it watches.
    """

    def __init__(self, type_: str) -> None:
        super().__init__()
        self.type = type_

    def merged(self, waiting: Change, event: Change) -> Change:
        """The later one: what was changed and then deleted is deleted.

        Who has to look at a connection anew finds its grants there, too.
        """
        return waiting if event.access else event


class Feed(Watchers[Changes]):
    """The watchers of connections."""

    def __init__(self) -> None:
        super().__init__()
        self._observers: list[Callable[[Change | None], None]] = []
        self.lists_version = 0
        """Grows whenever something that lists show has changed, or may have."""

    def version(self) -> int | None:
        """The version of what lists show; None while changes can't be heard of."""
        return self.lists_version if self.is_up else None

    def lists_changed(self) -> None:
        """Something that lists show has changed."""
        self.lists_version += 1

    def observe(self, observer: Callable[[Change | None], None]) -> None:
        """Tells a part of this process of every change, of whatever type; None when anything may have changed."""
        self._observers.append(observer)

    def up(self) -> None:
        """Changes arrive from now on."""
        super().up()
        self.lists_changed()  # what happened before was not heard

    def resync(self) -> None:
        """Ends every watcher, so that each compares anew."""
        self.lists_changed()
        super().resync()
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

    def subscribe(self, type_: str) -> AbstractContextManager[Changes]:
        """Collects the changes of one type.

        Raises:
            StudioError: as `joined`.
        """
        return self.joined(Changes(type_))
