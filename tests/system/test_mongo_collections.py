"""Databases and collections over REST: listed, measured, made, changed, renamed, dropped."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import WriteError

from tests.support.mongo_api import Json, MongoApi
from tests.support.sse import Event, events

Engine = AsyncMongoClient[dict[str, Any]]


async def refused(api: MongoApi, verb: str, route: str, **fields: object) -> tuple[int, str]:
    """The status and the error code of a call that must fail."""
    given = {"query": fields} if verb in ("GET", "DELETE") else {"body": fields}
    answer = await api.send(verb, route, **given)
    assert not answer.is_success, answer.text
    return answer.status_code, str(answer.json()["error_code"])


async def create(api: MongoApi, database: str, name: str, **options: object) -> Json:
    answer = await api.send(
        "POST", "collections", body={"databaseName": database, "collection": name, **options}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def names(api: MongoApi, database: str, **query: object) -> list[str]:
    """The names on all pages, in order."""
    found: list[str] = []
    token = ""
    while True:
        page = await api.get("collections", databaseName=database, pageToken=token, **query)
        found += [each["name"] for each in page["collections"]]
        token = page["next_page_token"]
        if not token:
            return found


async def work(api: MongoApi, route: str, **body: object) -> list[Event]:
    """All events of long work that must succeed."""
    async with (
        asyncio.timeout(60),
        events(api.http, "POST", f"{api.base}/collections/{route}", body=body) as stream,
    ):
        found = [event async for event in stream]
    assert [each["done"] for each in found] == [False] * (len(found) - 1) + [True], found
    return found


async def test_databases_are_listed_and_the_servers_own_are_marked(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database].create_collection("a")
    listed = {each["name"]: each for each in (await mongo_reader.get("databases"))["databases"]}
    assert listed[mongo_database] == {"name": mongo_database, "size_bytes": -1, "is_system": False}
    sizes = (await mongo_reader.get("databases", withSizes=True))["databases"]
    assert all(each["size_bytes"] >= 0 for each in sizes)
    assert [each["name"] for each in sizes] == sorted(listed)


async def test_a_database_is_made_by_its_first_collection(mongo_api: MongoApi, mongo_database: str) -> None:
    body = {"databaseName": mongo_database, "collection": "first", "capped": True, "size": 4096}
    made = await mongo_api.send("POST", "databases", body=body)
    assert made.status_code == 201, made.text
    assert made.json()["database_name"] == mongo_database
    assert made.json()["collection"]["options"] == {"capped": True, "size": 4096}
    assert await refused(mongo_api, "POST", "databases", **body) == (409, "ALREADY_EXISTS")
    assert await refused(mongo_api, "POST", "databases", collection="x") == (400, "INVALID_ARGUMENT")


async def test_dropping_a_database_takes_an_administrator_and_its_name_twice(
    mongo_api: MongoApi, mongo_admin: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database].create_collection("a")
    named = {"databaseName": mongo_database}
    assert await refused(mongo_api, "DELETE", "databases", **named) == (403, "PERMISSION_DENIED")
    assert await refused(mongo_admin, "DELETE", "databases", **named) == (400, "CONFIRMATION_REQUIRED")
    assert await refused(mongo_admin, "DELETE", "databases", **named, confirm="other") == (
        400,
        "CONFIRMATION_REQUIRED",
    )
    assert mongo_database in await mongo_engine.list_database_names()
    dropped = await mongo_admin.send("DELETE", "databases", query={**named, "confirm": mongo_database})
    assert (dropped.status_code, dropped.content) == (204, b"")
    assert mongo_database not in await mongo_engine.list_database_names()
    gone = await refused(mongo_admin, "DELETE", "databases", **named, confirm=mongo_database)
    assert gone == (404, "NAMESPACE_NOT_FOUND")
    for own in ("admin", "config", "local"):
        answer = await refused(mongo_admin, "DELETE", "databases", databaseName=own, confirm=own)
        assert answer == (400, "COMMAND_REFUSED")


KINDS: list[tuple[str, Json, Json]] = [
    ("collection", {}, {}),
    ("collection", {"capped": True, "size": 8192, "max": 10}, {"capped": True, "size": 8192, "max": 10}),
    (
        "timeseries",
        {
            "timeseries": {"timeField": "at", "metaField": "sensor", "granularity": "hours"},
            "expireAfterSeconds": 3600,
        },
        {
            "timeseries": {"timeField": "at", "metaField": "sensor", "granularity": "hours"},
            "expireAfterSeconds": 3600,
        },
    ),
    (
        "collection",
        {"clusteredIndex": {"name": "by_id"}, "expire_after_seconds": 60},
        {
            "clusteredIndex": {"v": 2, "key": {"_id": 1}, "name": "by_id", "unique": True},
            "expireAfterSeconds": 60,
        },
    ),
    (
        "collection",
        {
            "validator": {"$jsonSchema": {"required": ["a"], "properties": {"n": {"bsonType": "long"}}}},
            "validationLevel": "moderate",
            "validationAction": "warn",
        },
        {
            "validator": {"$jsonSchema": {"required": ["a"], "properties": {"n": {"bsonType": "long"}}}},
            "validationLevel": "moderate",
            "validationAction": "warn",
        },
    ),
    (
        "collection",
        {"collation": {"locale": "de", "strength": 1}},
        {"collation": {"locale": "de", "strength": 1}},
    ),
    (
        "collection",
        {"changeStreamPreAndPostImages": {"enabled": True}},
        {"changeStreamPreAndPostImages": {"enabled": True}},
    ),
    (
        "view",
        {
            "viewOn": "orders",
            "pipeline": [{"$match": {"total": {"$gt": 5000000000}}}, {"$sort": {"a": -1, "b": 1}}],
        },
        {
            "viewOn": "orders",
            "pipeline": [{"$match": {"total": {"$gt": 5000000000}}}, {"$sort": {"a": -1, "b": 1}}],
        },
    ),
]


@pytest.mark.parametrize(("kind", "given", "kept"), KINDS)
async def test_a_collection_of_each_kind_is_made_with_its_options(
    mongo_api: MongoApi, mongo_database: str, kind: str, given: Json, kept: Json
) -> None:
    made = await create(mongo_api, mongo_database, "new", **given)
    assert made["database_name"] == mongo_database
    assert made["collection"] == {
        "name": "new",
        "type": kind,
        "options": made["collection"]["options"],
        "read_only": kind == "view",
        "is_system": False,
    }
    found = made["collection"]["options"]
    assert kept == {name: found.get(name) for name in kept}
    assert (await mongo_api.get("collections", databaseName=mongo_database))["collections"] == [
        made["collection"]
    ]
    again = await refused(mongo_api, "POST", "collections", databaseName=mongo_database, collection="new")
    assert again == (409, "ALREADY_EXISTS")


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"capped": True}, (400, "DB_QUERY_ERROR")),
        ({"capped": True, "size": 1.5}, (400, "INVALID_ARGUMENT")),
        ({"validator": {"$nonsense": 1}}, (400, "DB_QUERY_ERROR")),
        ({"validator": [1]}, (400, "INVALID_ARGUMENT")),
        ({"validator": {"$where": "true"}}, (403, "PERMISSION_DENIED")),
        ({"validationLevel": "lax"}, (400, "INVALID_ARGUMENT")),
        ({"nonsense": 1}, (400, "INVALID_ARGUMENT")),
        ({"viewOn": "a", "pipeline": {"$match": {}}}, (400, "INVALID_ARGUMENT")),
        ({"viewOn": "a", "pipeline": [{"$out": "b"}]}, (400, "INVALID_ARGUMENT")),
        ({"viewOn": "a", "pipeline": [{"$project": {"x": {"$function": {}}}}]}, (403, "PERMISSION_DENIED")),
        ({"viewOn": "system.users"}, (403, "PERMISSION_DENIED")),
        ({"collection": "system.views"}, (400, "COMMAND_REFUSED")),
        ({"collection": "a$b"}, (400, "INVALID_ARGUMENT")),
        ({"collection": ""}, (400, "INVALID_ARGUMENT")),
        ({"databaseName": "a.b"}, (400, "INVALID_ARGUMENT")),
        ({"databaseName": "admin"}, (403, "PERMISSION_DENIED")),
    ],
)
async def test_what_can_not_be_made_is_refused_with_a_reason(
    mongo_api: MongoApi, mongo_database: str, given: Json, answer: tuple[int, str]
) -> None:
    body = {"databaseName": mongo_database, "collection": "new", **given}
    assert await refused(mongo_api, "POST", "collections", **body) == answer
    assert await names(mongo_api, mongo_database) == []


async def test_what_a_collection_demands_of_documents_is_changed(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await create(mongo_api, mongo_database, "people")
    changed = await mongo_api.send(
        "PATCH",
        "collections",
        body={
            "databaseName": mongo_database,
            "collection": "people",
            "validator": {"age": {"$gte": 0}},
            "validationLevel": "strict",
            "changeStreamPreAndPostImages": {"enabled": True},
        },
    )
    assert changed.status_code == 200, changed.text
    found = changed.json()["collection"]["options"]
    assert (found["validator"], found["changeStreamPreAndPostImages"]) == (
        {"age": {"$gte": 0}},
        {"enabled": True},
    )
    with pytest.raises(WriteError):
        await mongo_engine[mongo_database].people.insert_one({"age": -1})


async def test_a_view_keeps_the_half_of_it_that_is_not_changed(
    mongo_api: MongoApi, mongo_database: str
) -> None:
    pipeline = [{"$match": {"a": 1}}]
    await create(mongo_api, mongo_database, "shown", viewOn="first", pipeline=pipeline)
    view: Json = {"databaseName": mongo_database, "collection": "shown"}
    same = await mongo_api.send("PATCH", "collections", body={**view, "viewOn": "first"})
    assert same.json()["collection"]["options"] == {"viewOn": "first", "pipeline": pipeline}
    changed = await mongo_api.send("PATCH", "collections", body={**view, "viewOn": "second"})
    if changed.is_success:
        assert changed.json()["collection"]["options"] == {"viewOn": "second", "pipeline": pipeline}
    else:  # a server that says yes and does nothing
        assert changed.json()["error_code"] == "NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"collection": "gone", "validator": {}}, (404, "NAMESPACE_NOT_FOUND")),
        ({"collection": "plain"}, (400, "INVALID_ARGUMENT")),
        ({"collection": "plain", "pipeline": []}, (400, "INVALID_ARGUMENT")),
        ({"collection": "shown", "validator": {}}, (400, "INVALID_ARGUMENT")),
        ({"collection": "shown", "pipeline": [{"$merge": "plain"}]}, (400, "INVALID_ARGUMENT")),
        ({"collection": "plain", "validator": {"$expr": {"$function": {}}}}, (403, "PERMISSION_DENIED")),
        ({"collection": "system.views", "validator": {}}, (400, "COMMAND_REFUSED")),
    ],
)
async def test_a_change_that_does_not_fit_is_refused(
    mongo_api: MongoApi, mongo_database: str, given: Json, answer: tuple[int, str]
) -> None:
    await create(mongo_api, mongo_database, "plain")
    await create(mongo_api, mongo_database, "shown", viewOn="plain", pipeline=[])
    assert (
        await refused(mongo_api, "PATCH", "collections", **{"databaseName": mongo_database, **given})
        == answer
    )


async def test_a_collection_is_renamed_and_replaces_another_only_when_told(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    database = mongo_engine[mongo_database]
    await database.old.insert_one({"from": "old"})
    await database.taken.insert_one({"from": "taken"})
    to = {"databaseName": mongo_database, "collection": "old", "newName": "taken"}
    assert await refused(mongo_api, "POST", "collections/rename", **to) == (409, "ALREADY_EXISTS")
    renamed = await mongo_api.post("collections/rename", **to, dropTarget=True)
    assert renamed["collection"]["name"] == "taken"
    assert [each["from"] async for each in database.taken.find()] == ["old"]
    assert await refused(mongo_api, "POST", "collections/rename", **to) == (404, "NAMESPACE_NOT_FOUND")
    same = await refused(mongo_api, "POST", "collections/rename", **{**to, "collection": "taken"})
    assert same == (400, "INVALID_ARGUMENT")


async def test_a_collection_moves_to_another_database_by_an_administrator(
    mongo_api: MongoApi, mongo_admin: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    other = f"test_{secrets.token_hex(8)}"
    await mongo_engine[mongo_database].goods.insert_many([{"n": n} for n in range(100)])
    to = {"databaseName": mongo_database, "collection": "goods", "newDatabaseName": other}
    try:
        assert await refused(mongo_api, "POST", "collections/move", **to) == (403, "PERMISSION_DENIED")
        await work(mongo_admin, "move", **to)
        assert await mongo_engine[other].goods.count_documents({}) == 100
        assert await names(mongo_api, mongo_database) == []
        assert await refused(mongo_admin, "POST", "collections/move", **to) == (404, "NAMESPACE_NOT_FOUND")
    finally:
        await mongo_engine.drop_database(other)


async def test_a_collection_is_dropped_once(mongo_api: MongoApi, mongo_database: str) -> None:
    await create(mongo_api, mongo_database, "a")
    query: dict[str, object] = {"databaseName": mongo_database, "collection": "a"}
    dropped = await mongo_api.send("DELETE", "collections", query=query)
    assert (dropped.status_code, dropped.content) == (204, b"")
    assert await refused(mongo_api, "DELETE", "collections", **query) == (404, "NAMESPACE_NOT_FOUND")
    users = {"databaseName": "admin", "collection": "system.users"}
    assert await refused(mongo_api, "DELETE", "collections", **users) == (400, "COMMAND_REFUSED")
    others = {"databaseName": "config", "collection": "settings"}
    assert await refused(mongo_api, "DELETE", "collections", **others) == (403, "PERMISSION_DENIED")


async def test_thousands_of_collections_are_listed_page_by_page_in_order(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    made = [f"c{number}" for number in range(1500)]
    database = mongo_engine[mongo_database]
    for start in range(0, len(made), 50):
        await asyncio.gather(*(database.command({"create": name}) for name in made[start : start + 50]))
    assert await names(mongo_reader, mongo_database, pageSize=999) == sorted(made)
    first = await mongo_reader.get("collections", databaseName=mongo_database)
    assert [each["name"] for each in first["collections"]] == sorted(made)[:100]
    assert await names(mongo_reader, mongo_database, search="C149", pageSize=7) == [
        "c149",
        *(f"c149{digit}" for digit in range(10)),
    ]
    for token in ("%", "é"):
        bad = await refused(mongo_reader, "GET", "collections", databaseName=mongo_database, pageToken=token)
        assert bad == (400, "INVALID_CURSOR")


async def test_views_and_collections_are_told_apart(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database].create_collection("stored")
    await mongo_engine[mongo_database].command({"create": "shown", "viewOn": "stored", "pipeline": []})
    assert await names(mongo_reader, mongo_database, type="view") == ["shown"]
    assert await names(mongo_reader, mongo_database, type="collection") == ["stored"]
    assert await names(mongo_reader, mongo_database) == ["shown", "stored"]


async def test_sizes_come_from_the_servers_books(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    database = mongo_engine[mongo_database]
    await database.command({"create": "capped", "capped": True, "size": 8192, "max": 50})
    await database.capped.insert_many([{"n": n} for n in range(10)])
    await database.capped.create_index("n")
    await database.command({"create": "shown", "viewOn": "capped", "pipeline": []})
    await database.command({"create": "series", "timeseries": {"timeField": "at"}})

    capped = await mongo_reader.get("stats", databaseName=mongo_database, collection="capped")
    assert (capped["type"], capped["document_count"], capped["index_count"]) == ("collection", 10, 2)
    assert (capped["capped"], capped["max_bytes"], capped["max_documents"]) == (True, 8192, 50)
    assert set(capped["index_sizes"]) == {"_id_", "n_1"}
    assert (capped["collection_count"], capped["shards"]) == (-1, [])

    view = await mongo_reader.get("stats", databaseName=mongo_database, collection="shown")
    assert view["type"] == "view"
    assert {value for value in view.values() if isinstance(value, (int, float)) and value is not False} == {
        -1
    }

    series = await mongo_reader.get("stats", databaseName=mongo_database, collection="series")
    assert (series["type"], series["document_count"]) == ("timeseries", -1)

    whole = await mongo_reader.get("stats", databaseName=mongo_database)
    assert whole["document_count"] >= 10
    assert whole["collection_count"] >= 2


async def test_sizes_of_what_is_not_there_are_not_zeros(mongo_reader: MongoApi, mongo_database: str) -> None:
    missing = (404, "NAMESPACE_NOT_FOUND")
    assert await refused(mongo_reader, "GET", "stats", databaseName=mongo_database) == missing
    of_collection = {"databaseName": mongo_database, "collection": "gone"}
    assert await refused(mongo_reader, "GET", "stats", **of_collection) == missing


@pytest.mark.parametrize(
    ("route", "options"), [("convert-to-capped", {"size": 4096}), ("compact", {"dryRun": True})]
)
async def test_maintenance_is_done_or_the_server_is_said_not_to_have_it(
    mongo_api: MongoApi, mongo_database: str, route: str, options: Json
) -> None:
    named = {"databaseName": mongo_database, "collection": "a", **options}
    gone = await refused(mongo_api, "POST", f"collections/{route}", **named)
    assert gone == (404, "NAMESPACE_NOT_FOUND")
    await create(mongo_api, mongo_database, "a")
    answer = await mongo_api.send("POST", f"collections/{route}", body=named)
    if answer.is_success:
        assert '"done":true' in answer.text
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (400, "NOT_SUPPORTED"), answer.text


@pytest.mark.parametrize(
    ("verb", "route"),
    [
        ("POST", "databases"),
        ("DELETE", "databases"),
        ("POST", "collections"),
        ("PATCH", "collections"),
        ("DELETE", "collections"),
        ("POST", "collections/rename"),
        ("POST", "collections/move"),
        ("POST", "collections/convert-to-capped"),
        ("POST", "collections/compact"),
    ],
)
async def test_who_may_only_read_changes_nothing(mongo_reader: MongoApi, verb: str, route: str) -> None:
    fields = {"databaseName": "shop", "collection": "orders"} if verb != "DELETE" else {}
    assert await refused(mongo_reader, verb, route, **fields) == (403, "PERMISSION_DENIED")
