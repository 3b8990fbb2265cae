"""Paging gives every document exactly once, in the server's order, whatever the types."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import itertools
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pymongo import AsyncMongoClient

from services.mongo_svc import find, paging, terms
from services.mongo_svc.client import MongoClient
from services.mongo_svc.paging import bounds, order, tokens
from services.runtime.errors import StudioError

Engine = AsyncMongoClient[dict[str, Any]]

NAN = float("nan")
INFINITY = float("inf")
VALUES: Sequence[Any] = (
    MinKey(),
    None,
    NAN,
    -INFINITY,
    -3,
    -0.0,
    5,
    5.5,
    Decimal128("6"),
    Int64(2**60),
    INFINITY,
    "",
    "a",
    "b",
    {},
    {"a": {"b": 1}},
    {"a": NAN},
    Binary(b"x"),
    Binary(b"xy", 128),
    ObjectId("0" * 24),
    ObjectId("f" * 24),
    False,
    True,
    dt.datetime(1950, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    Timestamp(1, 2),
    Code("x"),
    MaxKey(),
)
"""At least one of every bracket of the server's order that an `_id` may be of; no two are equal."""
ODD: Sequence[Any] = ({"$gt": 1}, [], [None], [1, 10], ["z", 3], [[1]], [{"b": 1}], Regex("a"), {"b": [2, 7]})
"""Values that a sort key may be, and that can't be compared with."""


async def pages(client: MongoClient, query: find.Query, size: int) -> list[list[bytes]]:
    """All pages, of that size."""
    found: list[list[bytes]] = []
    token = ""
    while True:
        page = await paging.page(client, dataclasses.replace(query, limit=size), token)
        assert len(page.documents) <= size
        found.append(list(page.documents))
        token = page.next
        if not token:
            return found
        assert page.documents, "a page without documents is the last one"


async def in_order(client: MongoClient, query: find.Query, sort: Mapping[str, int]) -> list[bytes]:
    """What the server gives at once."""
    # Not `bson.encode`: that puts an `_id` first.
    raw = terms.document(**{name: terms.int32(direction) for name, direction in sort.items()})
    return (await find.first_batch(client, query, sort=raw, count=1000)).documents


def joined(found: Sequence[Sequence[bytes]]) -> list[bytes]:
    return list(itertools.chain.from_iterable(found))


@pytest.mark.parametrize("direction", [1, -1])
async def test_ids_of_every_type(
    client: MongoClient, mongodb: Engine, mongodb_database: str, direction: int
) -> None:
    await mongodb[mongodb_database].c.insert_many([{"_id": each} for each in VALUES])
    sort = {"_id": direction}
    query = find.Query(mongodb_database, "c", sort=bson.encode(sort) if direction < 0 else terms.EMPTY)
    expected = await in_order(client, query, sort)
    assert len(expected) == len(VALUES)
    for size in (1, 2, 7, len(VALUES)):
        assert joined(await pages(client, query, size)) == expected, size


@pytest.mark.parametrize("pool", [VALUES, (*VALUES, *ODD)], ids=["comparable", "odd"])
@pytest.mark.parametrize(
    "sort", [{"a": 1}, {"a": -1}, {"a": 1, "b": -1}, {"b": -1, "a": -1}, {"o.p": 1}, {"o.p": -1}]
)
async def test_sort_keys_of_every_type(
    client: MongoClient, mongodb: Engine, mongodb_database: str, sort: dict[str, int], pool: Sequence[Any]
) -> None:
    chance = random.Random(20)
    documents: list[dict[str, Any]] = [
        {"_id": place, "a": value, "b": place % 2, "o": {"p": value}}
        for place, value in enumerate((*pool, *pool))
    ]
    documents += [
        {"_id": -1},
        {"_id": -2, "o": 5},
        *([{"_id": -3, "o": [1, {"q": 2}]}] if len(pool) > len(VALUES) else []),
    ]
    chance.shuffle(documents)
    await mongodb[mongodb_database].c.insert_many(documents)
    query = find.Query(mongodb_database, "c", sort=bson.encode(sort))
    expected = await in_order(client, query, {**sort, "_id": -1 if list(sort.values())[-1] < 0 else 1})
    assert len(expected) == len(documents)
    for size in (1, 5, 17):
        assert joined(await pages(client, query, size)) == expected, size


