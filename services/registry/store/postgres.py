"""The platform database as a store. Every statement stands here; values are always parameters, never text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import errors as pg
from psycopg.types.json import Jsonb

from services.registry.store.pool import Pool
from services.registry.store.rows import Change, Database, Filters, Key, Known, NewDatabase, Sealed
from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_ALREADY_EXISTS, ERROR_REASON_PROJECT_NOT_FOUND

# In the order of `Database`'s fields. An empty config is NULL here: reading `{}` a hundred times took 0.8 ms of a list.
# Tables of an older deployment allow NULL where ours don't.
_COLUMNS = """
  d.id::text, d.project_id::text, coalesce(d.project_ref, ''), coalesce(d.project_name, ''),
  coalesce(d.organization_name, ''), coalesce(d.organization_slug, ''), d.name, d.type::text,
  coalesce(d.description, ''), coalesce(d.host, ''), coalesce(d.port, 0), coalesce(d.database_name, ''),
  coalesce(d.username, ''), nullif(d.config, '{}'), coalesce(d.status, 'inactive'), d.last_connected_at,
  coalesce(d.created_at, 'epoch'), coalesce(d.updated_at, 'epoch')
"""
_GET = f"SELECT {_COLUMNS} FROM platform.databases_with_projects d WHERE d.id = %(id)s"  # noqa: S608  constants only
_ORDER = """coalesce(d.project_ref, '') COLLATE "C", d.name COLLATE "C", d.id"""
_CONDITIONS = {
    "project_ref": "d.project_ref = %(project_ref)s",
    "type": "d.type = %(type)s::platform.database_type",
    "status": "d.status = %(status)s",
    "search": "(d.name ILIKE %(search)s OR d.description ILIKE %(search)s OR d.host ILIKE %(search)s)",
}
_AFTER = (
    """(coalesce(d.project_ref, '') COLLATE "C", d.name COLLATE "C", d.id) > """
    "(%(after_ref)s, %(after_name)s, %(after_id)s::uuid)"
)
_FREE = """
SELECT EXISTS (SELECT FROM platform.databases d WHERE d.project_id = p.id AND d.name = %(name)s)
FROM platform.projects p WHERE p.ref = %(project_ref)s LIMIT 1
"""
_INSERT = """
INSERT INTO platform.databases
  (id, project_id, name, type, description, connection_string, host, port, database_name, username, config, status,
   last_connected_at)
SELECT %(id)s, p.id, %(name)s, %(type)s::platform.database_type, %(description)s, %(ciphertext)s, %(host)s,
  nullif(%(port)s, 0), %(database_name)s, %(username)s, %(config)s,
  CASE WHEN %(connected)s THEN 'active' ELSE 'inactive' END, CASE WHEN %(connected)s THEN now() END
FROM platform.projects p WHERE p.ref = %(project_ref)s LIMIT 1
"""
_SEALED = """
SELECT d.id::text, d.type::text, d.connection_string, platform.database_revision(d), d.name, coalesce(p.ref, ''),
  coalesce(d.config, '{}')
