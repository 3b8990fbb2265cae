"""Indexes as they are: keys and options, size, use, and how far their builds are.

https://www.mongodb.com/docs/manual/reference/command/listIndexes/,
https://www.mongodb.com/docs/manual/reference/operator/aggregation/indexStats/
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from services.mongo_svc import ejson, errors, namespaces, stats
from services.mongo_svc.client import Document, MongoClient
from services.mongo_svc.codes import MISSING
from services.mongo_svc.error_table import UNAUTHORIZED
from services.mongo_svc.indexes import progress
from services.mongo_svc.indexes.progress import BuildProgress
from services.mongo_svc.introspection import ask, listed
from services.mongo_svc.namespaces import VIEW
from services.mongo_svc.server.asking import Missing
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_PERMISSION_DENIED

UNKNOWN = -1.0
_SHOWN = frozenset({b"v", b"key", b"name", b"ns", b"unique", b"sparse", b"hidden", b"expireAfterSeconds"})
"""Parts of a specification that have fields of their own, or tell nobody anything."""
_KINDS = frozenset({"text", "2d", "2dsphere", "hashed"})


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a node used an index."""

    node: str
    shard: str
    used: float
    since: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Index:
    """An index, as `IndexInfo` of the contract."""

    name: str
    key: bytes
    type: str
    unique: bool
    sparse: bool
    hidden: bool
    partial: bool
    expire_after_s: float
    options: bytes
    """BSON of what has no field here."""
    size_bytes: float = UNKNOWN
    usage: Sequence[Usage] = ()
    build: BuildProgress | None = None

    @property
    def used(self) -> float:
        """How often it was used, by all nodes that answered."""
        return sum(each.used for each in self.usage) if self.usage else UNKNOWN

    @property
    def used_since(self) -> dt.datetime | None:
        """Since when all of them count."""
        known = [each.since for each in self.usage if each.since is not None]
        return max(known, default=None)


@dataclass(slots=True)
class IndexList:
    """The indexes of a collection, sorted by name, and what the server did not tell."""

    indexes: list[Index] = field(default_factory=list)
    unavailable: list[Missing] = field(default_factory=list)


def of_specification(raw: bytes) -> Index:
    """An index from what `listIndexes` says of it, in BSON; values keep their types."""
    specification = RawBSONDocument(raw)
    parts = list(ejson.elements(raw))
    key = next((part.raw for part in parts if part.name == b"key"), ejson.build([]))
    expires = specification.get("expireAfterSeconds")
    return Index(
        name=str(specification["name"]),
        key=key,
        type="clustered" if specification.get("clustered") else _type(key),
        unique=bool(specification.get("unique", False)),
        sparse=bool(specification.get("sparse", False)),
        hidden=bool(specification.get("hidden", False)),
        partial="partialFilterExpression" in specification,
        expire_after_s=float(expires) if isinstance(expires, (int, float)) else UNKNOWN,
        options=ejson.build(part for part in parts if part.name not in _SHOWN),
    )


def _type(key: bytes) -> str:
    for name, value in RawBSONDocument(key).items():
        if name == "$**" or name.endswith(".$**"):
            return "wildcard"
        if value in _KINDS:
            return str(value)
    return "regular"


async def specifications(client: MongoClient, database: str, collection: str) -> list[Index]:
    """The indexes by what `listIndexes` says, sorted by name; none for a view.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `MongoClient.command`.
    """
    if await namespaces.existing(client, database, collection) == VIEW:
        return []
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        command = {"listIndexes": client.collection_name(database, collection), "cursor": {}}
        found = [of_specification(bytes(each.raw)) async for each in listed(client, database, command)]
    return sorted(found, key=lambda index: index.name)


async def list_indexes(client: MongoClient, database: str, collection: str) -> IndexList:
    """The indexes with sizes, use and builds, as far as the user may know these.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `MongoClient.command`.
    """
    found = IndexList()
    known = await specifications(client, database, collection)
    if not known:
        return found
    sizes: Mapping[str, float] = {}
    try:
        sizes = stats.index_sizes(await stats.storage_stats(client, database, collection))
    except StudioError as error:
        if error.reason != ERROR_REASON_DB_PERMISSION_DENIED:
            raise
        found.unavailable.append(Missing("sizes", f"collStats on {database}.{collection}", "read"))
    usage = await _usage(client, database, collection, found)
    builds: Mapping[str, BuildProgress] = {}
    if any(each.building for each in usage):
        asked = await progress.of_builds(client, database, collection)
        if asked is None:
            found.unavailable.append(Missing("builds", "inprog on the cluster", "clusterMonitor"))
        builds = asked or {}
    for index in known:
        of_index = [each for each in usage if each.name == index.name]
        building = any(each.building for each in of_index)
        found.indexes.append(
            dataclasses.replace(
                index,
                size_bytes=sizes.get(index.name, UNKNOWN),
                usage=[each.usage for each in of_index],
                build=builds.get(index.name, BuildProgress()) if building else None,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class _Used:
    name: str
    usage: Usage
    building: bool


async def _usage(client: MongoClient, database: str, collection: str, found: IndexList) -> list[_Used]:
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        try:
            return [_used(each) for each in await ask(client, database, collection, {"$indexStats": {}})]
        except OperationFailure as error:
            if error.code not in MISSING | {UNAUTHORIZED}:
                raise
            permission = f"indexStats on {database}.{collection}" if error.code == UNAUTHORIZED else ""
            found.unavailable.append(Missing("usage", permission, "clusterMonitor" if permission else ""))
            return []


def _used(each: Document) -> _Used:
    accesses: Mapping[str, Any] = each.get("accesses", {})
    since = accesses.get("since")
    return _Used(
        name=str(each["name"]),
        usage=Usage(
            node=str(each.get("host", "")),
            shard=str(each.get("shard", "")),
            used=float(accesses.get("ops", UNKNOWN)),
            since=since if isinstance(since, dt.datetime) else None,
        ),
        building=bool(each.get("building", False)),
    )
