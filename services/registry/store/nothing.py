"""The store of a registry without a platform database: reads find nothing, writes are refused."""

from __future__ import annotations

from collections.abc import Sequence

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
    NewDatabase,
    Request,
    Sealed,
)
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_REGISTRY_READ_ONLY


class Nothing:
    """Keeps no databases."""

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> Listed:  # noqa: ARG002
        """No database."""
        return Listed([])

    async def get(self, database_id: str) -> Database | None:  # noqa: ARG002
        """None."""
        return None

    def check_writable(self, database_id: str) -> None:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def check_free(self, project_ref: str, name: str) -> None:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def insert(self, new: NewDatabase) -> Database:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def request(self, request_id: str) -> Request | None:  # noqa: ARG002
        """None."""
        return None

    async def update(self, edit: Edit) -> Database | None:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def delete(self, database_id: str) -> bool:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def sealed(self, database_id: str) -> Sealed | None:  # noqa: ARG002
        """None."""
        return None

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def record_success(self, database_id: str, tested: str) -> None:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def grants(self, database_ids: Sequence[str]) -> dict[str, Grants]:  # noqa: ARG002
        """None."""
        return {}

    async def list_grants(self, database_id: str) -> list[Grant]:  # noqa: ARG002
        """None."""
        return []

    async def put_grant(
        self,
        database_id: str,  # noqa: ARG002
        subject: str,  # noqa: ARG002
        role: str,  # noqa: ARG002
        created_by: str,  # noqa: ARG002
        *,
        stored: bool = True,  # noqa: ARG002
    ) -> Grant:
        """Always refuses."""
        raise _read_only()

    async def delete_grant(self, database_id: str, grant_id: str) -> bool:  # noqa: ARG002
        """Always refuses."""
        raise _read_only()

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:  # noqa: ARG002
        """All of them are gone."""
        return [Change(each.id, deleted=True) for each in known]


def _read_only() -> StudioError:
    return StudioError(
        ERROR_REASON_REGISTRY_READ_ONLY,
        "This registry has no platform database, so it can't store anything: set DATABASE_URL.",
    )
