"""What the registry asks of whoever keeps API keys and ended sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

LONGEST_SHOWN_S = 1800.0
"""Seconds for which something that has ended must be refused: as `platform.end_credential` has it."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    name: str
    role: str
    """`owner`, `administrator`, `developer`, `read_only` or `none`."""
    project_refs: tuple[str, ...] | None
    """The projects to which it is limited; None for all."""
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """An API key to store."""

    id: str
    secret_hash: bytes = field(repr=False)
    name: str
    role: str
    project_refs: tuple[str, ...] | None
    created_by: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """An API key with what knows its secret."""

    key: ApiKey
    secret_hash: bytes = field(repr=False)
    has_expired: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """An API key or session that has ended."""

    id: str
    forget_after_s: float
    """Seconds after which nobody can show it any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """A key's place in the list."""

    created_at: datetime
    id: str


class CredentialStore(Protocol):
    """Keeps them. Every method raises REGISTRY_UNAVAILABLE when it can't be asked."""

    async def insert(self, new: NewApiKey) -> ApiKey:
        """Stores a key.

        Raises:
            StudioError: PROJECT_NOT_FOUND; RESOURCE_EXHAUSTED when there are too many; REGISTRY_READ_ONLY.
        """

    async def list_page(
        self, projects: frozenset[str] | None, after: Place | None, limit: int
    ) -> list[ApiKey]:
        """At most `limit` keys, the newest first, of those limited to some of `projects`; of all for None."""

    async def get(self, key_id: str) -> Held | None:
        """One key."""

    async def revoke(self, key_id: str) -> None:
        """Revokes a key; one that is revoked stays so."""

    async def note_use(self, key_ids: Sequence[str]) -> None:
        """Notes that keys are in use."""

    async def end(self, session_id: str) -> None:
        """Ends a session."""

    async def ended(self, known: Sequence[str]) -> list[Ended]:
        """Of the `known` keys those that don't count any more, and whatever has ended lately."""
