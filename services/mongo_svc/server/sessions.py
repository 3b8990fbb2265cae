"""Sessions that clients have with a server.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/listLocalSessions/,
https://www.mongodb.com/docs/manual/reference/operator/aggregation/listSessions/
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo

from services.mongo_svc import errors
from services.mongo_svc.client import PLAIN, MongoClient
from services.mongo_svc.server import shown
from services.mongo_svc.server.asking import UNKNOWN, Asking, Missing


@dataclass(frozen=True, slots=True)
class Session:
    """A session."""

    id: str
    """Its UUID."""
    user: str
    """Whose; empty where the server doesn't tell."""
    last_use_unix_ms: float
    """When it was last used."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions, those used last first."""

    sessions: Sequence[Session]
    has_more: bool
    missing: Sequence[Missing]


async def list_sessions(client: MongoClient, *, cluster: bool, limit: int) -> Sessions:
    """The sessions that there are.

    Args:
        client: the database.
        cluster: those that the whole cluster knows, instead of one server's own.
        limit: of the answer.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    asking = Asking(client)
    rows = await asking.allowed(
        _rows(client, {"allUsers": True}, cluster=cluster, limit=limit),
        None,
        what="sessions of other users",
        permission="listSessions on the cluster",
    )
    if rows is None:
        rows = await _rows(client, {}, cluster=cluster, limit=limit)
    found = [each for each in map(_session, rows) if each is not None]
    return Sessions(found[:limit], len(rows) > limit, asking.missing)


async def _rows(
    client: MongoClient, whose: Mapping[str, Any], *, cluster: bool, limit: int
) -> Sequence[Mapping[str, Any]]:
    name = "$listSessions" if cluster else "$listLocalSessions"
    pipeline: list[Mapping[str, Any]] = [{name: whose}, {"$sort": {"lastUse": -1}}, {"$limit": limit + 1}]
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        if cluster:
            database = client.driver.get_database("config", codec_options=PLAIN)
            cursor = await database.get_collection("system.sessions").aggregate(pipeline)
        else:
            cursor = await client.driver.get_database("admin", codec_options=PLAIN).aggregate(pipeline)
        async with cursor:
            return await cursor.to_list(limit + 1)


def _session(row: Mapping[str, Any]) -> Session | None:
    key = row.get("_id")
    id_ = key.get("id") if isinstance(key, Mapping) else None
    if id_ is None:
        return None  # a server that doesn't know the stage and tells something else
    used = row.get("lastUse")
    return Session(
        id=str(uuid.UUID(bytes=bytes(id_))) if len(bytes(id_)) == _UUID_BYTES else bytes(id_).hex(),
        user=shown.text(row.get("user")),
        last_use_unix_ms=round(used.timestamp() * 1000) if isinstance(used, dt.datetime) else UNKNOWN,
    )


_UUID_BYTES = 16
