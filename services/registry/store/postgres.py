"""The platform database as a store. Every statement stands here; values are always parameters, never text."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from psycopg import errors as pg
from psycopg.types.json import Jsonb

from services.registry.cache.lists import Lists, Uncached
from services.registry.store import grants
from services.registry.store.edits import edit_statement
from services.registry.store.pool import Connection, Pool
from services.registry.store.rows import (
    Change,
    Database,
    Edit,
    Entry,
    Filters,
    Grant,
    Grants,
    Key,
    Known,
    Listed,
    NewDatabase,
    OvertakenError,
    Request,
    RequestRepeatedError,
    Sealed,
)
from services.runtime.access import not_found
from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_ALREADY_EXISTS, ERROR_REASON_PROJECT_NOT_FOUND

# In the order of `Database`'s fields. An empty config is NULL here: reading `{}` a hundred times took 0.8 ms of a list.
# Tables of an older deployment allow NULL where ours don't.
_COLUMNS = """
  d.id::text, d.project_id::text, coalesce(d.project_ref, ''), coalesce(d.project_name, ''),
  coalesce(d.organization_name, ''), coalesce(d.organization_slug, ''), d.name, d.type::text,
  coalesce(d.description, ''), coalesce(d.host, ''), coalesce(d.port, 0), coalesce(d.database_name, ''),
  coalesce(d.username, ''), nullif(d.config, '{}'), coalesce(d.status, 'inactive'), d.last_connected_at,
  coalesce(d.created_at, 'epoch'), coalesce(d.updated_at, 'epoch'),
  (SELECT jsonb_object_agg(g.subject, g.role) FROM platform.database_permissions g WHERE g.database_id = d.id)
"""
_GET = f"SELECT {_COLUMNS} FROM platform.databases_with_projects d WHERE d.id = %(id)s"  # noqa: S608  constants only
_ORDER = """coalesce(d.project_ref, '') COLLATE "C", d.name COLLATE "C", d.id"""
_CONDITIONS = {
    "project_ref": "d.project_ref = %(project_ref)s",
    "type": "d.type = %(type)s::platform.database_type",
    "status": "d.status = %(status)s",
    "projects": "d.project_ref = ANY(%(projects)s::text[])",
    "granted_to": (
        "EXISTS (SELECT FROM platform.database_permissions g"
        " WHERE g.database_id = d.id AND g.subject = %(granted_to)s)"
    ),
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
  coalesce(d.config, '{}'), d.deactivated_at IS NOT NULL,
  coalesce((SELECT jsonb_object_agg(g.subject, g.role)
    FROM platform.database_permissions g WHERE g.database_id = d.id), '{}')
FROM platform.databases d JOIN platform.projects p ON p.id = d.project_id
WHERE d.id = %(id)s
"""
_ENTRIES = f"""
SELECT {_COLUMNS}, r.connection_string, platform.database_revision(r), r.deactivated_at IS NOT NULL
FROM platform.databases_with_projects d JOIN platform.databases r ON r.id = d.id
"""  # noqa: S608  constants only
_ENTRY = f"{_ENTRIES} WHERE d.id = %(id)s"
_NEXT_ENTRIES = f"{_ENTRIES} WHERE d.id > %(after)s::uuid ORDER BY d.id LIMIT %(limit)s"
_REQUEST = """
SELECT request_id::text, payload_digest, database_id::text
FROM platform.database_requests WHERE request_id = %(id)s
"""
# Waits for another transaction that is just inserting the same one.
_INSERT_REQUEST = """
INSERT INTO platform.database_requests (request_id, payload_digest, database_id)
VALUES (%(id)s, %(digest)s, %(database_id)s)
ON CONFLICT DO NOTHING
"""
# A few more than one is added, so that the table shrinks to what is recent.
_FORGET_REQUESTS = """
DELETE FROM platform.database_requests WHERE request_id IN (
  SELECT request_id FROM platform.database_requests WHERE created_at < now() - interval '7 days'
  ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED
)
"""
_DELETE = "DELETE FROM platform.databases WHERE id = %(id)s"
# Only the sealing changes, so nobody need be told: see the trigger databases_connection_version.
_RESEALING = "SELECT set_config('studio.resealing', 'on', true)"
_REPLACE = "UPDATE platform.databases SET connection_string = %(new)s WHERE id = %(id)s AND connection_string = %(old)s"
_SUCCESS = """
UPDATE platform.databases
SET status = CASE WHEN deactivated_at IS NULL THEN 'active' ELSE status END, last_connected_at = now()
WHERE id = %(id)s AND connection_string = %(tested)s
"""
_CHANGES = """
SELECT k.id::text, d.id IS NULL OR d.deactivated_at IS NOT NULL
FROM unnest(%(ids)s::uuid[], %(revisions)s::text[]) AS k (id, revision)
LEFT JOIN platform.databases d ON d.id = k.id AND d.type = %(type)s::platform.database_type
WHERE d.id IS NULL OR d.deactivated_at IS NOT NULL OR platform.database_revision(d) <> k.revision
"""


