"""Writing documents over REST: what is done, what is shown before, what is refused."""

from __future__ import annotations

from typing import Any

import bson
import httpx
import pytest
from bson import Int64
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from tests.support.local_system import LocalSystem
from tests.support.mongo_api import Json, MongoApi

Engine = AsyncMongoClient[dict[str, Any]]
Collection = AsyncCollection[dict[str, Any]]

NOT_UTF8 = {"$bson": {"type": "02", "base64": "AwAAAP//AA=="}}
"""A text of the bytes ff ff."""


@pytest.fixture
def collection(mongo_engine: Engine, mongo_database: str) -> Collection:
    return mongo_engine[mongo_database].things


@pytest.fixture
def where(mongo_database: str) -> dict[str, object]:
    """The fields that each request names."""
    return {"databaseName": mongo_database, "collection": "things"}


async def send(api: MongoApi, verb: str, route: str, **body: object) -> Json:
    """What a call answers; it must succeed."""
    answer = await api.send(verb, route, body=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(api: MongoApi, verb: str, route: str, **body: object) -> tuple[int, str]:
    """The status and the error code of a call that must fail."""
    answer = await api.send(verb, route, body=body)
    assert not answer.is_success, answer.text
    return answer.status_code, answer.json()["error_code"]


def metadata(answer: httpx.Response) -> dict[str, str]:
    found: dict[str, str] = answer.json()["details"][0]["metadata"]
    return found


async def contents(collection: Collection) -> list[dict[str, Any]]:
    return await collection.find().sort("_id").to_list()


async def test_inserting(mongo_api: MongoApi, collection: Collection, where: dict[str, object]) -> None:
    done = await mongo_api.post(
        "documents", **where, documents=[{"_id": 1, "a": 1}, {"a": 2}, {"b": 3, "_id": "x"}]
    )
    ids = done["inserted_ids"]
    assert (ids[0], ids[2], done["failures"], done["failed_count"]) == (1, "x", [], 0)
    by_id = {str(each["_id"]): each for each in await contents(collection)}
    assert set(by_id) == {"1", "x", ids[1]["$oid"]}
    assert list(by_id[ids[1]["$oid"]]) == ["_id", "a"]


async def test_a_body_of_bson(mongo_api: MongoApi, collection: Collection, where: dict[str, object]) -> None:
    body = bson.encode({**where, "documents": [{"_id": Int64(1), "n": Int64(5)}]})
    headers = {"content-type": "application/bson"}
    answer = await mongo_api.http.post(f"{mongo_api.base}/documents", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert isinstance((await contents(collection))[0]["n"], Int64)
    answer = await mongo_api.http.post(f"{mongo_api.base}/documents", content=body[:-9], headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT")


async def test_inserting_stops_at_the_first_failure_and_says_where(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    documents = [{"_id": 1}, {"_id": 2}, {"_id": 1}, {"_id": 3}]
    answer = await mongo_api.send("POST", "documents", body={**where, "documents": documents})
    assert (answer.status_code, answer.json()["error_code"]) == (409, "DUPLICATE_KEY")
    assert (metadata(answer)["index"], metadata(answer)["inserted_count"]) == ("2", "2")
    assert [each["_id"] for each in await contents(collection)] == [1, 2]


async def test_inserting_unordered_reports_each_failure(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    await collection.insert_one({"_id": 2})
    documents = [{"_id": n} for n in (1, 2, 3, 3)]
    done = await mongo_api.post("documents", **where, documents=documents, unordered=True)
    assert (done["inserted_ids"], done["failed_count"]) == ([1, 3], 2)
    assert [(each["index"], each["error_code"]) for each in done["failures"]] == [
        (1, "DUPLICATE_KEY"),
        (3, "DUPLICATE_KEY"),
    ]
    assert len(await contents(collection)) == 3


async def test_replacing(mongo_api: MongoApi, collection: Collection, where: dict[str, object]) -> None:
    await collection.insert_one({"_id": 1.5, "a": 1})
    done = await send(mongo_api, "PUT", "documents", **where, id=1.5, document={"b": 2})
    assert done == {"matched_count": 1, "modified_count": 1, "upserted_id": None}
    assert await contents(collection) == [{"_id": 1.5, "b": 2}]
    assert await refused(mongo_api, "PUT", "documents", **where, id=9, document={}) == (
        404,
        "DOCUMENT_NOT_FOUND",
    )
    done = await send(mongo_api, "PUT", "documents", **where, document={"_id": {"k": 9}, "c": 1}, upsert=True)
    assert done == {"matched_count": 0, "modified_count": 0, "upserted_id": {"k": 9}}
    other = await refused(mongo_api, "PUT", "documents", **where, id=1.5, document={"_id": 2})
    assert other == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"a": 5}, '{"a":{"$numberLong":"5"}}'),
        ({"a": 5}, '{"a":{"$numberDouble":"5.0"}}'),
        ({"a": 0.0}, '{"a":{"$numberDouble":"-0.0"}}'),
        ({"a": 1, "b": 2}, '{"b":{"$numberInt":"2"},"a":{"$numberInt":"1"}}'),
        ({"a": None}, "{}"),
        ({"a": 1, "b": 2}, '{"a":{"$numberInt":"1"}}'),
    ],
    ids=["64 bits", "a double", "negative zero", "another order", "missing", "one more"],
)
async def test_what_is_expected_is_compared_to_the_byte(
    mongo_api: MongoApi,
    collection: Collection,
    where: dict[str, object],
    stored: dict[str, Any],
    expected: str,
) -> None:
    """The server takes most of these for equal."""
    await collection.insert_one({"_id": 1, **stored})
    inner = expected.removeprefix("{").removesuffix("}")
    text = '{"_id":{"$numberInt":"1"}' + (f",{inner}" if inner else "") + "}"
    for verb, route, rest in (
        ("PUT", "documents", '"document":{"changed":true}'),
        ("PATCH", "documents", '"update":{"$set":{"changed":true}}'),
        ("POST", "documents/delete", '"comment":"x"'),
    ):
        names = f'"databaseName":"{where["databaseName"]}","collection":"things","ejson":"canonical"'
        body = f'{{{names},"id":1,"expected":{text},{rest}}}'
        answer = await mongo_api.http.request(
            verb,
            f"{mongo_api.base}/{route}",
            content=body.encode(),
            headers={"content-type": "application/json"},
        )
        assert (answer.status_code, answer.json()["error_code"]) == (409, "CONFLICT"), answer.text
        assert metadata(answer)["current"].startswith('{"_id":{"$numberInt":"1"}')
    assert await contents(collection) == [{"_id": 1, **stored}]


async def test_what_is_as_expected_is_changed(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    document: dict[str, Any] = {"_id": 1, "a": [1, {"b": "x"}], "n": 5}
    await collection.insert_one(document)
    expected = (await mongo_api.get("documents/get", **where, id="1"))["document"]
    await send(mongo_api, "PATCH", "documents", **where, id=1, expected=expected, update={"$inc": {"n": 1}})
    stale = await refused(
        mongo_api, "PATCH", "documents", **where, id=1, expected=expected, update={"$inc": {"n": 1}}
    )
    assert stale == (409, "CONFLICT")
    fresh = {**expected, "n": 6}
    await send(mongo_api, "PUT", "documents", **where, document={**fresh, "a": 0}, expected=fresh)
    assert await contents(collection) == [{"_id": 1, "a": 0, "n": 6}]
    done = await mongo_api.post("documents/delete", **where, id=1, expected={**fresh, "a": 0})
    assert (done["deleted_count"], await contents(collection)) == (1, [])
    gone = await refused(mongo_api, "POST", "documents/delete", **where, id=1, expected=fresh)
    assert gone == (404, "DOCUMENT_NOT_FOUND")


async def test_updating(mongo_api: MongoApi, collection: Collection, where: dict[str, object]) -> None:
    await collection.insert_many([{"_id": n, "a": n % 2, "l": [1, 5, 9]} for n in range(6)])

    async def patch(**fields: object) -> tuple[float, float]:
        done = await send(mongo_api, "PATCH", "documents", **where, **fields)
        return done["matched_count"], done["modified_count"]

    assert await patch(id=1, update={"$set": {"x": 1}}) == (1, 1)
    assert await patch(id=1, update={"$set": {"x": 1}}) == (1, 0)
    assert await patch(filter={"a": 1}, update={"$set": {"y": 1}}) == (1, 1)
    assert await patch(filter={"a": 1}, update={"$set": {"z": 1}}, many=True) == (3, 3)
    assert await patch(id=2, update=[{"$set": {"copy": "$a"}}, {"$unset": "l"}]) == (1, 1)
    filters = [{"each": {"$gt": 4}}]
    assert await patch(id=3, update={"$set": {"l.$[each]": 0}}, arrayFilters=filters) == (1, 1)
    by_id = {each["_id"]: each for each in await contents(collection)}
    assert by_id[2] == {"_id": 2, "a": 0, "copy": 0}
    assert by_id[3]["l"] == [1, 0, 0]
    done = await send(
        mongo_api, "PATCH", "documents", **where, filter={"k": 1}, update={"$set": {"v": 2}}, upsert=True
    )
    assert (done["matched_count"], set(done["upserted_id"])) == (0, {"$oid"})
    missing = await refused(mongo_api, "PATCH", "documents", **where, id=77, update={"$set": {"a": 1}})
    assert missing == (404, "DOCUMENT_NOT_FOUND")


async def test_a_dry_run_shows_what_many_would_become_and_changes_nothing(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    documents: list[dict[str, Any]] = [{"_id": n, "a": n, "l": [n, 7]} for n in range(30)]
    await collection.insert_many(documents)
    shown = await send(
        mongo_api, "PATCH", "documents", **where,
        filter={"l": 7, "_id": {"$gte": 5}}, update={"$set": {"l.$": "seven"}}, many=True, dryRun=True,
    )  # fmt: skip
    assert (shown["matched_count"], shown["precision"], shown["modified_count"]) == (25, "exact", 0)
    assert len(shown["samples"]) == 10
    for each in shown["samples"]:
        n = each["before"]["_id"]
        assert each["before"] == documents[n]
        assert sorted(map(str, each["after"]["l"])) == sorted([str(n), "seven"]) or n == 7
    shown = await mongo_api.post("documents/delete", **where, filter={}, many=True, dryRun=True)
    assert (shown["matched_count"], shown["deleted_count"], len(shown["samples"])) == (30, 0, 10)
    fails = await refused(
        mongo_api, "PATCH", "documents", **where, filter={}, update={"$inc": {"l": 1}}, many=True, dryRun=True
    )
    assert fails[0] == 400
    assert await contents(collection) == documents


async def test_every_document_needs_a_confirmation(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    await collection.insert_many([{"_id": n} for n in range(3)])
    for verb, route, fields in (
        ("PATCH", "documents", {"update": {"$set": {"a": 1}}}),
        ("POST", "documents/delete", {}),
    ):
        asked = {**where, "many": True, **fields}
        answer = await mongo_api.send(verb, route, body=asked)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "CONFIRMATION_REQUIRED")
        confirmation = metadata(answer)["confirmation"]
        assert confirmation == f"{where['databaseName']}.things"
        assert await refused(mongo_api, verb, route, **asked, confirmation="x") == (
            400,
            "CONFIRMATION_REQUIRED",
        )
        await send(mongo_api, verb, route, **asked, confirmation=confirmation)
    assert await contents(collection) == []


async def test_deleting(mongo_api: MongoApi, collection: Collection, where: dict[str, object]) -> None:
    await collection.insert_many([{"_id": n, "a": n % 2} for n in range(9)])
    answer = await mongo_api.send("DELETE", "documents", query={**where, "id": "3"})
    assert answer.json() == {"deleted_count": 1}
    answer = await mongo_api.send("DELETE", "documents", query={**where, "id": "3"})
    assert answer.status_code == 404
    assert (await mongo_api.post("documents/delete", **where, filter={"a": 1}))["deleted_count"] == 1
    assert (await mongo_api.post("documents/delete", **where, filter={"a": 1}, many=True))[
        "deleted_count"
    ] == 2
    assert {each["a"] for each in await contents(collection)} == {0}


async def test_a_bulk_says_of_each_write_what_it_did(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    await collection.insert_many([{"_id": n, "a": 1} for n in range(4)])
    operations: list[Json] = [
        {"insertOne": {"document": {"_id": 10}}},
        {"insert_one": {"document": {"_id": 10}}},
        {"updateMany": {"filter": {"a": 1}, "update": {"$set": {"b": 1}}}},
        {"replaceOne": {"filter": {"_id": 20}, "replacement": {"c": 1}, "upsert": True}},
        {"updateOne": {"filter": {"_id": 0}, "update": [{"$set": {"d": "$b"}}]}},
        {"deleteOne": {"filter": {"_id": 1}}},
        {"deleteMany": {"filter": {"a": 1}}},
    ]
    stopped = await mongo_api.post("documents/bulk", **where, operations=operations)
    assert (stopped["succeeded_count"], stopped["failed_count"], stopped["skipped_count"]) == (1, 1, 5)
    assert stopped["results"][0]["inserted_id"] == 10
    assert stopped["results"][1]["failure"]["error_code"] == "DUPLICATE_KEY"
    done = await mongo_api.post("documents/bulk", **where, operations=operations, unordered=True)
    assert (done["succeeded_count"], done["failed_count"], done["skipped_count"]) == (5, 2, 0)
    facts = [
        (
            each["index"],
            each["matched_count"],
            each["modified_count"],
            each["deleted_count"],
            each["inserted_id"],
        )
        for each in done["results"][2:]
    ]
    assert facts == [
        (2, 4, 4, 0, None),
        (3, 0, 0, 0, 20),
        (4, 1, 1, 0, None),
        (5, 0, 0, 1, None),
        (6, 0, 0, 3, None),
    ]
    assert await contents(collection) == [{"_id": 10}, {"_id": 20, "c": 1}]


@pytest.mark.parametrize(
    ("verb", "route", "fields"),
    [
        ("POST", "documents", {"documents": []}),
        ("POST", "documents", {"documents": [5]}),
        ("PUT", "documents", {"document": {"a": 1}}),
        ("PUT", "documents", {"id": 1}),
        ("PUT", "documents", {"id": 1, "document": {}, "expected": {}, "upsert": True}),
        ("PATCH", "documents", {"update": {"$set": {"a": 1}}}),
        ("PATCH", "documents", {"id": 1, "filter": {}, "update": {"$set": {"a": 1}}}),
        ("PATCH", "documents", {"id": 1, "many": True, "update": {"$set": {"a": 1}}}),
        ("PATCH", "documents", {"id": 1, "update": {"a": 1}}),
        ("PATCH", "documents", {"id": 1, "update": {}}),
        ("PATCH", "documents", {"id": 1, "update": []}),
        ("PATCH", "documents", {"id": 1, "update": [{"$match": {}}]}),
        ("PATCH", "documents", {"id": 1, "update": {"$set": {"a": 1}}, "arrayFilters": [1]}),
        ("PATCH", "documents", {"filter": {}, "expected": {}, "update": {"$set": {"a": 1}}}),
        ("POST", "documents/delete", {}),
        ("POST", "documents/delete", {"filter": None}),
        ("POST", "documents/delete", {"filter": {"_id": 1}, "hint": NOT_UTF8}),
        ("POST", "documents/bulk", {"operations": [{}]}),
        ("POST", "documents/bulk", {"operations": [{"deleteMany": {"filter": {}}}]}),
        ("POST", "documents/bulk", {"operations": [{"updateOne": {"filter": {}, "update": {"a": 1}}}]}),
        ("POST", "documents/bulk", {"operations": [{"dropCollection": {}}]}),
    ],
    ids=str,
)
async def test_mistakes_are_refused_before_anything_is_done(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object], verb: str, route: str, fields: Json
) -> None:
    await collection.insert_one({"_id": 1})
    assert await refused(mongo_api, verb, route, **where, **fields) == (400, "INVALID_ARGUMENT")
    assert await contents(collection) == [{"_id": 1}]


@pytest.mark.parametrize(
    ("verb", "route", "fields"),
    [
        ("PATCH", "documents", {"id": 1, "update": {"$foo": {"a": 1}}}),
        ("PATCH", "documents", {"id": 1, "update": {"$set": {"_id": 2}}}),
        ("PATCH", "documents", {"id": 1, "update": {"$inc": {"s": 1}}}),
        ("PATCH", "documents", {"filter": {"$foo": 1}, "update": {"$set": {"a": 1}}}),
        ("POST", "documents/delete", {"filter": {"a": {"$foo": 1}}}),
    ],
    ids=str,
)
async def test_what_the_server_refuses_is_the_callers_mistake(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object], verb: str, route: str, fields: Json
) -> None:
    await collection.insert_one({"_id": 1, "s": "text"})
    assert (await refused(mongo_api, verb, route, **where, **fields))[0] == 400
    assert await contents(collection) == [{"_id": 1, "s": "text"}]


async def test_the_rules_of_a_collection(
    mongo_api: MongoApi, mongo_engine: Engine, collection: Collection, where: dict[str, object]
) -> None:
    rules = {"$jsonSchema": {"required": ["a"]}}
    await mongo_engine[str(where["databaseName"])].create_collection("things", validator=rules)
    assert await refused(mongo_api, "POST", "documents", **where, documents=[{"_id": 1}]) == (
        400,
        "DOCUMENT_INVALID",
    )
    await mongo_api.post("documents", **where, documents=[{"_id": 1}], bypassValidation=True)
    shown = await refused(
        mongo_api, "PATCH", "documents", **where, filter={}, many=True, dryRun=True, update={"$set": {"b": 1}}
    )
    assert shown == (400, "DOCUMENT_INVALID")
    await send(mongo_api, "PUT", "documents", **where, id=1, document={"a": 1})
    assert await contents(collection) == [{"_id": 1, "a": 1}]


async def test_documents_that_are_too_large_or_too_deep(
    mongo_api: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    names = f'"databaseName":"{where["databaseName"]}","collection":"things"'
    too_deep = f'{{{names},"documents":[{{"a":{"[" * 100_000}{"]" * 100_000}}}]}}'
    too_large = f'{{{names},"documents":[{{"a":"{"x" * 17 * 2**20}"}}]}}'
    for body, status in ((too_deep, 400), (too_large, 413)):
        answer = await mongo_api.http.post(
            f"{mongo_api.base}/documents", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == status, answer.text[:300]
    assert await contents(collection) == []


WRITES: list[tuple[str, str, Json]] = [
    ("POST", "documents", {"documents": [{"_id": 2}]}),
    ("PUT", "documents", {"id": 1, "document": {"a": 1}}),
    ("PATCH", "documents", {"id": 1, "update": {"$set": {"a": 1}}}),
    ("PATCH", "documents", {"filter": {}, "update": {"$set": {"a": 1}}, "many": True, "dryRun": True}),
    ("POST", "documents/delete", {"id": 1}),
    ("POST", "documents/bulk", {"operations": [{"deleteOne": {"filter": {}}}]}),
]


async def test_the_servers_own_collections_are_not_written_by_developers(
    mongo_api: MongoApi, where: dict[str, object]
) -> None:
    """A document in `system.views` would be a view that no rule for pipelines has seen."""
    for name in ("system.views", "system.buckets.weather", "system.js"):
        for verb, route, fields in WRITES:
            found = await refused(mongo_api, verb, route, **{**where, "collection": name}, **fields)
            assert found == (403, "PERMISSION_DENIED"), (name, route)


async def test_readers_write_nothing(
    mongo_reader: MongoApi, collection: Collection, where: dict[str, object]
) -> None:
    await collection.insert_one({"_id": 1})
    for verb, route, fields in WRITES:
        assert await refused(mongo_reader, verb, route, **where, **fields) == (403, "PERMISSION_DENIED")
    answer = await mongo_reader.send("DELETE", "documents", query={**where, "id": "1"})
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert await contents(collection) == [{"_id": 1}]


async def test_a_read_only_connection_refuses_writes_to_owners_too(
    system: LocalSystem, collection: Collection, where: dict[str, object]
) -> None:
    await collection.insert_one({"_id": 1})
    async with system.client("owner") as owner:
        answer = await owner.post(
            "/api/platform/databases",
            json={
                "projectRef": "default",
                "name": str(where["databaseName"]).replace("_", "-"),
                "type": "mongodb",
                "connectionString": system.engines["mongodb"],
                "config": {"read_only": True},
                "skipTest": True,
            },
        )
        assert answer.is_success, answer.text
        api = MongoApi(owner, answer.json()["id"])
        try:
            for verb, route, fields in WRITES:
                assert await refused(api, verb, route, **where, **fields) == (403, "CONNECTION_READ_ONLY")
            assert await api.get("documents", **where) == {"documents": [{"_id": 1}], "next_page_token": ""}
        finally:
            await owner.delete(f"/api/platform/databases/{api.database_id}")
    assert await contents(collection) == [{"_id": 1}]
