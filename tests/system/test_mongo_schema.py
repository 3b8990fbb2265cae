"""Schemas and validation rules over REST: analysed from a sample, read, set, tested step by step, proposed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId, Regex
from pymongo import AsyncMongoClient

from tests.support import sse
from tests.support.engine_api import Json
from tests.support.mongo_api import MongoApi

Engine = AsyncMongoClient[dict[str, Any]]
REFUSED = (403, "PERMISSION_DENIED")


@pytest.fixture
def people(mongo_database: str) -> dict[str, object]:
    """The fields of a body that name a collection."""
    return {"databaseName": mongo_database, "collection": "people"}


async def analyzed(api: MongoApi, **body: object) -> Json:
    async with sse.events(api.http, "POST", f"{api.base}/schema/analyze", body=body) as events:
        found = [event async for event in events]
    assert not any(event["fields"] for event in found[:-1])
    assert (found[-1]["done"], found[-1].get("error")) == (True, None)
    return found[-1]


async def checked(api: MongoApi, **body: object) -> list[Json]:
    async with sse.events(api.http, "POST", f"{api.base}/validation/test", body=body) as events:
        return [event async for event in events]


def field(schema: Json, path: str) -> Json:
    return next(each for each in schema["fields"] if each["path"] == path)


def type_(found: Json, name: str) -> Json:
    return next(each for each in found["types"] if each["type"] == name)


async def test_fields_are_told_with_types_values_and_what_is_missing(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    began = datetime(2024, 1, 1, tzinfo=UTC)
    await mongo_engine[mongo_database]["people"].insert_many(
        {
            "_id": n,
            "name": "ann" if n % 4 else "bob",
            "joined": began + timedelta(days=n),
            "address": {"city": "Bern", "at": [7.4, 46.9]} if n % 2 else None,
            "orders": [{"total": n}, {"total": n * 2.5}],
            **({"nick": "x" * n} if n < 10 else {}),
        }
        for n in range(100)
    )

    schema = await analyzed(mongo_reader, **people)

    assert (schema["analyzed"], schema["total_estimate"], schema["truncated"]) == (100, 100, False)
    assert [each["path"] for each in schema["fields"]] == [
        "_id",
        "name",
        "joined",
        "address",
        "address.city",
        "address.at",
        "address.at[]",
        "orders",
        "orders[]",
        "orders[].total",
        "nick",
    ]
    name = type_(field(schema, "name"), "string")
    assert [(each["value"], each["count"]) for each in name["values"]] == [('"ann"', 75), ('"bob"', 25)]
    assert (name["distinct"], name["distinct_truncated"], name["share"]) == (2, False, 1)
    nick = field(schema, "nick")
    assert (nick["parents"], nick["count"], nick["missing"]) == (100, 10, 90)
    assert type_(nick, "string")["lengths"] == {"min": 0, "max": 9, "mean": 4.5}
    address = field(schema, "address")
    assert {each["type"]: each["count"] for each in address["types"]} == {"object": 50, "null": 50}
    assert field(schema, "address.city")["parents"] == 50
    assert type_(field(schema, "address.at"), "array")["geo"] == {
        "min_longitude": 7.4,
        "min_latitude": 46.9,
        "max_longitude": 7.4,
        "max_latitude": 46.9,
        "count": 50,
    }
    total = field(schema, "orders[].total")
    assert (total["names"], total["items"], total["parents"]) == (["orders", "total"], False, 200)
    assert {each["type"] for each in total["types"]} == {"int", "double"}
    assert field(schema, "orders[]")["items"]
    joined = type_(field(schema, "joined"), "date")
    assert joined["range"]["min"] == began.timestamp() * 1000
    assert sum(bucket["count"] for bucket in joined["histogram"]) == 100
    assert len(joined["histogram"]) == 20
    assert type_(field(schema, "_id"), "int")["range"] == {"min": 0, "max": 99, "mean": 49.5}


async def test_odd_documents_are_analysed_as_they_are(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    await mongo_engine[mongo_database]["people"].insert_one(
        {"": Int64(2**60), "d.ot": Decimal128("1.5"), "$cash": Regex("^x"), "o": ObjectId()}
    )

    schema = await analyzed(mongo_reader, **people)

    assert field(schema, "")["names"] == [""]
    assert type_(field(schema, ""), "long")["values"] == [
        {"value": '{"$numberLong":"1152921504606846976"}', "count": 1}
    ]
    assert field(schema, "d.ot")["names"] == ["d.ot"]
    assert field(schema, "$cash")["types"][0]["type"] == "regex"


async def test_a_sample_is_as_large_as_asked_and_of_what_matches(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    await mongo_engine[mongo_database]["people"].insert_many(
        {"_id": n, "even": n % 2 == 0} for n in range(300)
    )

    assert (await analyzed(mongo_reader, **people, sampleSize=20))["analyzed"] == 20
    even = await analyzed(mongo_reader, **people, filter={"even": True})
    assert even["analyzed"] == 150
    assert type_(field(even, "even"), "bool")["values"] == [{"value": "true", "count": 150}]
    assert (await analyzed(mongo_reader, databaseName=mongo_database, collection="nothing"))["fields"] == []
    assert await mongo_reader.post_refused("schema/analyze", **people, filter={"$where": "1"}) == REFUSED


async def test_too_many_fields_are_cut_and_said(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    await mongo_engine[mongo_database]["people"].insert_one({f"f{n}": n for n in range(2500)})
    schema = await analyzed(mongo_reader, **people)
    assert (len(schema["fields"]), schema["truncated"]) == (2000, True)


async def test_rules_are_set_and_read_by_developers(
    mongo_api: MongoApi,
    mongo_reader: MongoApi,
    mongo_engine: Engine,
    mongo_database: str,
    people: dict[str, object],
) -> None:
    await mongo_engine[mongo_database].create_collection("people")
    none = {"validator": {}, "level": "strict", "action": "error"}
    assert await mongo_reader.get("validation", **people) == none
    rules = {"$jsonSchema": {"bsonType": "object", "required": ["name"]}}
    wanted = {**people, "validator": rules, "level": "moderate", "action": "warn"}

    assert (await mongo_reader.send("PUT", "validation", body=wanted)).status_code == 403
    answer = await mongo_api.send("PUT", "validation", body=wanted)

    assert answer.json() == {"validator": rules, "level": "moderate", "action": "warn"}
    assert await mongo_reader.get("validation", **people) == answer.json()
    removed = await mongo_api.send("PUT", "validation", body={**people, "validator": {}})
    assert removed.json()["validator"] == {}


async def test_wrong_rules_and_wrong_collections_are_refused(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    await mongo_engine[mongo_database].create_collection("people")
    await mongo_engine[mongo_database].create_collection("seen", viewOn="people", pipeline=[])
    for body, status in (
        ({**people, "validator": {"$jsonSchema": {"bsonType": "nonsense"}}}, 400),
        ({**people, "validator": {"$where": "true"}}, 403),
        ({**people}, 400),
        ({**people, "level": "sometimes"}, 400),
        ({**people, "collection": "nothing", "level": "off"}, 404),
        ({**people, "collection": "seen", "level": "off"}, 400),
    ):
        answer = await mongo_api.send("PUT", "validation", body=body)
        assert answer.status_code == status, f"{body}: {answer.text}"
    assert await mongo_api.get_refused("validation", databaseName=mongo_database, collection="no") == (
        404,
        "NAMESPACE_NOT_FOUND",
    )


async def test_documents_that_break_rules_are_counted_and_shown_with_the_rules_they_break(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    await mongo_engine[mongo_database]["people"].insert_many(
        [
            {"_id": 1, "name": "ann", "age": 30, "address": {"zip": "3000"}},
            {"_id": "two", "name": "bob", "age": -1, "address": {"zip": 3000}},
            {"_id": ObjectId(), "age": 5.5, "more": True},
        ]
    )
    rules = {
        "$jsonSchema": {
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "_id": {},
                "name": {"bsonType": "string"},
                "age": {"bsonType": "int", "minimum": 0},
                "address": {"properties": {"zip": {"bsonType": "string"}}},
            },
        }
    }

    (event,) = await checked(mongo_reader, **people, validator=rules)

    assert (event["checked"], event["failed"], event["done"], event["resume"]) == (3, 2, True, "")
    broken = {
        sample["id"]: {(rule["path"], rule["rule"]) for rule in sample["broken"]}
        for sample in event["samples"]
    }
    assert broken.pop('"two"') == {("age", "minimum"), ("address.zip", "bsonType")}
    assert list(broken.values()) == [
        {("name", "required"), ("age", "bsonType"), ("", "additionalProperties")}
    ]


async def test_a_test_goes_on_where_it_stopped_through_ids_of_every_type(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    # No documents among them: the engine of these tests keeps those out of order in its index.
    ids: list[object] = [
        *range(2500),
        *(n + 0.5 for n in range(500)),
        *(f"s{n}" for n in range(1200)),
        *(ObjectId() for _ in range(1000)),
        None,
        True,
    ]
    await mongo_engine[mongo_database]["people"].insert_many(
        {"_id": id_, "n": n} for n, id_ in enumerate(ids)
    )
    rules = {"n": {"$mod": [10, 1]}}
    body = {**people, "validator": rules, "samples": 1}
    failing = sum(n % 10 != 1 for n in range(len(ids)))

    events = await checked(mongo_reader, **body)

    assert [event["checked"] for event in events] == [5000, len(ids)]
    assert (events[-1]["failed"], events[-1]["done"]) == (failing, True)
    assert [len(event["samples"]) for event in events] == [1, 0]
    rest = await checked(mongo_reader, **body, resume=events[0]["resume"])
    assert rest[-1]["checked"] == len(ids) - 5000
    assert rest[-1]["failed"] == failing - events[0]["failed"]


async def test_a_test_takes_the_rules_of_the_collection_and_refuses_foreign_tokens(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    collection = mongo_engine[mongo_database]["people"]
    await collection.insert_many([{"a": 1}, {"a": "x"}])
    await mongo_engine[mongo_database].command("collMod", "people", validator={"a": {"$type": "string"}})

    (event,) = await checked(mongo_reader, **people)

    assert event["failed"] == 1
    assert [rule["path"] for rule in event["samples"][0]["broken"]] == ["a"]
    assert await mongo_reader.post_refused("validation/test", **people, resume="AAAA") == (
        400,
        "INVALID_CURSOR",
    )
    wrong = {"$jsonSchema": {"noSuchKeyword": 1}}
    assert (await mongo_reader.post_refused("validation/test", **people, validator=wrong))[0] == 400


async def test_proposed_rules_are_kept_by_the_documents_they_come_from(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str, people: dict[str, object]
) -> None:
    collection = mongo_engine[mongo_database]["people"]
    await collection.insert_many(
        {
            "_id": n,
            "state": "on" if n % 2 else "off",
            "size": n,
            "tags": ["a", "b"],
            "inner": {"x": n * 0.5} if n % 3 else None,
        }
        for n in range(100)
    )

    proposal = await mongo_api.post("validation/propose", **people, withBounds=True, noOtherFields=True)

    schema = proposal["validator"]["$jsonSchema"]
    assert set(schema["required"]) == {"_id", "state", "size", "tags", "inner"}
    assert schema["properties"]["state"] == {"bsonType": "string", "enum": ["off", "on"]}
    assert schema["properties"]["size"] == {"bsonType": "int", "minimum": 0, "maximum": 99}
    assert schema["properties"]["tags"]["items"] == {"bsonType": "string", "enum": ["a", "b"]}
    assert schema["properties"]["inner"]["bsonType"] == ["object", "null"]
    assert schema["properties"]["inner"]["required"] == ["x"]
    (event,) = await checked(mongo_api, **people, validator=proposal["validator"])
    assert event["failed"] == 0
    plain = await mongo_api.post("validation/propose", **people)
    assert plain["validator"]["$jsonSchema"]["properties"]["size"] == {"bsonType": "int"}
    answer = await mongo_api.send("PUT", "validation", body={**people, "validator": proposal["validator"]})
    assert answer.status_code == 200
    await collection.insert_one({"_id": 100, "state": "on", "size": 5, "tags": ["a"] * 2, "inner": None})
