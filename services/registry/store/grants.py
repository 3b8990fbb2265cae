"""The statements about `platform.database_permissions`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.registry.store.pool import Connection, Pool
from services.registry.store.rows import Change, Grant, Grants, Known, access_revision
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_CONFLICT

MAX_GRANTS = 200
"""Grants on one database: they travel to every service that uses it."""

_COLUMNS = "g.id::text, g.database_id::text, g.subject, g.role, g.created_at, g.created_by"
_OF = """
SELECT g.database_id::text, jsonb_object_agg(g.subject, g.role)
FROM platform.database_permissions g WHERE g.database_id = ANY(%(ids)s::uuid[])
GROUP BY g.database_id
"""
_LIST = f"""
SELECT {_COLUMNS} FROM platform.database_permissions g WHERE g.database_id = %(id)s
ORDER BY g.subject COLLATE "C" LIMIT %(limit)s
"""  # noqa: S608  constants only
# One after the other for each database, so that no two pass the bound together.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(id)s, 7237110983))"
_EXISTS = "SELECT FROM platform.databases d WHERE d.id = %(id)s FOR KEY SHARE"
_OTHERS = """
SELECT count(*) FROM platform.database_permissions g WHERE g.database_id = %(id)s AND g.subject <> %(subject)s
"""
_PUT = f"""
INSERT INTO platform.database_permissions AS g (database_id, subject, role, created_by)
VALUES (%(id)s, %(subject)s, %(role)s, %(created_by)s)
ON CONFLICT (database_id, subject)
DO UPDATE SET role = excluded.role, created_at = now(), created_by = excluded.created_by
RETURNING {_COLUMNS}
"""  # noqa: S608  constants only
_DELETE = "DELETE FROM platform.database_permissions WHERE id = %(grant_id)s AND database_id = %(id)s"


async def of(pool: Pool, database_ids: Sequence[str]) -> dict[str, Grants]:
    """The grants on databases by id; those without any are left out."""
    if not database_ids:
        return {}
    return dict(await pool.read(_OF, {"ids": list(database_ids)}))


async def listed(pool: Pool, database_id: str) -> list[Grant]:
    """The grants on one database, by subject."""
    return [Grant(*row) for row in await pool.read(_LIST, {"id": database_id, "limit": MAX_GRANTS})]


async def put(connection: Connection, given: Mapping[str, str], *, stored: bool) -> Grant | None:
    """Gives a role, instead of the one that the subject had; None where there is no such database.

    Args:
        connection: in a transaction.
        given: `id` of the database, `subject`, `role`, `created_by`.
        stored: the database has a row, which must exist; one of the environment has none.

    Raises:
        StudioError: CONFLICT where there are `MAX_GRANTS` already.
    """
    parameters = dict(given)
    await connection.execute(_LOCK, parameters)
    if stored and (await connection.execute(_EXISTS, parameters)).rowcount == 0:
        return None
    others = await (await connection.execute(_OTHERS, parameters)).fetchone()
    if others is not None and others[0] >= MAX_GRANTS:
        raise StudioError(
            ERROR_REASON_CONFLICT,
            f"This database has {MAX_GRANTS} grants, as many as it may have: take one back first.",
        )
    row = await (await connection.execute(_PUT, parameters)).fetchone()
    return Grant(*row) if row else None


async def delete(connection: Connection, database_id: str, grant_id: str) -> bool:
    """Takes one back; False where there is none of this id on this database."""
    found = await connection.execute(_DELETE, {"id": database_id, "grant_id": grant_id})
    return found.rowcount > 0


def changes(known: Iterable[Known], grants: Mapping[str, Grants]) -> list[Change]:
    """The databases whose grants are others than the watcher knows."""
    return [
        Change(each.id, deleted=False, access=True)
        for each in known
        if access_revision(grants.get(each.id.lower(), {})) != each.access_revision
    ]
