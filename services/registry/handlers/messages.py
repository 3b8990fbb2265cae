"""Rows as messages of the contract."""

from __future__ import annotations

from services.registry import railway
from services.registry.store import Database
from services.runtime.access import Role, role_name
from studio.registry.v1 import database_pb2


def to_message(row: Database, role: Role, *, on_railway: bool) -> database_pb2.Database:
    """A registered database, as users see it.

    Args:
        row: the database.
        role: what the caller is on it.
        on_railway: whether this system runs there, and can reach internal addresses.
    """
    message = database_pb2.Database(
        id=row.id,
        project_id=row.project_id,
        project_ref=row.project_ref,
        project_name=row.project_name,
        organization_name=row.organization_name,
        organization_slug=row.organization_slug,
        name=row.name,
        type=row.type,
        description=row.description,
        host=row.host,
        port=row.port,
        database_name=row.database_name,
        username=row.username,
        status=row.status,
        source=row.source,
        stale=row.stale,
        caller_role=role_name(role),
        hint=row.hint or railway.advice(row.host, on_railway=on_railway),
    )
    message.created_at.FromDatetime(row.created_at)
    message.updated_at.FromDatetime(row.updated_at)
    if row.last_connected_at is not None:
        message.last_connected_at.FromDatetime(row.last_connected_at)
    # An empty config shows as {}.
    message.config.SetInParent()
    if row.config:
        message.config.update(row.config)
    return message
