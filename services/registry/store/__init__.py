"""Where registered databases are kept.

`Store` is what the registry asks of it; `postgres` keeps them in the platform database, `nothing` stands in where
there is none. The connections from the environment will be a third.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.registry.store.rows import Change, Database, Filters, Key, Known, NewDatabase, Sealed

__all__ = ["Change", "Database", "Filters", "Key", "Known", "NewDatabase", "Sealed", "Store"]


class Store(Protocol):
    """Keeps databases. Every method raises REGISTRY_UNAVAILABLE when it can't be asked."""

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> list[Database]:
        """At most `limit` databases by project, name and id, from the one after `after` on."""

    async def get(self, database_id: str) -> Database | None:
        """One database; None where there is none of this id."""

    async def check_free(self, project_ref: str, name: str) -> None:
        """Refuses what `insert` would refuse, before anything slow is done for it.

        Raises:
            StudioError: PROJECT_NOT_FOUND, ALREADY_EXISTS, REGISTRY_READ_ONLY.
        """

    async def insert(self, new: NewDatabase) -> Database:
        """Stores a database.

        Raises:
            StudioError: PROJECT_NOT_FOUND, ALREADY_EXISTS, REGISTRY_READ_ONLY.
        """

    async def sealed(self, database_id: str) -> Sealed | None:
        """One database with its ciphertext; None where there is none of this id."""

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:
        """Stores another ciphertext, unless the stored one has changed meanwhile."""

    async def record_success(self, database_id: str, tested: str) -> None:
        """Notes that a connection succeeded just now, unless the ciphertext is no longer the one tested."""

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:
        """Those of the known connections that have changed or gone, in one query."""
