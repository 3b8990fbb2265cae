"""The UPDATE of one database: which columns it sets, and on which condition."""

from __future__ import annotations

from typing import Any

from psycopg.types.json import Jsonb

from services.registry.store.rows import Edit

_CONNECTION = (
    "connection_string = %(ciphertext)s, host = %(host)s, port = nullif(%(port)s, 0), "
    "database_name = %(database_name)s, username = %(username)s"
)
_TESTED = "last_connected_at = now(), status = CASE WHEN deactivated_at IS NULL THEN 'active' ELSE status END"
# Nobody knows whether the new connection works; as after a registration without a test.
_UNTESTED = "last_connected_at = NULL, status = 'inactive'"


def edit_statement(edit: Edit) -> tuple[str, dict[str, Any]]:
    """The statement and its parameters. It changes no row when there is none, or `based_on` is out of date."""
    parameters: dict[str, Any] = {"id": edit.id, "based_on": edit.based_on, "status": edit.status}
    columns: list[str] = []
    if edit.name is not None:
        columns.append("name = %(name)s")
        parameters["name"] = edit.name
    if edit.description is not None:
        columns.append("description = %(description)s")
        parameters["description"] = edit.description
    if edit.config is not None:
        columns.append("config = %(config)s")
        parameters["config"] = Jsonb(edit.config)
    if edit.connection is not None:
        columns.append(_CONNECTION)
        parameters |= {
            "ciphertext": edit.connection.ciphertext,
            "host": edit.connection.host,
            "port": edit.connection.port,
            "database_name": edit.connection.database_name,
            "username": edit.connection.username,
        }
        # A status that the user chose at the same time stands below.
        tried = _TESTED if edit.connection.connected else _UNTESTED
        columns.append(tried if edit.status is None else tried.partition(", ")[0])
    if edit.status is not None:
        columns.append("status = %(status)s")
        columns.append(
            f"deactivated_at = {'NULL' if edit.status == 'active' else 'coalesce(deactivated_at, now())'}"
        )
    condition = "id = %(id)s" + (" AND connection_string = %(based_on)s" if edit.based_on is not None else "")
    # Nothing to set: the row is locked and read all the same, so that the answer is the row.
    changes = ", ".join(columns) or "id = id"
    return f"UPDATE platform.databases SET {changes} WHERE {condition}", parameters  # noqa: S608  constants only
