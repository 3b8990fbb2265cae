"""Databases and collections: found and listed without counting or scanning anything.

https://www.mongodb.com/docs/manual/reference/command/listDatabases/,
https://www.mongodb.com/docs/manual/reference/command/listCollections/
"""

from __future__ import annotations

import base64
import heapq
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from services.mongo_svc import errors
from services.mongo_svc.client import PLAIN, Document, MongoClient
from services.mongo_svc.error_table import UNAUTHORIZED
from services.mongo_svc.introspection import listed
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CURSOR, ERROR_REASON_NAMESPACE_NOT_FOUND

DEFAULT_PAGE = 100
COLLECTION, VIEW, TIME_SERIES = "collection", "view", "timeseries"
SYSTEM_DATABASES = frozenset({"admin", "config", "local"})
SYSTEM_PREFIX = "system."


def is_system(collection: str) -> bool:
    """Whether a collection is one of the server's own."""
    return collection.startswith(SYSTEM_PREFIX)


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
    options: bytes | None
    """BSON, as it was created with; None where the user may know the name alone."""

    def decoded_options(self) -> Document:
        """The options as values of Python, as far as they are known."""
        return bson.decode(self.options, codec_options=PLAIN) if self.options else {}


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


class FirstNames:
    """Keeps the first names in order, of however many come in whatever order, with the type of each.

    Args:
        size: how many to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[str, str]] = []

    def add(self, name: str, type_: str) -> None:
        """Takes one."""
        self._kept.append((name, type_))
        if len(self._kept) > 2 * self._size:
            self._kept = self.sorted()

    def sorted(self) -> list[tuple[str, str]]:
        """Those that are kept."""
        return heapq.nsmallest(self._size, self._kept)

    def __len__(self) -> int:
        """How many are held: twice as many as are kept at most."""
        return len(self._kept)


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


async def database_exists(client: MongoClient, database: str) -> bool:
    """Whether there is a database of this name that the user may see.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    # Without `authorizedDatabases` as in `list_databases`: a user who may list them all learns of all.
    answer = await client.command(
        "admin", {"listDatabases": 1, "nameOnly": True, "filter": {"name": client.database_name(database)}}
    )
    return bool(answer["databases"])


async def list_collections(client: MongoClient, query: CollectionQuery) -> CollectionPage:
    """A page of collections. The server sorts nothing here, so all names are looked at, but only a page is kept.

    Raises:
        StudioError: INVALID_CURSOR, and as `MongoClient.command`.
    """
    name: dict[str, Any] = {}
    if query.search:
        name |= {"$regex": re.escape(query.search), "$options": "i"}
    if (after := _name_of(query.after)) is not None:
        name["$gt"] = after
    wanted: dict[str, Any] = {"name": name} if name else {}
    if query.type:
        wanted["type"] = query.type
    first = FirstNames(query.size + 1)
    await _names(client, query.database, wanted, first)
    found = first.sorted()
    page = found[: query.size]
    names = {name for name, _ in page}
    # A range instead of all names: some servers compare each collection with each name.
    between = {"name": {**name, "$gte": min(names), "$lte": max(names)}} if names else {}
    options = await _options(client, query.database, {**wanted, **between}, names)
    # None where it was dropped since. Without the right to see options, the name and type are what there is.
    collections = [
        CollectionInfo(name, type_, None) if options is None else options.get(name) for name, type_ in page
    ]
    return CollectionPage(
        [each for each in collections if each is not None],
        _token(page[-1][0]) if len(found) > len(page) else "",
    )


async def kind_of(client: MongoClient, database: str, collection: str) -> str | None:
    """The type of a collection that the user may see; None where there is none.

    Raises:
        StudioError: INVALID_ARGUMENT where the name can't be one; others as `MongoClient.command`.
    """
    name = client.collection_name(database, collection)
    first = FirstNames(1)
    await _names(client, database, {"name": name}, first)
    return next((type_ for _, type_ in first.sorted()), None)


async def existing(client: MongoClient, database: str, collection: str) -> str:
    """The type of a collection.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `kind_of`.
    """
    kind = await kind_of(client, database, collection)
    if kind is None:
        raise not_found(client.database_name(database), collection)
    return kind


async def collection(client: MongoClient, database: str, name: str) -> CollectionInfo:
    """A collection with its options.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `kind_of`.
    """
    found = await _options(client, database, {"name": client.collection_name(database, name)}, {name})
    if found is None:
        return CollectionInfo(name, await existing(client, database, name), None)
    if name not in found:
        raise not_found(client.database_name(database), name)
    return found[name]


def not_found(database: str, collection: str = "") -> StudioError:
    """The error for a database or collection that is not there."""
    what = f"collection {database}.{collection}" if collection else f"database {database}"
    return StudioError(ERROR_REASON_NAMESPACE_NOT_FOUND, f"There is no {what}.")


async def _names(client: MongoClient, database: str, wanted: dict[str, Any], first: FirstNames) -> None:
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        # `nameOnly` takes no lock on the collections and, with `authorizedCollections`, no right on all of them.
        command = {
            "listCollections": 1,
            "filter": wanted,
            "nameOnly": True,
            "authorizedCollections": True,
            "cursor": {},
        }
        async for each in listed(client, database, command):
            first.add(str(each["name"]), str(each.get("type", COLLECTION)))


async def _options(
    client: MongoClient, database: str, wanted: Mapping[str, Any], names: Collection[str]
) -> dict[str, CollectionInfo] | None:
    """The collections of these names with their options; None where the user may not list them.

    Args:
        client: the server.
        database: name of the database; empty for the connection's.
        wanted: what the server shall tell of.
        names: what of that is kept.
    """
    found: dict[str, CollectionInfo] = {}
    if not names:
        return found
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        command = {"listCollections": 1, "filter": wanted, "cursor": {}}
        try:
            async for each in listed(client, database, command):
                if each["name"] not in names:
                    continue  # made since the names were read
                options = each.get("options", {})
                # Some compatible servers list a time series as a collection.
                type_ = TIME_SERIES if TIME_SERIES in options else str(each.get("type", COLLECTION))
                raw = bytes(options.raw) if isinstance(options, RawBSONDocument) else bson.encode(options)
                found[str(each["name"])] = CollectionInfo(str(each["name"]), type_, raw)
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            return None
    return found


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(token: str) -> str | None:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode() if token else None
    except ValueError:  # no base64, not ASCII, or not UTF-8 inside
        raise StudioError(ERROR_REASON_INVALID_CURSOR, "The page token is none of this listing.") from None
