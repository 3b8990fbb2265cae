"""Documents over REST: pages, streams, counts, values, and what is refused."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient

from tests.support.local_system import LocalSystem
from tests.support.mongo_api import Json, MongoApi
from tests.support.mongodb import MongoFactory

Engine = AsyncMongoClient[dict[str, Any]]
CHEESES = [{"_id": n, "name": f"cheese {n:03}", "kind": n % 3, "tags": ["a", n % 2]} for n in range(25)]


@pytest.fixture
async def cheeses(mongo_engine: Engine, mongo_database: str) -> dict[str, object]:
    """Where they are: the fields that each request names."""
    await mongo_engine[mongo_database].cheeses.insert_many(CHEESES)
    return {"databaseName": mongo_database, "collection": "cheeses"}


async def all_pages(api: MongoApi, **query: object) -> list[Json]:
    """The documents of all pages, asked in addresses."""
    found: list[Json] = []
    token = ""
    while True:
        page = await api.get("documents", **query, page_token=token)
        found += page["documents"]
        token = page["next_page_token"]
        if not token:
            return found


async def test_pages(mongo_reader: MongoApi, cheeses: dict[str, object]) -> None:
    assert await all_pages(mongo_reader, **cheeses, limit=4) == CHEESES
    named = await all_pages(mongo_reader, **cheeses, limit=4, sort={"kind": -1}, filter={"_id": {"$gte": 7}})
    assert [each["kind"] for each in named] == sorted((n % 3 for n in range(7, 25)), reverse=True)
    assert {each["_id"] for each in named} == set(range(7, 25))


async def test_an_id_that_is_no_json_gets_advice(mongo_reader: MongoApi, cheeses: dict[str, object]) -> None:
    answer = await mongo_reader.send("GET", "documents/get", query={**cheeses, "id": "abc"})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("id: is not JSON")
    assert "a text has quotes" in answer.json()["details"][0]["metadata"]["hint"]


async def test_a_question_in_a_body_and_all_its_parts(
    mongo_reader: MongoApi, mongo_engine: Engine, cheeses: dict[str, object]
) -> None:
    collection = mongo_engine[str(cheeses["databaseName"])].cheeses
    index = await collection.create_index("name")
    question = {
        **cheeses,
        "filter": {"name": {"$gte": "CHEESE 010"}},
        "projection": {"name": 1, "_id": 0},
        "sort": {"name": -1},
        "skip": 2,
        "limit": 3,
        "collation": {"locale": "en", "strength": 2},
        "maxTimeMS": 2000,
        "comment": "from a test",
    }
    page = await mongo_reader.post("documents/find", **question)
    assert page["documents"] == [{"name": f"cheese {n:03}"} for n in (22, 21, 20)]
    page = await mongo_reader.post("documents/find", **question, pageToken=page["next_page_token"])
    assert page["documents"] == [{"name": f"cheese {n:03}"} for n in (19, 18, 17)]
    for hint in (index, {"name": 1}):
        hinted = await mongo_reader.post("documents/find", **cheeses, hint=hint, limit=2)
        assert [each["_id"] for each in hinted["documents"]] == [0, 1]


async def test_numbers_keep_their_types_when_asked(
    mongo_reader: MongoApi, cheeses: dict[str, object]
) -> None:
    page = await mongo_reader.get("documents", **cheeses, limit=1, ejson="canonical", projection={"kind": 1})
    assert page["documents"] == [{"_id": {"$numberInt": "0"}, "kind": {"$numberInt": "0"}}]


@pytest.mark.parametrize("route", ["documents/stream", "export"])
@pytest.mark.parametrize("direction", [None, 1.5, 1e70, []])
async def test_directions_that_the_driver_does_not_know_are_refused(
    mongo_reader: MongoApi, cheeses: dict[str, object], route: str, direction: object
) -> None:
    refused = await mongo_reader.post_refused(route, **cheeses, sort={"kind": direction})
    assert refused == (400, "INVALID_ARGUMENT")


async def test_a_stream_of_raw_batches(
    mongo_reader: MongoApi, mongo_engine: Engine, cheeses: dict[str, object]
) -> None:
    text = "x" * 1000
    await mongo_engine[str(cheeses["databaseName"])].cheeses.insert_many(
        {"_id": n, "text": text} for n in range(100, 3100)
    )
    body = {**cheeses, "sort": {"_id": -1.0}, "filter": {"_id": {"$gte": 100}}}
    async with mongo_reader.http.stream("POST", f"{mongo_reader.base}/documents/stream", json=body) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/bson")
        raw = await answer.aread()
    documents = bson.decode_all(raw)
    assert [each["_id"] for each in documents] == list(range(3099, 99, -1))
    limited = await mongo_reader.http.post(f"{mongo_reader.base}/documents/stream", json={**body, "limit": 5})
    assert len(bson.decode_all(limited.content)) == 5


async def test_a_client_that_leaves_takes_the_cursor_with_it(
    system: LocalSystem, start_mongodb: MongoFactory
) -> None:
    server = start_mongodb(auth=False)  # of its own: nobody else's cursors come and go
    name = f"test-{secrets.token_hex(8)}"
    body = {"projectRef": "default", "name": name, "type": "mongodb", "connectionString": server.url}
    async with (
        Engine(server.url) as engine,
        system.client("owner") as owner,
    ):
        for start in range(0, 300, 20):
            many = [{"_id": n, "text": "x" * 150_000} for n in range(start, start + 20)]
            await engine.shop.large.insert_many(many)
        created = (await owner.post("/api/platform/databases", json=body)).json()
        api = MongoApi(owner, created["id"])

        async def open_cursors() -> int:
            status = await engine.admin.command("serverStatus")
            return int(status["metrics"]["cursor"]["open"]["total"])

        asked = {"databaseName": "shop", "collection": "large"}
        async with owner.stream("POST", f"{api.base}/documents/stream", json=asked) as answer:
            await anext(answer.aiter_raw())
            assert await open_cursors() == 1
        deadline = time.monotonic() + 10
        while await open_cursors():
            assert time.monotonic() < deadline, "the cursor stayed open"
            await asyncio.sleep(0.02)
        await owner.delete(f"/api/platform/databases/{api.database_id}")


async def test_counts_say_how_exact_they_are(mongo_reader: MongoApi, cheeses: dict[str, object]) -> None:
    async def count(**fields: object) -> tuple[float, str]:
        answer = await mongo_reader.post("documents/count", **cheeses, **fields)
        return answer["count"], answer["precision"]

    assert await count() == (25, "estimated")
    assert await count(exact=True) == (25, "exact")
    assert await count(filter={"kind": 1}) == (8, "exact")
    assert await count(filter={"kind": 1}, exact=True) == (8, "exact")
    assert await count(filter={"kind": 7}, exact=True) == (0, "exact")


async def test_values_of_a_field(
    mongo_reader: MongoApi, mongo_engine: Engine, cheeses: dict[str, object]
) -> None:
    async def values(field: str, **fields: object) -> tuple[list[Json], bool]:
        answer = await mongo_reader.post("documents/distinct", **cheeses, field=field, **fields)
        return answer["values"], answer["truncated"]

    assert await values("kind") == ([0, 1, 2], False)
    assert await values("tags") == ([0, 1, "a"], False)
    assert await values("kind", filter={"_id": {"$lt": 2}}) == ([0, 1], False)
    assert await values("name", limit=2) == (["cheese 000", "cheese 001"], True)
    collection = mongo_engine[str(cheeses["databaseName"])].cheeses
    odd = [{"b": [1, [2, 3]]}, {"b": None}, {"b": []}, {}, {"b": {"c": 1}}]
    await collection.insert_one({"_id": "odd", "a": odd})
    assert await values("a.b") == ([None, 1, [2, 3], {"c": 1}], False)
    assert await mongo_reader.post_refused("documents/distinct", **cheeses, field="a.0") == (
        400,
        "INVALID_ARGUMENT",
    )


async def test_a_document_that_is_not_there(mongo_reader: MongoApi, cheeses: dict[str, object]) -> None:
    assert await mongo_reader.get("documents/get", **cheeses, id="7") == {"document": CHEESES[7]}
    assert await mongo_reader.get_refused("documents/get", **cheeses, id='"7"') == (404, "DOCUMENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"filter": {"a": {"$foo": 1}}}, "DB_QUERY_ERROR"),
        ({"filter": {"$foo": 1}}, "DB_QUERY_ERROR"),
        ({"filter": {"$query": {}, "find": "other"}}, "DB_QUERY_ERROR"),
        ({"filter": {"name": {"$regex": "("}}}, "DB_QUERY_ERROR"),
        ({"filter": {"_id": {"$numberInt": "x"}}}, "INVALID_ARGUMENT"),
        ({"filter": [1]}, "INVALID_ARGUMENT"),
        ({"filter": "x"}, "INVALID_ARGUMENT"),
        ({"sort": {"name": "up"}}, "DB_QUERY_ERROR"),
        ({"projection": {"a": 1, "b": 0}}, "DB_QUERY_ERROR"),
        ({"hint": "no such index"}, "DB_QUERY_ERROR"),
        ({"hint": 5}, "INVALID_ARGUMENT"),
        ({"limit": 10_001}, "INVALID_ARGUMENT"),
        ({"skip": -1}, "INVALID_ARGUMENT"),
        ({"pageToken": "AQ"}, "INVALID_CURSOR"),
        ({"nonsense": 1}, "INVALID_ARGUMENT"),
        ({"collection": "a$b"}, "INVALID_ARGUMENT"),
    ],
    ids=str,
)
async def test_mistakes_have_clear_answers(
    mongo_reader: MongoApi, cheeses: dict[str, object], fields: dict[str, object], code: str
) -> None:
    assert await mongo_reader.post_refused("documents/find", **{**cheeses, **fields}) == (400, code)


async def test_a_mistake_in_a_stream_is_answered_before_it_begins(
    mongo_reader: MongoApi, cheeses: dict[str, object]
) -> None:
    for wrong in ({"$query": {}, "find": "other"}, {"a": {"$foo": 1}}):
        refused = await mongo_reader.post_refused("documents/stream", **cheeses, filter=wrong)
        assert refused == (400, "DB_QUERY_ERROR"), wrong


async def test_code_on_the_server_needs_an_administrator(
    mongo_api: MongoApi, cheeses: dict[str, object]
) -> None:
    for fields in (
        {"filter": {"$where": "sleep(1000)"}},
        {"filter": {"$or": [{"$expr": {"$function": {"body": "f", "args": [], "lang": "js"}}}]}},
        {"projection": {"x": {"$function": {"body": "f", "args": [], "lang": "js"}}}},
    ):
        refused = await mongo_api.post_refused("documents/find", **cheeses, **fields)
        assert refused == (403, "PERMISSION_DENIED"), fields


async def test_the_servers_own_collections_are_not_for_everyone(mongo_api: MongoApi) -> None:
    refused = await mongo_api.get_refused("documents", databaseName="admin", collection="system.users")
    assert refused == (403, "PERMISSION_DENIED")
