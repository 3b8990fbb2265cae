"""Tells every watcher which API keys and sessions end: one listener feeds all of them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from services.registry.credentials.store import Ended
from services.registry.watchers import Subscription, Watchers


class CredentialFeed(Watchers[Subscription[Ended]]):
    """The watchers of what ends."""

    def publish(self, event: Ended) -> None:
        """Tells those who watch."""
        for subscription in self._subscriptions:
            subscription.push(event)

    def subscribe(self) -> AbstractContextManager[Subscription[Ended]]:
        """Collects what ends.

        Raises:
            StudioError: as `joined`.
        """
        return self.joined(Subscription())
