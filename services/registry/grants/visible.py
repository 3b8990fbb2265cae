"""Registered databases as the deciding about callers sees them, and which of them a caller sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.registry.databases import Databases
from services.registry.store import Database, Filters
from services.runtime.access import GRANTS, Registered, Role, role_in
from services.runtime.context import Caller
from services.runtime.rights import Find
from studio.options.v1.access_pb2 import ROLE_READ_ONLY, ROLE_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class _Registered:
    """See `Registered`."""

    id: str
    type: str
    name: str
    project_ref: str
    config: Mapping[str, Any]
    grants: Mapping[str, Role]


def finder(databases: Databases) -> Find:
    """How this process finds databases for `authorize`."""

    async def find(database_id: str) -> Registered:
        row = await databases.get(database_id)
        return _Registered(
            id=row.id,
            type=row.type,
            name=row.name,
            project_ref=row.project_ref,
            config=row.config or {},
            grants={subject: GRANTS[role] for subject, role in (row.grants or {}).items()},
        )

    return find


def visible(caller: Caller, filters: Filters) -> Filters:
    """The filters, narrowed to the databases that a caller may read."""
    return dataclasses.replace(
        filters,
        projects=None if caller.projects is None else tuple(sorted(caller.projects)),
        granted_to=None if caller.role >= ROLE_READ_ONLY else caller.subject,
    )


def role_of(caller: Caller, row: Database) -> Role:
    """The caller's role on a database."""
    granted = (row.grants or {}).get(caller.subject)
    return role_in(caller, row.project_ref, GRANTS[granted] if granted else ROLE_UNSPECIFIED)