FROM platform.databases d JOIN platform.projects p ON p.id = d.project_id
WHERE d.id = %(id)s
"""
_REPLACE = "UPDATE platform.databases SET connection_string = %(new)s WHERE id = %(id)s AND connection_string = %(old)s"
_SUCCESS = """
UPDATE platform.databases SET status = 'active', last_connected_at = now()
WHERE id = %(id)s AND connection_string = %(tested)s
"""
_CHANGES = """
SELECT k.id::text, d.id IS NULL
FROM unnest(%(ids)s::uuid[], %(revisions)s::text[]) AS k (id, revision)
LEFT JOIN platform.databases d ON d.id = k.id AND d.type = %(type)s::platform.database_type
WHERE d.id IS NULL OR platform.database_revision(d) <> k.revision
"""


class Postgres:
    """Keeps databases in `platform.databases`.

    Args:
        pool: connections to the platform database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> list[Database]:
        """See `Store.list_page`."""
        parameters: dict[str, Any] = {
            "project_ref": filters.project_ref,
            "type": filters.type,
            "status": filters.status,
            "search": filters.search and f"%{_like_literal(filters.search)}%",
        }
        conditions = [condition for name, condition in _CONDITIONS.items() if parameters[name]]
        if after is not None:
            conditions.append(_AFTER)
            parameters |= {"after_ref": after.project_ref, "after_name": after.name, "after_id": after.id}
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        query = (
            f"SELECT {_COLUMNS} FROM platform.databases_with_projects d {where} "  # noqa: S608  constants only
            f"ORDER BY {_ORDER} LIMIT %(limit)s"
        )
        rows = await self._pool.read(query, {**parameters, "limit": limit})
        return [Database(*row) for row in rows]

    async def get(self, database_id: str) -> Database | None:
        """See `Store.get`."""
        rows = await self._pool.read(_GET, {"id": database_id})
        return Database(*rows[0]) if rows else None

    async def check_free(self, project_ref: str, name: str) -> None:
        """See `Store.check_free`."""
        rows = await self._pool.read(_FREE, {"project_ref": project_ref, "name": name})
        if not rows:
            raise _no_project(project_ref)
        if rows[0][0]:
            raise _name_taken(name)

    async def insert(self, new: NewDatabase) -> Database:
        """See `Store.insert`."""
        parameters = {
            "id": new.id,
            "project_ref": new.project_ref,
            "name": new.name,
            "type": new.type,
            "description": new.description,
            "ciphertext": new.ciphertext,
            "host": new.host,
            "port": new.port,
            "database_name": new.database_name,
            "username": new.username,
            "config": Jsonb(new.config),
            "connected": new.connected,
        }
        try:
            async with self._pool.write() as connection:
                inserted = await connection.execute(_INSERT, parameters)
                if inserted.rowcount == 0:
                    raise _no_project(new.project_ref)
                row = await (await connection.execute(_GET, {"id": new.id})).fetchone()
        except pg.UniqueViolation:
            raise _name_taken(new.name) from None
        except pg.ForeignKeyViolation:  # the project was deleted in this very moment
            raise _no_project(new.project_ref) from None
        if row is None:
            raise _no_project(new.project_ref)
        return Database(*row)

    async def sealed(self, database_id: str) -> Sealed | None:
        """See `Store.sealed`."""
        rows = await self._pool.read(_SEALED, {"id": database_id})
        return Sealed(*rows[0]) if rows else None

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:
        """See `Store.replace_ciphertext`."""
        async with self._pool.write() as connection:
            await connection.execute(_REPLACE, {"id": database_id, "old": old, "new": new})

    async def record_success(self, database_id: str, tested: str) -> None:
        """See `Store.record_success`."""
        async with self._pool.write() as connection:
            await connection.execute(_SUCCESS, {"id": database_id, "tested": tested})

    async def changes(self, type_: str, known: Sequence[Known]) -> list[Change]:
        """See `Store.changes`."""
        if not known:
            return []
        parameters = {
            "type": type_,
            "ids": [each.id for each in known],
            "revisions": [each.revision for each in known],
        }
        rows = await self._pool.read(_CHANGES, parameters)
        return [Change(id_, deleted=deleted) for id_, deleted in rows]


def _like_literal(text: str) -> str:
    """The text with the metacharacters of LIKE escaped, so that it stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _no_project(project_ref: str) -> StudioError:
    return StudioError(ERROR_REASON_PROJECT_NOT_FOUND, f"There is no project {project_ref!r}.")


def _name_taken(name: str) -> StudioError:
    message = f"A database named {name!r} is already registered in this project."
    return StudioError(ERROR_REASON_ALREADY_EXISTS, message, violations=[FieldViolation("name", message)])
