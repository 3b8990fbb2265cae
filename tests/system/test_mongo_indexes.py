"""Indexes over REST: listed with their size and use, built with progress, hidden, changed, dropped."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError

from tests.support.mongo_api import Json, MongoApi
from tests.support.sse import Event, events

Engine = AsyncMongoClient[dict[str, Any]]


async def build(api: MongoApi, database: str, *indexes: Json, collection: str = "a") -> list[Event]:
    """All events of a build that must succeed."""
    body = {"databaseName": database, "collection": collection, "indexes": list(indexes)}
    async with (
        asyncio.timeout(60),
        events(api.http, "POST", f"{api.base}/indexes", body=body) as stream,
    ):
        found = [event async for event in stream]
    assert [each["done"] for each in found] == [False] * (len(found) - 1) + [True], found
    return found


async def refused(api: MongoApi, verb: str, **fields: object) -> tuple[int, str]:
    """The status and the error code of a call that must fail."""
    given = {"query": fields} if verb in ("GET", "DELETE") else {"body": fields}
    answer = await api.send(verb, "indexes", **given)
    assert not answer.is_success, answer.text
    return answer.status_code, str(answer.json()["error_code"])


async def indexes(api: MongoApi, database: str) -> dict[str, Json]:
    """The indexes by name; that of `_id` is always there, and they are sorted."""
    answer = await api.get("indexes", databaseName=database, collection="a")
    found = {each["name"]: each for each in answer["indexes"]}
    assert list(found) == sorted(found)
    assert found.pop("_id_")["key"] == {"_id": 1}
    return found


async def change(api: MongoApi, database: str, name: str, **fields: object) -> Json:
    body = {"databaseName": database, "collection": "a", "name": name, **fields}
    answer = await api.send("PATCH", "indexes", body=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["index"]


@pytest.fixture
async def filled(mongo_engine: Engine, mongo_database: str) -> str:
    """A database whose collection `a` holds 100 documents, with `x` from 0 to 4 and `y` from 0 to 99."""
    documents = [{"x": number % 5, "y": number} for number in range(100)]
    await mongo_engine[mongo_database].a.insert_many(documents)
    return mongo_database


KINDS: list[tuple[Json, Json]] = [
    ({"key": {"x": 1, "y": -1}}, {"name": "x_1_y_-1", "type": "regular", "key": {"x": 1, "y": -1}}),
    ({"key": {"y": 1}, "unique": True, "name": "one"}, {"name": "one", "unique": True}),
    ({"key": {"y": 1}, "sparse": True, "hidden": True}, {"name": "y_1", "sparse": True, "hidden": True}),
    ({"key": {"at": 1}, "expireAfterSeconds": 0}, {"name": "at_1", "expire_after_seconds": 0}),
    (
        {"key": {"y": 1}, "partialFilterExpression": {"x": {"$gt": 2}}},
        {"name": "y_1", "partial": True, "options": {"partialFilterExpression": {"x": {"$gt": 2}}}},
    ),
    (
        {"key": {"$**": 1}, "wildcardProjection": {"secret": 0}},
        {"name": "$**_1", "type": "wildcard", "options": {"wildcardProjection": {"secret": 0}}},
    ),
    ({"key": {"sub.$**": 1}}, {"name": "sub.$**_1", "type": "wildcard"}),
    ({"key": {"place": "2dsphere", "x": 1}}, {"name": "place_2dsphere_x_1", "type": "2dsphere"}),
    (
        {"key": {"spot": "2d"}, "min": -10, "max": 10.5, "bits": 20},
        {"name": "spot_2d", "type": "2d", "options": {"min": -10.0, "max": 10.5, "bits": 20}},
    ),
    (
        {"key": {"s": 1}, "collation": {"locale": "de"}},
        {"name": "s_1", "options": {"collation": {"locale": "de"}}},
    ),
]


@pytest.mark.parametrize(("given", "expected"), KINDS)
async def test_an_index_of_each_kind_is_built_and_listed(
    mongo_api: MongoApi, mongo_reader: MongoApi, filled: str, given: Json, expected: Json
) -> None:
    built = await build(mongo_api, filled, given)
    assert (built[-1]["names"], built[-1]["existing"]) == ([expected["name"]], [])
    found = (await indexes(mongo_reader, filled))[expected["name"]]
    assert expected == {name: found[name] for name in expected}
    assert found["key"] == given["key"]
    assert (found["build"], found["size_bytes"] >= 0, found["used"] >= 0) == (None, True, True)


@pytest.mark.parametrize(
    "given",
    [
        {"key": {"words": "text"}, "weights": {"words": 3}, "defaultLanguage": "german"},
        {"key": {"h": "hashed"}},
    ],
)
async def test_kinds_that_some_servers_lack_are_built_or_refused_with_the_reason(
    mongo_api: MongoApi, filled: str, given: Json
) -> None:
    body: Json = {"databaseName": filled, "collection": "a", "indexes": [given]}
    answer = await mongo_api.send("POST", "indexes", body=body)
    if answer.is_success:
        (found,) = (await indexes(mongo_api, filled)).values()
        assert found["type"] in ("text", "hashed")
    else:
        assert answer.status_code == 400
        assert "not supported" in answer.json()["message"]


async def test_values_of_keys_keep_their_types(
    mongo_api: MongoApi, mongo_engine: Engine, filled: str
) -> None:
    await mongo_engine[filled].command(
        {"createIndexes": "a", "indexes": [{"key": {"f": 1.0, "g": -1}, "name": "mixed"}]}
    )
    await build(mongo_api, filled, {"key": {"h": {"$numberDouble": "-1.0"}}})
    answer = await mongo_api.get("indexes", databaseName=filled, collection="a", ejson="canonical")
    assert {each["name"]: each["key"] for each in answer["indexes"]} == {
        "_id_": {"_id": {"$numberInt": "1"}},
        "h_-1": {"h": {"$numberDouble": "-1.0"}},
        "mixed": {"f": {"$numberDouble": "1.0"}, "g": {"$numberInt": "-1"}},
    }


async def test_several_indexes_are_built_at_once_and_existing_ones_are_named(
    mongo_api: MongoApi, filled: str
) -> None:
    await build(mongo_api, filled, {"key": {"x": 1}})
    built = await build(mongo_api, filled, {"key": {"x": 1}}, {"key": {"y": 1}}, {"key": {"x": 1, "y": 1}})
    assert (built[-1]["names"], built[-1]["existing"]) == (["x_1", "y_1", "x_1_y_1"], ["x_1"])
    assert set(await indexes(mongo_api, filled)) == {"x_1", "y_1", "x_1_y_1"}


async def test_duplicates_that_prevent_a_unique_index_are_named_and_can_be_found(
    mongo_api: MongoApi, mongo_engine: Engine, filled: str
) -> None:
    body: Json = {
        "databaseName": filled,
        "collection": "a",
        "indexes": [{"key": {"x": 1}, "unique": True}],
    }
    answer = await mongo_api.send("POST", "indexes", body=body)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "DUPLICATE_KEY"), answer.text
    facts = answer.json()["details"][0]["metadata"]
    assert json.loads(facts["key_pattern"]) == {"x": 1}
    assert json.loads(facts["key_value"])["x"] in range(5)
    cursor = await mongo_engine[filled].a.aggregate(json.loads(facts["find_duplicates"]))
    groups = [each async for each in cursor]
    assert {(each["_id"]["key0"], each["count"], len(each["ids"])) for each in groups} == {
        (x, 20, 10) for x in range(5)
    }
    assert await indexes(mongo_api, filled) == {}


@pytest.mark.parametrize(
    ("index", "answer"),
    [
        ({}, (400, "INVALID_ARGUMENT")),
        ({"key": "x"}, (400, "INVALID_ARGUMENT")),
        ({"key": {}}, (400, "DB_QUERY_ERROR")),
        ({"key": {"x": "nonsense"}}, (400, "DB_QUERY_ERROR")),
        ({"key": {"x": 1}, "background": True}, (400, "INVALID_ARGUMENT")),
        ({"key": {"x": 1}, "expireAfterSeconds": -1}, (400, "INVALID_ARGUMENT")),
        ({"key": {"x": 1}, "partialFilterExpression": {"$nonsense": 1}}, (400, "DB_QUERY_ERROR")),
        ({"key": {"x": 1}, "partialFilterExpression": {"$where": "true"}}, (403, "PERMISSION_DENIED")),
        ({"key": {"y": -1}, "name": "y_1"}, (409, "ALREADY_EXISTS")),
    ],
)
async def test_an_index_that_can_not_be_built_is_refused_before_any_event(
    mongo_api: MongoApi, filled: str, index: Json, answer: tuple[int, str]
) -> None:
    await build(mongo_api, filled, {"key": {"y": 1}})
    body = {"databaseName": filled, "collection": "a", "indexes": [index]}
    assert await refused(mongo_api, "POST", **body) == answer
    assert set(await indexes(mongo_api, filled)) == {"y_1"}


async def test_indexes_are_of_collections_that_exist(
    mongo_api: MongoApi, mongo_engine: Engine, filled: str
) -> None:
    await mongo_engine[filled].command({"create": "shown", "viewOn": "a", "pipeline": []})
    wanted = [{"key": {"x": 1}}]
    missing = (404, "NAMESPACE_NOT_FOUND")
    of_gone = {"databaseName": filled, "collection": "gone"}
    assert await refused(mongo_api, "GET", **of_gone) == missing
    assert await refused(mongo_api, "POST", **of_gone, indexes=wanted) == missing
    of_view = {"databaseName": filled, "collection": "shown"}
    assert await mongo_api.get("indexes", **of_view) == {"indexes": [], "unavailable": []}
    assert await refused(mongo_api, "POST", **of_view, indexes=wanted) == (400, "NOT_SUPPORTED")
    of_server = {"databaseName": "admin", "collection": "system.users"}
    assert await refused(mongo_api, "POST", **of_server, indexes=wanted) == (400, "COMMAND_REFUSED")
    twice = await refused(mongo_api, "POST", databaseName=filled, collection="a", indexes=[*wanted, *wanted])
    assert twice == (400, "INVALID_ARGUMENT")


async def test_an_index_is_hidden_and_shown_again(mongo_api: MongoApi, filled: str) -> None:
    await build(mongo_api, filled, {"key": {"x": 1}}, {"key": {"y": 1}, "hidden": True})
    assert (await change(mongo_api, filled, "x_1", hidden=False))["hidden"] is False
    answer = await mongo_api.send(
        "PATCH", "indexes", body={"databaseName": filled, "collection": "a", "name": "y_1", "hidden": False}
    )
    if answer.is_success:
        assert (await change(mongo_api, filled, "x_1", hidden=True))["hidden"] is True
        shown = {name: each["hidden"] for name, each in (await indexes(mongo_api, filled)).items()}
        assert shown == {"x_1": True, "y_1": False}
    else:  # a server that says yes and does nothing
        assert answer.json()["error_code"] == "NOT_SUPPORTED"
        assert (await indexes(mongo_api, filled))["y_1"]["hidden"] is True


async def test_the_expiry_of_documents_is_changed(mongo_api: MongoApi, filled: str) -> None:
    await build(mongo_api, filled, {"key": {"at": 1}, "expireAfterSeconds": 60})
    changed = await change(mongo_api, filled, "at_1", expireAfterSeconds=90)
    assert changed["expire_after_seconds"] == 90


async def test_an_index_becomes_unique(mongo_api: MongoApi, mongo_engine: Engine, filled: str) -> None:
    await build(mongo_api, filled, {"key": {"y": 1}})
    await change(mongo_api, filled, "y_1", prepareUnique=True)
    await change(mongo_api, filled, "y_1", unique=True, dryRun=True)
    changed = await change(mongo_api, filled, "y_1", unique=True)
    assert changed["unique"] is True
    with pytest.raises(DuplicateKeyError):
        await mongo_engine[filled].a.insert_one({"y": 0})


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"name": "gone", "hidden": True}, (404, "NAMESPACE_NOT_FOUND")),
        ({"name": "x_1"}, (400, "INVALID_ARGUMENT")),
        ({"name": "_id_", "hidden": True}, (400, "INVALID_ARGUMENT")),
        ({"name": "x_1", "hidden": True, "dryRun": True}, (400, "INVALID_ARGUMENT")),
    ],
)
async def test_a_change_of_an_index_that_does_not_fit_is_refused(
    mongo_api: MongoApi, filled: str, fields: Json, answer: tuple[int, str]
) -> None:
    await build(mongo_api, filled, {"key": {"x": 1}})
    assert await refused(mongo_api, "PATCH", databaseName=filled, collection="a", **fields) == answer


async def test_indexes_are_dropped_by_name_all_or_none(mongo_api: MongoApi, filled: str) -> None:
    await build(mongo_api, filled, {"key": {"x": 1}}, {"key": {"y": 1}}, {"key": {"z": 1}})
    of: dict[str, object] = {"databaseName": filled, "collection": "a"}
    missing = await refused(mongo_api, "DELETE", **of, name=["x_1", "gone"])
    assert missing == (404, "NAMESPACE_NOT_FOUND")
    for kept in ("_id_", "*"):
        assert await refused(mongo_api, "DELETE", **of, name=kept) == (400, "INVALID_ARGUMENT")
    assert await refused(mongo_api, "DELETE", **of) == (400, "INVALID_ARGUMENT")
    assert set(await indexes(mongo_api, filled)) == {"x_1", "y_1", "z_1"}
    dropped = await mongo_api.send("DELETE", "indexes", query={**of, "name": ["x_1", "z_1"]})
    assert (dropped.status_code, dropped.content) == (204, b"")
    dropped = await mongo_api.send("DELETE", "indexes", query={**of, "name": "y_1"})
    assert dropped.status_code == 204
    assert await indexes(mongo_api, filled) == {}


@pytest.mark.parametrize("verb", ["POST", "PATCH", "DELETE"])
async def test_who_may_only_read_changes_no_index(mongo_reader: MongoApi, verb: str) -> None:
    assert await refused(mongo_reader, verb) == (403, "PERMISSION_DENIED")
