"""How many documents there are, and which values a field has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, find, terms
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Value
from services.runtime.errors import invalid_argument

EXACT: Final = "exact"
ESTIMATED: Final = "estimated"
AT_LEAST: Final = "at_least"

MAX_COUNTED: Final = 100_000
"""Documents that are counted when nobody asks for the exact number."""
DEFAULT_VALUES: Final = 1000
"""Values that are listed when the call doesn't say."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of documents."""

    number: float
    """So many."""
    precision: str
    """EXACT, ESTIMATED or AT_LEAST."""


async def count(client: MongoClient, query: find.Query, *, exact: bool) -> Count:
    """How many documents match.

    Args:
        client: the database.
        query: which documents.
        exact: look at each that matches; else without a filter what the server knows, and with one up to a bound.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    if exact:
        return await _exact(client, query)
    shared = find.options(query.collation, query.hint, query.comment)
    asked: dict[str, Any] = {"count": client.collection_name(query.database, query.collection), **shared}
    if query.filter == terms.EMPTY:
        return Count(await _number(client, query, asked), ESTIMATED)
    asked |= {"query": RawBSONDocument(query.filter), "limit": MAX_COUNTED + 1}
    number = await _number(client, query, asked)
    return Count(MAX_COUNTED, AT_LEAST) if number > MAX_COUNTED else Count(number, EXACT)


async def _number(client: MongoClient, query: find.Query, asked: dict[str, Any]) -> float:
    answer = RawBSONDocument(await find.read(client, query.database, asked, query.max_time_s))
    return float(answer["n"])


async def _exact(client: MongoClient, query: find.Query) -> Count:
    # Not the command `count`: with shards that may count documents twice while they move.
    pipeline: list[Mapping[str, Any]] = [
        {"$match": RawBSONDocument(query.filter)},
        {"$group": {"_id": None, "n": {"$sum": 1}}},
    ]
    found = (await _aggregate(client, query, pipeline)).documents
    return Count(float(RawBSONDocument(found[0])["n"]) if found else 0.0, EXACT)


async def _aggregate(client: MongoClient, query: find.Query, pipeline: list[Mapping[str, Any]]) -> find.Batch:
    asked = {
        "aggregate": client.collection_name(query.database, query.collection),
        "pipeline": pipeline,
        "cursor": {},
        **find.options(query.collation, query.hint, query.comment),
    }
    return await find.batch_of(client, query.database, asked, query.max_time_s)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a field."""

    values: list[Value]
    """In the server's order."""
    truncated: bool
    """There are more."""


async def distinct(client: MongoClient, query: find.Query, field: str) -> Values:
    """The values of a field, as the command `distinct` knows them: the elements of an array count each.

    That command gives all of them at once, in no order, or fails where they are more than 16 MB; so the server groups
    them instead, and sorts before it sends.

    Args:
        client: the database.
        query: of which documents; `limit` values.
        field: its path.

    Raises:
        StudioError: INVALID_ARGUMENT, and as `MongoClient.command`.
    """
    names = field.split(".")
    if any(not name or name.isdecimal() or name.startswith("$") for name in names) or "\0" in field:
        raise invalid_argument("field", "must be a path of names, without positions in arrays")
    unwound = [
        {"$unwind": {"path": f"${'.'.join(names[:length])}", "preserveNullAndEmptyArrays": True}}
        for length in range(1, len(names) + 1)
    ]
    pipeline: list[Mapping[str, Any]] = [
        {"$match": RawBSONDocument(query.filter)},
        *unwound,
        {"$match": {field: {"$exists": True}}},
        {"$group": {"_id": f"${field}"}},
        {"$sort": {"_id": 1}},
        {"$limit": query.limit + 1},
    ]
    asked = {
        "aggregate": client.collection_name(query.database, query.collection),
        "pipeline": pipeline,
        "cursor": {"batchSize": query.limit + 2},
        "allowDiskUse": True,
        **find.options(query.collation, query.hint, query.comment),
    }
    batch = await find.batch_of(client, query.database, asked, query.max_time_s)
    return _bounded(
        [_id(each) for each in batch.documents], query.limit, client.limits.page_bytes, batch.more
    )


def _id(document: bytes) -> Value:
    return next(each.value for each in ejson.elements(document) if each.name == b"_id")


def _bounded(values: list[Value], most: int, most_bytes: int, more: bool) -> Values:  # noqa: FBT001  private
    size = number = 0
    for each in values[:most]:
        size += len(each.raw)
        if number and size > most_bytes:
            break
        number += 1
    return Values(values[:number], truncated=more or number < len(values))