@pytest.mark.parametrize("direction", [1, -1])
async def test_an_index_without_the_id_keeps_its_order(
    client: MongoClient, mongodb: Engine, mongodb_database: str, direction: int
) -> None:
    collection = mongodb[mongodb_database].c
    numbers: Sequence[Any] = [3, 3.0, Decimal128("3"), 1, 2, NAN, "x", None]
    await collection.insert_many([{"_id": n, "a": numbers[n % len(numbers)]} for n in range(60)])
    await collection.create_index("a")
    query = find.Query(mongodb_database, "c", sort=bson.encode({"a": direction}))
    state = await order.begin(client, query)
    assert (state.completed, state.dense, state.named) == (False, True, True)
    expected = [bson.decode(each) for each in await in_order(client, query, {"a": direction})]
    for size in (1, 4, 50):
        found = [bson.decode(each) for each in joined(await pages(client, query, size))]
        # Equal keys have no order, but each document comes once.
        assert sorted(each["_id"] for each in found) == list(range(60)), size
        assert [alike(each["a"]) for each in found] == [alike(each["a"]) for each in expected], size


def alike(value: object) -> str:
    """The same for values that are equal to the server."""
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    return str(float(number)) if isinstance(number, (int, float, Decimal)) else str(value)


async def test_more_ties_than_a_token_names_are_counted(
    client: MongoClient, mongodb: Engine, mongodb_database: str
) -> None:
    collection = mongodb[mongodb_database].c
    await collection.insert_many([{"_id": n, "a": n // 500} for n in range(2 * bounds.MAX_TIES + 200)])
    await collection.create_index("a")
    query = find.Query(mongodb_database, "c", sort=bson.encode({"a": 1}))
    found = joined(await pages(client, query, 150))
    assert found == await in_order(client, query, {"a": 1})


@pytest.mark.parametrize("sort", [{}, {"a": -1}, {"n": 1}], ids=str)
async def test_what_stays_is_not_lost_while_others_come_and_go(
    client: MongoClient, mongodb: Engine, mongodb_database: str, sort: dict[str, int]
) -> None:
    collection = mongodb[mongodb_database].c
    await collection.create_index("n")
    await collection.insert_many([{"_id": n, "a": n % 5, "n": n % 9} for n in range(90)])
    query = find.Query(mongodb_database, "c", sort=bson.encode(sort) if sort else terms.EMPTY, limit=7)
    chance = random.Random(3)
    staying = set(range(0, 90, 3))
    seen: list[int] = []
    token, new = "", 1000
    while True:
        page = await paging.page(client, query, token)
        seen += [bson.decode(each)["_id"] for each in page.documents]
        token = page.next
        if not token:
            break
        await collection.delete_many({"_id": {"$in": chance.sample(sorted(set(range(90)) - staying), 9)}})
        await collection.insert_one({"_id": new, "a": chance.randrange(5), "n": chance.randrange(9)})
        await collection.insert_one({"_id": -new, "a": chance.randrange(5), "n": chance.randrange(9)})
        new += 1
    assert staying <= set(seen)
    assert len(set(seen)) == len(seen), "none came twice"


@pytest.mark.parametrize(
    "projection",
    [
        {"_id": 0, "x": 1},
        {"x": 1},
        {"a": 0},
        {"a": 0, "_id": 0},
        {"_id": 0},
        {"_id": 1},
        {"a.b": 1},
        {"a.b": 0},
        {"a": 1, "_id": 0},
        {"y": {"$add": ["$x", 1]}, "_id": 0},
        {"a": "$x"},
    ],
    ids=str,
)
async def test_projections_that_leave_out_the_sort_key(
    client: MongoClient, mongodb: Engine, mongodb_database: str, projection: dict[str, Any]
) -> None:
    documents = [{"_id": n, "x": n, "a": {"b": n % 4, "c": n}} for n in range(12)]
    await mongodb[mongodb_database].c.insert_many(documents)
    for sort in ({}, {"a": 1}, {"a.b": -1}):
        encoded = bson.encode(sort) if sort else terms.EMPTY
        query = find.Query(mongodb_database, "c", sort=encoded, projection=bson.encode(projection))
        direction = -1 if -1 in sort.values() else 1
        expected = await in_order(client, query, {**sort, "_id": direction})
        assert joined(await pages(client, query, 5)) == expected, sort


async def test_a_page_ends_at_its_bytes_and_has_one_document_at_least(
    client: MongoClient, mongodb: Engine, mongodb_database: str
) -> None:
    sizes = [100, 5_000_000, 5_000_000, 12_000_000, 9_000_000, 100]
    collection = mongodb[mongodb_database].c
    for n, size in enumerate(sizes):
        await collection.insert_one({"_id": n, "s": "x" * size})
    query = find.Query(mongodb_database, "c")
    found = await pages(client, query, 100)
    assert [[bson.decode(each)["_id"] for each in page] for page in found] == [[0, 1], [2], [3], [4], [5]]


@pytest.mark.parametrize(
    "query",
    [
        find.Query(
            "", "c", collation=bson.encode({"locale": "en", "strength": 2}), sort=bson.encode({"s": 1})
        ),
        find.Query("", "c", sort=bson.encode({"$natural": -1})),
        find.Query("", "v"),
    ],
    ids=["collation", "natural", "view"],
)
async def test_orders_without_named_places_are_counted(
    client: MongoClient, mongodb: Engine, mongodb_database: str, query: find.Query
) -> None:
    database = mongodb[mongodb_database]
    await database.c.insert_many([{"_id": n, "s": "aAbB"[n % 4]} for n in range(20)])
    await database.create_collection("v", viewOn="c", pipeline=[{"$project": {"_id": 0}}])
    query = dataclasses.replace(query, database=mongodb_database, skip=3)
    state = await order.begin(client, query)
    assert not state.named
    at_once = await find.first_batch(client, query, sort=order.order_of(query, state).sort, count=100)
    assert joined(await pages(client, query, 6)) == at_once.documents
    assert len(at_once.documents) == 17


def paging_question(token: str) -> bytes:
    """The question that a token is of: behind its version."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[1:13]


async def test_a_token_goes_with_its_question(
    client: MongoClient, mongodb: Engine, mongodb_database: str
) -> None:
    await mongodb[mongodb_database].c.insert_many([{"_id": n} for n in range(5)])
    query = find.Query(mongodb_database, "c", limit=2)
    token = (await paging.page(client, query, "")).next
    others = [
        dataclasses.replace(query, filter=bson.encode({"a": 1})),
        dataclasses.replace(query, sort=bson.encode({"a": 1})),
        dataclasses.replace(query, collection="d"),
        dataclasses.replace(query, skip=1),
    ]
    state = tokens.read(token, question := paging_question(token))
    forged = tokens.write(dataclasses.replace(state, values=state.values * 2), question)
    for wrong in [(other, token) for other in others] + [
        (query, text) for text in ("x", token[:-4], "Ä", forged)
    ]:
        with pytest.raises(StudioError, match="page token") as refused:
            await paging.page(client, *wrong)
        assert refused.value.reason_name == "INVALID_CURSOR"
    assert (await paging.page(client, dataclasses.replace(query, limit=3), token)).next == ""


async def test_pages_go_by_the_index_of_the_id(
    client: MongoClient, mongodb: Engine, mongodb_database: str
) -> None:
    """What the second page asks: a range of `_id`, which a server answers from that index."""
    await mongodb[mongodb_database].c.insert_many([{"_id": n, "a": 1} for n in range(50)])
    hint = terms.nested(bson.encode({"_id": 1}))
    query = find.Query(mongodb_database, "c", filter=bson.encode({"a": 1}), hint=hint, limit=10)
    token = (await paging.page(client, query, "")).next
    page = await paging.page(client, query, token)
    assert [bson.decode(each)["_id"] for each in page.documents] == list(range(10, 20))
    condition = terms.all_of(query.filter, terms.is_(b"_id", b"$gt", terms.int32(9)))
    command = find.command(client, query, filter_=condition, sort=bson.encode({"_id": 1}), count=11)
    plan = await client.command(mongodb_database, {"explain": command, "verbosity": "queryPlanner"})
    stages = str(plan["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in stages
    assert "SORT" not in stages
