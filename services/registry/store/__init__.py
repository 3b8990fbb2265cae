"""Where registered databases are kept.

`Store` is what the registry asks of it; `postgres` keeps them in the platform database, `nothing` stands in where
there is none. Around either, `remembering` answers reads while the platform database is away, and `environment` adds
the connections of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.registry.store.rows import (
    Change,
    Database,
    Edit,
    Filters,
    Key,
    Known,
    Listed,
    NewConnection,
    NewDatabase,
    OvertakenError,
    Request,
    RequestRepeatedError,
    Sealed,
)

__all__ = [
    "Change",
    "Database",
    "Edit",
    "Filters",
    "Key",
    "Known",
    "Listed",
    "NewConnection",
    "NewDatabase",
    "OvertakenError",
    "Request",
    "RequestRepeatedError",
    "Sealed",
    "Store",
]


class Store(Protocol):
    """Keeps databases. Every method raises REGISTRY_UNAVAILABLE when it can't be asked."""

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> Listed:
        """At most `limit` databases by project, name and id, from the one after `after` on."""

    async def get(self, database_id: str) -> Database | None:
        """One database; None where there is none of this id."""

    def check_writable(self, database_id: str) -> None:
        """Refuses a database that can't be changed, before anything slow is done for it.

        Raises:
            StudioError: REGISTRY_READ_ONLY.
        """

    async def check_free(self, project_ref: str, name: str) -> None:
        """Refuses what `insert` would refuse, before anything slow is done for it.

        Raises:
            StudioError: PROJECT_NOT_FOUND, ALREADY_EXISTS, REGISTRY_READ_ONLY.
        """

    async def insert(self, new: NewDatabase) -> Database:
        """Stores a database.

        Raises:
            StudioError: PROJECT_NOT_FOUND, ALREADY_EXISTS, REGISTRY_READ_ONLY.
            RequestRepeatedError: the request that makes it was made before.
        """

    async def request(self, request_id: str) -> Request | None:
        """What a request has made; None where it has made nothing."""

    async def update(self, edit: Edit) -> Database | None:
        """Changes a database; None where there is none of this id.

        Raises:
            StudioError: ALREADY_EXISTS, REGISTRY_READ_ONLY.
            OvertakenError: `edit.based_on` is no longer what is stored.
        """

    async def delete(self, database_id: str) -> bool:
        """Removes a database; False where there is none of this id.

        Raises:
            StudioError: REGISTRY_READ_ONLY.
        """

    async def sealed(self, database_id: str) -> Sealed | None:
        """One database with its ciphertext; None where there is none of this id."""

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:
        """Stores another ciphertext, unless the stored one has changed meanwhile."""

    async def record_success(self, database_id: str, tested: str) -> None:
        """Notes that a connection succeeded just now, unless the ciphertext is no longer the one tested."""

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:
        """Those of the known connections that have changed or gone, in one query."""
