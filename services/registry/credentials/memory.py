"""The credentials of a registry without a platform database: no API keys, and sessions that end here alone."""

from __future__ import annotations

import time
from collections.abc import Sequence

from services.registry.credentials.store import LONGEST_SHOWN_S, ApiKey, Ended, Held, NewApiKey, Place
from services.runtime.auth.credentials import MAX_ENDED
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_REGISTRY_READ_ONLY


class MemoryCredentials:
    """Remembers which sessions have ended, until nobody can show them any more."""

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}

    async def insert(self, new: NewApiKey) -> ApiKey:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def list_page(
        self,
        projects: frozenset[str] | None,  # noqa: ARG002
        after: Place | None,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> list[ApiKey]:
        """No key."""
        return []

    async def get(self, key_id: str) -> Held | None:  # noqa: ARG002
        """None."""
        return None

    async def revoke(self, key_id: str) -> None:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def note_use(self, key_ids: Sequence[str]) -> None:  # noqa: ARG002
        """There is none."""
        return

    async def end(self, session_id: str) -> None:
        """Remembers it."""
        now = time.monotonic()
        self._ended[session_id] = now + LONGEST_SHOWN_S
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest] > now and len(self._ended) <= MAX_ENDED:
                return
            del self._ended[oldest]

    async def ended(self, known: Sequence[str]) -> list[Ended]:
        """What is remembered; no key is known here."""
        now = time.monotonic()
        gone = [Ended(each, LONGEST_SHOWN_S) for each in known]
        return gone + [Ended(id_, until - now) for id_, until in self._ended.items() if until > now]


def _read_only() -> StudioError:
    return StudioError(
        ERROR_REASON_REGISTRY_READ_ONLY,
        "This registry has no platform database, so it can't store anything: set DATABASE_URL.",
    )
