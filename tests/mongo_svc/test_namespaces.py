"""Listing collections: a bounded page, and what a user with few rights sees of it."""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from services.mongo_svc import namespaces, stats
from services.mongo_svc.catalog.changes import whole_view
from services.mongo_svc.client import MongoClient
from services.mongo_svc.indexes import listing
from services.mongo_svc.limits import DEFAULTS
from services.mongo_svc.namespaces import CollectionInfo, CollectionQuery, FirstNames
from services.mongo_svc.options import parse
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError, reason_name

OpenRestricted = Callable[..., Awaitable[MongoClient]]


def all_of(database: str) -> CollectionQuery:
    return CollectionQuery(database, search="", type="", size=100, after="")


@pytest.fixture
async def restricted(
    mongodb: AsyncMongoClient[dict[str, Any]], mongodb_url: str, mongodb_database: str
) -> AsyncIterator[OpenRestricted]:
    """Opens a client of a user who may read one collection, `mine`, of a database that has `others` as well.

    client = await restricted("listCollections")  # further rights on the database
    """
    name = f"test_{secrets.token_hex(8)}"
    clients = []
    for collection in ("mine", "others"):
        await mongodb[mongodb_database].create_collection(collection)

    async def open_(*actions: str) -> MongoClient:
        privileges: list[dict[str, Any]] = [
            {"resource": {"db": mongodb_database, "collection": "mine"}, "actions": ["find", "listIndexes"]}
        ]
        if actions:
            resource = {"db": mongodb_database, "collection": ""}
            privileges.append({"resource": resource, "actions": list(actions)})
        await mongodb.admin.command("createRole", name, privileges=privileges, roles=[])
        await mongodb.admin.command("createUser", name, pwd="pw", roles=[name])
        where = mongodb_url.rpartition("@")[2]
        clients.append(MongoClient(parse(f"mongodb://{name}:pw@{where}", {}), AddressPolicy(), DEFAULTS))
        return clients[-1]

    yield open_
    for client in clients:
        await client.aclose()
    await mongodb.admin.command("dropUser", name)
    await mongodb.admin.command("dropRole", name)


async def knows_authorized_collections(client: MongoClient, database: str) -> bool:
    """Whether the server shows users the collections that they have rights on; the embedded one does not."""
    command = {"listCollections": 1, "nameOnly": True, "authorizedCollections": True}
    try:
        await client.driver[database].command(command)
    except OperationFailure:
        return False
    return True


async def test_a_user_with_rights_on_one_collection_sees_that_one(
    restricted: OpenRestricted, mongodb_database: str
) -> None:
    client = await restricted()
    if not await knows_authorized_collections(client, mongodb_database):
        with pytest.raises(StudioError) as caught:
            await namespaces.list_collections(client, all_of(mongodb_database))
        assert reason_name(caught.value.reason) == "DB_PERMISSION_DENIED"
        return
    page = await namespaces.list_collections(client, all_of(mongodb_database))
    assert [(each.name, each.type) for each in page.collections] == [("mine", "collection")]
    assert await namespaces.kind_of(client, mongodb_database, "others") is None
    assert (await namespaces.collection(client, mongodb_database, "mine")).name == "mine"


async def test_a_user_who_may_see_no_sizes_gets_the_indexes_without(
    restricted: OpenRestricted, mongodb_database: str
) -> None:
    client = await restricted("listCollections")
    found = await listing.list_indexes(client, mongodb_database, "mine")
    assert [each.name for each in found.indexes] == ["_id_"]
    missing = {each.what for each in found.unavailable}
    assert (found.indexes[0].size_bytes == -1) == ("sizes" in missing)
    assert (found.indexes[0].used == -1) == ("usage" in missing)


def test_of_any_number_of_names_twice_a_page_is_held_at_most() -> None:
    every = [f"c{number}" for number in range(10_000)]
    shuffled = random.Random(5).sample(every, len(every))
    first = FirstNames(101)
    for name in shuffled:
        first.add(name, "collection")
        assert len(first) <= 2 * 101
    assert [name for name, _ in first.sorted()] == sorted(every)[:101]


def test_half_of_a_view_is_completed_and_other_changes_stay_as_they_are() -> None:
    view = CollectionInfo("v", "view", bson.encode({"viewOn": "a", "pipeline": [{"$match": {"x": 1}}]}))
    assert list(whole_view(view, {"viewOn": "b"}).items()) == [
        ("viewOn", "b"),
        ("pipeline", [{"$match": {"x": 1}}]),
    ]
    assert list(whole_view(view, {"pipeline": []}).items()) == [("viewOn", "a"), ("pipeline", [])]
    plain = CollectionInfo("c", "collection", bson.encode({}))
    assert whole_view(plain, {"validator": {}}) == {"validator": {}}


def test_the_parts_of_a_sharded_collection_are_added_up() -> None:
    """The shape of `$collStats` on mongos: a document for each shard that has a part."""

    def part(shard: str, count: int) -> dict[str, Any]:
        return {
            "shard": shard,
            "storageStats": {
                "count": count,
                "size": count * 10,
                "storageSize": 4096,
                "freeStorageSize": 0,
                "totalIndexSize": 100,
                "nindexes": 2,
                "indexSizes": {"_id_": 60, "x_1": 40},
            },
        }

    found = stats.of_parts("collection", [part("b", 30), part("a", 10)])
    assert (found.documents, found.data_bytes, found.average_bytes) == (40, 400, 10)
    assert (found.storage_bytes, found.index_bytes, found.indexes) == (8192, 200, 2)
    assert found.index_sizes == {"_id_": 120, "x_1": 80}
    assert [(each.shard, each.documents) for each in found.shards] == [("a", 10), ("b", 30)]


def test_a_time_series_counts_buckets() -> None:
    """https://www.mongodb.com/docs/manual/reference/command/collStats/#mongodb-data-collStats.timeseries"""
    storage = {
        "size": 500,
        "storageSize": 4096,
        "timeseries": {"bucketCount": 3, "bucketsNs": "d.system.buckets.t"},
    }
    found = stats.of_parts("timeseries", [{"storageStats": storage}])
    assert (found.documents, found.average_bytes, found.buckets, found.data_bytes) == (-1, -1, 3, 500)