class Postgres:
    """Keeps databases in `platform.databases`.

    Args:
        pool: connections to the platform database.
        on_written: told what this process has stored.
        lists: keeps pages of lists.
        on_read: told the ids of what somebody looks at.
    """

    def __init__(
        self,
        pool: Pool,
        on_written: Callable[[Entry], None] = lambda _: None,
        lists: Lists | None = None,
        on_read: Callable[[Iterable[str]], None] = lambda _: None,
    ) -> None:
        self._pool = pool
        self._on_written = on_written
        self._lists = lists or Uncached()
        self._on_read = on_read

    async def list_page(self, filters: Filters, after: Key | None, limit: int) -> Listed:
        """See `Store.list_page`."""

        async def query() -> list[Database]:
            return await self._query_page(filters, after, limit)

        rows = await self._lists.page(filters, after, limit, query)
        self._on_read(row.id for row in rows)
        return Listed(rows)

    async def _query_page(self, filters: Filters, after: Key | None, limit: int) -> list[Database]:
        parameters: dict[str, Any] = {
            "project_ref": filters.project_ref or None,
            "type": filters.type or None,
            "status": filters.status or None,
            "projects": None if filters.projects is None else list(filters.projects),
            "granted_to": filters.granted_to,
            "search": f"%{_like_literal(filters.search)}%" if filters.search else None,
        }
        conditions = [condition for name, condition in _CONDITIONS.items() if parameters[name] is not None]
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
        self._on_read((database_id,))
        rows = await self._pool.read(_GET, {"id": database_id})
        return Database(*rows[0]) if rows else None

    def check_writable(self, database_id: str) -> None:
        """See `Store.check_writable`: all of them are."""

    async def check_free(self, project_ref: str, name: str) -> None:
        """See `Store.check_free`."""
        rows = await self._pool.read(_FREE, {"project_ref": project_ref, "name": name})
        if not rows:
            raise no_project(project_ref)
        if rows[0][0]:
            raise name_taken(name)

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
        with _refusals(new.project_ref, new.name):
            async with self._pool.write() as connection:
                if new.request is not None:
                    await _note_request(connection, new.request)
                inserted = await connection.execute(_INSERT, parameters)
                if inserted.rowcount == 0:
                    raise no_project(new.project_ref)
                written = await _entry(connection, new.id)
        if written is None:
            raise no_project(new.project_ref)
        self._on_written(written)
        return written.database

    async def request(self, request_id: str) -> Request | None:
        """See `Store.request`."""
        rows = await self._pool.read(_REQUEST, {"id": request_id})
        return Request(*rows[0]) if rows else None

    async def update(self, edit: Edit) -> Database | None:
        """See `Store.update`."""
        statement, parameters = edit_statement(edit)
        with _refusals("", edit.name or ""):
            async with self._pool.write() as connection:
                updated = await connection.execute(statement, parameters)
                written = await _entry(connection, edit.id)
        if written is None:
            return None
        if updated.rowcount == 0:
            raise OvertakenError
        self._on_written(written)
        return written.database

    async def delete(self, database_id: str) -> bool:
        """See `Store.delete`."""
        async with self._pool.write() as connection:
            return (await connection.execute(_DELETE, {"id": database_id})).rowcount > 0

    async def entries(self, after: str, limit: int) -> list[Entry]:
        """At most `limit` databases by id, from the one after `after` on, with their ciphertexts."""
        rows = await self._pool.read(_NEXT_ENTRIES, {"after": after, "limit": limit})
        return [_to_entry(row) for row in rows]

    async def sealed(self, database_id: str) -> Sealed | None:
        """See `Store.sealed`."""
        self._on_read((database_id,))
        rows = await self._pool.read(_SEALED, {"id": database_id})
        return Sealed(*rows[0]) if rows else None

    async def replace_ciphertext(self, database_id: str, old: str, new: str) -> None:
        """See `Store.replace_ciphertext`."""
        async with self._pool.write(changes_lists=False) as connection:
            await connection.execute(_RESEALING)
            await connection.execute(_REPLACE, {"id": database_id, "old": old, "new": new})

    async def record_success(self, database_id: str, tested: str) -> None:
        """See `Store.record_success`."""
        async with self._pool.write() as connection:
            await connection.execute(_SUCCESS, {"id": database_id, "tested": tested})

    async def grants(self, database_ids: Sequence[str]) -> dict[str, Grants]:
        """See `Store.grants`."""
        return await grants.of(self._pool, database_ids)

    async def list_grants(self, database_id: str) -> list[Grant]:
        """See `Store.list_grants`."""
        return await grants.listed(self._pool, database_id)

    async def put_grant(
        self, database_id: str, subject: str, role: str, created_by: str, *, stored: bool = True
    ) -> Grant:
        """See `Store.put_grant`."""
        given = {"id": database_id, "subject": subject, "role": role, "created_by": created_by}
        async with self._pool.write() as connection:
            grant = await grants.put(connection, given, stored=stored)
            written = await _entry(connection, database_id)
        if grant is None:
            raise not_found()
        if written is not None:
            self._on_written(written)
        return grant

    async def delete_grant(self, database_id: str, grant_id: str) -> bool:
        """See `Store.delete_grant`."""
        async with self._pool.write() as connection:
            found = await grants.delete(connection, database_id, grant_id)
            written = await _entry(connection, database_id)
        if written is not None:
            self._on_written(written)
        return found

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


