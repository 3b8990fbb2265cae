"""How large databases and collections are, from the server's own bookkeeping: no documents are counted or read.

https://www.mongodb.com/docs/manual/reference/command/dbStats/,
https://www.mongodb.com/docs/manual/reference/command/collStats/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.mongo_svc.client import MongoClient

UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class Stats:
    """Sizes; -1 where nothing is known."""

    documents: float
    data_bytes: float
    average_bytes: float
    storage_bytes: float
    index_bytes: float
    indexes: float
    collections: float = UNKNOWN
    views: float = UNKNOWN
    capped: bool = False
    index_sizes: Mapping[str, float] = field(default_factory=dict)


async def of_database(client: MongoClient, database: str) -> Stats:
    """The sizes of a database.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await client.command(database, {"dbStats": 1})
    return Stats(
        documents=_number(answer, "objects"),
        data_bytes=_number(answer, "dataSize"),
        average_bytes=_number(answer, "avgObjSize"),
        storage_bytes=_number(answer, "storageSize"),
        index_bytes=_number(answer, "indexSize"),
        indexes=_number(answer, "indexes"),
        collections=_number(answer, "collections"),
        views=_number(answer, "views"),
    )


async def of_collection(client: MongoClient, database: str, collection: str) -> Stats:
    """The sizes of a collection.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `MongoClient.command`.
    """
    answer = await client.command(database, {"collStats": client.collection_name(database, collection)})
    return Stats(
        documents=_number(answer, "count"),
        data_bytes=_number(answer, "size"),
        average_bytes=_number(answer, "avgObjSize"),
        storage_bytes=_number(answer, "storageSize"),
        index_bytes=_number(answer, "totalIndexSize"),
        indexes=_number(answer, "nindexes"),
        capped=bool(answer.get("capped", False)),
        index_sizes={name: float(size) for name, size in dict(answer.get("indexSizes", {})).items()},
    )


def _number(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    return float(value) if isinstance(value, (int, float)) else UNKNOWN
