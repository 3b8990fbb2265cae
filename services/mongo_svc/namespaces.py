"""Databases and collections: listed without counting or scanning anything.

https://www.mongodb.com/docs/manual/reference/command/listDatabases/,
https://www.mongodb.com/docs/manual/reference/command/listCollections/
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bson
import pymongo

from services.mongo_svc import errors
from services.mongo_svc.client import RAW, MongoClient
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CURSOR

DEFAULT_PAGE = 100
SYSTEM_DATABASES = frozenset({"admin", "config", "local"})


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database."""

    name: str
    """Its name."""
    size_bytes: float
    """Bytes on disk; -1 where they were not asked for."""

    @property
    def is_system(self) -> bool:
        """It is one of the server's own."""
        return self.name in SYSTEM_DATABASES


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection or view."""

    name: str
    """Its name."""
    type: str
    """`collection`, `view` or `timeseries`."""
    options: bytes
    """BSON, as it was created with."""


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """Which collections to list."""

    database: str
    """Name of the database; empty for the connection's."""
    search: str
    """What the name must contain."""
    type: str
    """What it must be; empty for any."""
    size: int
    """Collections of a page."""
    after: str
    """Token of the page."""


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """A page of collections, sorted by name."""

    collections: Sequence[CollectionInfo]
    """Those of the page."""
    next: str
    """Token of the next page; empty on the last."""


async def list_databases(client: MongoClient, *, with_sizes: bool) -> list[DatabaseInfo]:
    """The databases that the user may see, sorted by name.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await client.command(
        "admin", {"listDatabases": 1, "nameOnly": not with_sizes, "authorizedDatabases": True}
    )
    found = (DatabaseInfo(each["name"], float(each.get("sizeOnDisk", -1))) for each in answer["databases"])
    return sorted(found, key=lambda each: each.name)


async def list_collections(client: MongoClient, query: CollectionQuery) -> CollectionPage:
    """A page of collections. The server sorts nothing here, so all names are looked at, but only a page is kept.

    Raises:
        StudioError: INVALID_CURSOR, and as `MongoClient.command`.
    """
    after = _name_of(query.after)
    database = client.database(query.database)
    names = []
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        # `nameOnly` takes no lock on the collections and no right on each; options are asked for the page alone.
        wanted: dict[str, Any] = {"name": {"$regex": re.escape(query.search)}} if query.search else {}
        if query.type:
            wanted["type"] = query.type
        async for each in await database.list_collections(
            filter=wanted, nameOnly=True, authorizedCollections=True, codec_options=RAW
        ):
            name = str(each["name"])
            if after is None or name > after:
                names.append(name)
    names = sorted(names)
    page = names[: query.size]
    found = await _options(client, query.database, page)
    more = len(names) > len(page)
    return CollectionPage([found[name] for name in page if name in found], _token(page[-1]) if more else "")


async def _options(client: MongoClient, database: str, names: Sequence[str]) -> dict[str, CollectionInfo]:
    if not names:
        return {}
    found: dict[str, CollectionInfo] = {}
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        # Without rights on the whole database, `authorizedCollections` goes with names alone.
        wanted: dict[str, Any] = {"name": {"$in": list(names)}}
        async for each in await client.database(database).list_collections(filter=wanted):
            options = each.get("options")
            found[str(each["name"])] = CollectionInfo(
                name=str(each["name"]),
                type=str(each.get("type", "collection")),
                options=options.raw if options is not None else bson.encode({}),
            )
    return found


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(token: str) -> str | None:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode() if token else None
    except (binascii.Error, UnicodeDecodeError):
        raise StudioError(ERROR_REASON_INVALID_CURSOR, "The page token is none of this listing.") from None
