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
    Grant,
    Grants,
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
    "Grant",
    "Grants",
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

    async def grants(self, database_ids: Sequence[str]) -> dict[str, Grants]:
        """The grants on databases, by id; those without any are left out. Of ids that are none there may be some."""

    async def list_grants(self, database_id: str) -> list[Grant]:
        """The grants on a database, by subject; `MAX_GRANTS` at most."""

    async def put_grant(
        self, database_id: str, subject: str, role: str, created_by: str, *, stored: bool = True
    ) -> Grant:
        """Gives a subject a role on a database, instead of the one it had there.

        Args:
            database_id: which one.
            subject: who.
            role: `read`, `write` or `admin`.
            created_by: subject who gives it.
            stored: whether the platform database holds the database, which then must exist.

        Raises:
            StudioError: DB_NOT_FOUND; REGISTRY_READ_ONLY; CONFLICT where there are `MAX_GRANTS` already.
        """

    async def delete_grant(self, database_id: str, grant_id: str) -> bool:
        """Takes a grant on a database back; False where there is none of this id on it.

        Raises:
            StudioError: REGISTRY_READ_ONLY.
        """

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:
        """Those of the known connections that have changed or gone, in one query."""
