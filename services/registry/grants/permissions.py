"""What a caller may do, by the names of the audit log: derived from the contract, as `authorize` decides."""

from __future__ import annotations

from collections.abc import Iterable

from services.runtime.access import Registered, Role
from services.runtime.context import Caller
from services.runtime.contract import Method, load_contract
from services.runtime.databases import is_read_only
from services.runtime.interceptors.authorize import allows

OWN_AREA = "registry"
AREAS = {"redis": "redis", "mongodb": "mongodb", "bun_api": "bun"}
"""Area of the contract by type of database. PostgreSQL has none: its routes are pg-meta's."""


def actions_of(caller: Caller) -> list[str]:
    """What the token lets its caller do, on databases of its projects among them."""
    return _names(method for method in load_contract().methods.values() if allows(method, caller))


def actions_on(role: Role, database: Registered) -> list[str]:
    """What a role lets its holder do on a database: what changes it is not among them where it is read-only."""
    frozen = is_read_only(database.config)
    areas = {OWN_AREA, AREAS.get(database.type)}
    return _names(
        method
        for method in load_contract().methods.values()
        if method.database_field
        and not method.is_internal
        and method.area in areas
        and (method.any_caller or role >= method.role)
        and not (frozen and method.changes and method.area != OWN_AREA and not method.target_field)
    )


def _names(methods: Iterable[Method]) -> list[str]:
    return sorted({method.action for method in methods if not method.is_internal})
