"""How large databases and collections are, from the server's own bookkeeping: no documents are counted or read.

https://www.mongodb.com/docs/manual/reference/command/dbStats/,
https://www.mongodb.com/docs/manual/reference/operator/aggregation/collStats/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from services.mongo_svc import errors, namespaces
from services.mongo_svc.client import Document, MongoClient
from services.mongo_svc.codes import MISSING
from services.mongo_svc.introspection import ask
from services.mongo_svc.namespaces import TIME_SERIES, VIEW

UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class ShardStats:
    """What a shard holds of a collection."""

    shard: str
    documents: float
    data_bytes: float
    storage_bytes: float
    index_bytes: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Sizes; -1 where nothing is known."""

    type: str = ""
    documents: float = UNKNOWN
    data_bytes: float = UNKNOWN
    average_bytes: float = UNKNOWN
    storage_bytes: float = UNKNOWN
    free_bytes: float = UNKNOWN
    index_bytes: float = UNKNOWN
    indexes: float = UNKNOWN
    collections: float = UNKNOWN
    views: float = UNKNOWN
    buckets: float = UNKNOWN
    capped: bool = False
    max_bytes: float = UNKNOWN
    max_documents: float = UNKNOWN
    index_sizes: Mapping[str, float] = field(default_factory=dict)
    shards: Sequence[ShardStats] = ()


async def of_database(client: MongoClient, database: str) -> Stats:
    """The sizes of a database.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `MongoClient.command`.
    """
    # Without `freeStorage`, which asks every collection and index, and which older servers refuse.
    answer = await client.command(database, {"dbStats": 1})
    # Of a database that is not there the server tells zeros.
    if not (answer.get("collections") or answer.get("views")) and not await namespaces.database_exists(
        client, database
    ):
        raise namespaces.not_found(client.database_name(database))
    return Stats(
        documents=_number(answer, "objects"),
        data_bytes=_number(answer, "dataSize"),
        average_bytes=round(_number(answer, "avgObjSize"), 1),
        storage_bytes=_number(answer, "storageSize"),
        free_bytes=_number(answer, "freeStorageSize"),
        index_bytes=_number(answer, "indexSize"),
        indexes=_number(answer, "indexes"),
        collections=_number(answer, "collections"),
        views=_number(answer, "views"),
    )


async def of_collection(client: MongoClient, database: str, collection: str) -> Stats:
    """The sizes of a collection; of a view nothing is known.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `MongoClient.command`.
    """
    kind = (await namespaces.collection(client, database, collection)).type
    if kind == VIEW:
        return Stats(type=kind)
    return of_parts(kind, await storage_stats(client, database, collection))


async def storage_stats(client: MongoClient, database: str, collection: str) -> list[Document]:
    """What the server knows of a collection's storage: a document, or one for each shard that has a part of it.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        try:
            return await ask(client, database, collection, {"$collStats": {"storageStats": {}}})
        except OperationFailure as error:
            if error.code not in MISSING:
                raise
    # The command is deprecated since MongoDB 6.2, but some compatible servers have nothing else.
    return [{"storageStats": await client.command(database, {"collStats": collection})}]


def of_parts(kind: str, parts: Sequence[Mapping[str, Any]]) -> Stats:
    """The sizes of a collection from the answer of `$collStats`.

    Args:
        kind: its type.
        parts: as `storage_stats` gives them.
    """
    found = [each["storageStats"] for each in parts]
    # Of a time series the server counts the buckets, and a compatible one perhaps calls them documents.
    documents = UNKNOWN if kind == TIME_SERIES else _sum(found, "count")
    data = _sum(found, "size")
    return Stats(
        type=kind,
        documents=documents,
        data_bytes=data,
        average_bytes=round(data / documents, 1) if documents > 0 and data >= 0 else min(documents, 0.0),
        storage_bytes=_sum(found, "storageSize"),
        free_bytes=_sum(found, "freeStorageSize"),
        index_bytes=_sum(found, "totalIndexSize"),
        indexes=max((_number(each, "nindexes") for each in found), default=UNKNOWN),
        buckets=_sum([each.get("timeseries", {}) for each in found], "bucketCount"),
        capped=any(each.get("capped", False) for each in found),
        max_bytes=_limit(found, "maxSize"),
        max_documents=_limit(found, "max"),
        index_sizes=index_sizes(parts),
        shards=[
            ShardStats(
                shard=str(each["shard"]),
                documents=_number(each["storageStats"], "count"),
                data_bytes=_number(each["storageStats"], "size"),
                storage_bytes=_number(each["storageStats"], "storageSize"),
                index_bytes=_number(each["storageStats"], "totalIndexSize"),
            )
            for each in sorted(parts, key=lambda part: str(part.get("shard", "")))
            if "shard" in each
        ],
    )


def index_sizes(parts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Bytes of each index by its name, on all shards together, from the answer of `$collStats`."""
    sizes: dict[str, float] = {}
    for part in parts:
        for name, size in part["storageStats"].get("indexSizes", {}).items():
            sizes[name] = sizes.get(name, 0.0) + float(size)
    return sizes


def _sum(parts: Sequence[Mapping[str, Any]], name: str) -> float:
    known = [number for each in parts if (number := _number(each, name)) >= 0]
    return sum(known) if known else UNKNOWN


def _limit(parts: Sequence[Mapping[str, Any]], name: str) -> float:
    """A bound of a capped collection; the server says 0 or -1 for none."""
    found = max((_number(each, name) for each in parts if each.get("capped")), default=UNKNOWN)
    return found if found > 0 else UNKNOWN


def _number(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    return float(value) if isinstance(value, (int, float)) else UNKNOWN