async def _note_request(connection: Connection, request: Request) -> None:
    await connection.execute(_FORGET_REQUESTS)
    noted = await connection.execute(
        _INSERT_REQUEST, {"id": request.id, "digest": request.digest, "database_id": request.database_id}
    )
    if noted.rowcount == 0:
        first = await (await connection.execute(_REQUEST, {"id": request.id})).fetchone()
        # Gone in this very moment, when it was as old as requests get: then it is no repeat worth the name.
        raise RequestRepeatedError(Request(*first) if first else request)


async def _entry(connection: Connection, database_id: str) -> Entry | None:
    row = await (await connection.execute(_ENTRY, {"id": database_id})).fetchone()
    return _to_entry(row) if row else None


def _to_entry(row: Sequence[Any]) -> Entry:
    *shown, ciphertext, revision, deactivated = row
    database = Database(*shown)
    return Entry(
        database,
        Sealed(
            id=database.id,
            type=database.type,
            ciphertext=ciphertext,
            revision=revision,
            name=database.name,
            project_ref=database.project_ref,
            config=database.config or {},
            deactivated=deactivated,
            grants=database.grants or {},
        ),
    )


@contextlib.contextmanager
def _refusals(project_ref: str, name: str) -> Iterator[None]:
    """What a constraint refuses, as errors of the contract."""
    try:
        yield
    except pg.UniqueViolation:
        raise name_taken(name) from None
    except pg.ForeignKeyViolation:  # the project was deleted in this very moment
        raise no_project(project_ref) from None


def _like_literal(text: str) -> str:
    """The text with the metacharacters of LIKE escaped, so that it stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def no_project(project_ref: str) -> StudioError:
    """The error for a project that does not exist, or that the caller may not see."""
    return StudioError(ERROR_REASON_PROJECT_NOT_FOUND, f"There is no project {project_ref!r}.")


def name_taken(name: str) -> StudioError:
    """The error for a name that another database of the project has."""
    message = f"A database named {name!r} is already registered in this project."
    return StudioError(ERROR_REASON_ALREADY_EXISTS, message, violations=[FieldViolation("name", message)])
