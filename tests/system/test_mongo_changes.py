"""Streams of changes through the gateway, on the sample MongoDB."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient

from services.mongo_svc.live.bounds import BOUNDS
from tests.support.local_system import LocalSystem
from tests.support.mongo_accounts import registered_as
from tests.support.mongo_api import MongoApi
from tests.support.sse import Event, events

Engine = AsyncMongoClient[dict[str, Any]]
Stream = AsyncGenerator[Event, None]


async def test_changes_come_as_events_with_exact_documents(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    orders = mongo_engine[mongo_database]["orders"]
    async with changes(mongo_reader, databaseName=mongo_database, collection="orders") as stream:
        begun = await anext(stream)
        assert begun["heartbeat"]
        assert begun["resume"]
        await orders.insert_one({"_id": 1, "total": bson.Int64(2**60)})
        await orders.update_one({"_id": 1}, {"$set": {"paid": True}})
        await orders.delete_one({"_id": 1})
        inserted, updated, deleted = [await next_change(stream) for _ in range(3)]
    assert inserted["operation_type"] == "insert"
    assert (inserted["database_name"], inserted["collection"]) == (mongo_database, "orders")
    assert inserted["full_document"] == {"_id": 1, "total": {"$numberLong": str(2**60)}}
    assert inserted["at_unix_ms"] > 1.6e12
    assert updated["update_description"]["updatedFields"] == {"paid": True}
    assert updated["full_document"] is None
    assert (deleted["operation_type"], deleted["document_key"]) == ("delete", {"_id": 1})


async def test_the_document_behind_an_update_comes_on_request(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    orders = mongo_engine[mongo_database]["orders"]
    await orders.insert_one({"_id": 1})
    async with changes(
        mongo_reader,
        databaseName=mongo_database,
        collection="orders",
        fullDocument="updateLookup",
        ejson="canonical",
    ) as stream:
        await anext(stream)
        await orders.update_one({"_id": 1}, {"$set": {"n": 5}})
        change = await next_change(stream)
    assert change["full_document"] == {"_id": {"$numberInt": "1"}, "n": {"$numberInt": "5"}}


async def test_whoever_was_cut_off_goes_on_and_sees_each_change_once(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    orders = mongo_engine[mongo_database]["orders"]
    scope = {"databaseName": mongo_database, "collection": "orders"}
    seen: list[int] = []
    async with changes(mongo_reader, **scope) as stream:
        resume = (await anext(stream))["resume"]
    # Nobody listens now.
    await orders.insert_many([{"_id": n} for n in range(100)])
    while len(seen) < 100:
        async with changes(mongo_reader, **scope, resume=resume) as stream:
            for _ in range(30):
                change = await next_change(stream)
                seen.append(change["document_key"]["_id"])
                resume = change["resume"]
                if len(seen) == 100:
                    break
    assert seen == list(range(100))


async def test_a_database_and_everything_can_be_watched_through_a_pipeline(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    pipeline = [
        {"$match": {"ns.db": mongo_database, "operationType": "insert"}},
        {"$addFields": {"marked": True}},
        {"$project": {"fullDocument.secret": 0}},
    ]
    async with (
        changes(mongo_reader, databaseName=mongo_database) as of_database,
        changes(mongo_reader, allDatabases=True, pipeline=pipeline) as of_all,
    ):
        await anext(of_database)
        await anext(of_all)
        await mongo_engine[mongo_database]["a"].insert_one({"_id": 1, "secret": "x"})
        assert (await next_change(of_database))["collection"] == "a"
        change = await next_change(of_all)
    assert change["full_document"] == {"_id": 1}
    assert change["more"] == {"marked": True}


async def test_a_dropped_collection_ends_its_stream_and_a_new_one_goes_on_behind_it(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    scope = {"databaseName": mongo_database, "collection": "orders"}
    orders = mongo_engine[mongo_database]["orders"]
    await orders.insert_one({"_id": 1})
    async with changes(mongo_reader, **scope) as stream:
        await anext(stream)
        await orders.drop()
        rest = [event async for event in stream if not event["heartbeat"]]
    assert [event["operation_type"] for event in rest] == ["drop", "invalidate"]
    async with changes(mongo_reader, **scope, resume=rest[-1]["resume"]) as stream:
        await orders.insert_one({"_id": 2})
        assert (await next_change(stream))["document_key"] == {"_id": 2}


async def test_changes_come_as_bson_on_request(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    body = {"databaseName": mongo_database, "collection": "orders", "format": "bson"}
    async with mongo_reader.http.stream("POST", f"{mongo_reader.base}/changes", json=body) as answer:
        assert answer.headers["content-type"] == "application/bson"
        documents = bson_documents(answer.aiter_bytes())
        assert (await anext(documents))["operationType"] == "heartbeat"
        await mongo_engine[mongo_database]["orders"].insert_one({"_id": 1})
        change = await anext(documents)
        await documents.aclose()
    assert (change["operationType"], change["fullDocument"]) == ("insert", {"_id": 1})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"pipeline": [{"$group": {"_id": 1}}]}, 400, "INVALID_ARGUMENT"),
        ({"pipeline": [{"$match": {"$where": "true"}}]}, 403, "PERMISSION_DENIED"),
        ({"resume": "bm9uZQ=="}, 400, "INVALID_CURSOR"),
        ({"resume": "!"}, 400, "INVALID_CURSOR"),
        ({"startAtOperationTime": 5}, 400, "INVALID_ARGUMENT"),
        ({"fullDocument": "always"}, 400, "INVALID_ARGUMENT"),
        ({"allDatabases": True, "collection": "c"}, 400, "INVALID_ARGUMENT"),
        ({"databaseName": "admin"}, 403, "PERMISSION_DENIED"),
    ],
)
async def test_what_can_not_be_watched_is_refused_before_the_stream_begins(
    mongo_reader: MongoApi, mongo_database: str, body: dict[str, object], status: int, code: str
) -> None:
    whole = {"databaseName": mongo_database, **body}
    if "allDatabases" in body:
        del whole["databaseName"]
    assert await mongo_reader.post_refused("changes", **whole) == (status, code)


async def test_a_stream_that_fails_says_why_in_its_last_event(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    pipeline = [{"$project": {"_id": 0}}]
    async with changes(mongo_reader, databaseName=mongo_database, pipeline=pipeline) as stream:
        await anext(stream)
        await mongo_engine[mongo_database]["a"].insert_one({"_id": 1})
        last = [event async for event in stream if not event.get("heartbeat")]
    assert [event["error"]["error_code"] for event in last] == ["DB_QUERY_ERROR"]
    assert last[0]["error"]["retryable"] is False
    assert "_id" in last[0]["error"]["message"]


async def test_a_stream_ends_when_its_database_is_deleted_from_the_registry(
    system: LocalSystem, mongo_engine: Engine, mongo_database: str
) -> None:
    async with (
        registered_as(system, mongo_engine, [{"role": "read", "db": mongo_database}]) as api,
        changes(api, databaseName=mongo_database, collection="c") as stream,
    ):
        await anext(stream)
        deleted = await api.http.delete(f"/api/platform/databases/{api.database_id}")
        assert deleted.status_code == 204
        last = [event async for event in stream if not event.get("heartbeat")]
    assert [event["error"]["error_code"] for event in last] == ["DB_NOT_FOUND"]


async def test_a_slow_reader_is_waited_for(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    orders = mongo_engine[mongo_database]["orders"]
    async with changes(mongo_reader, databaseName=mongo_database, collection="orders") as stream:
        await anext(stream)
        # More than all buffers on the way hold.
        for first in range(0, 200, 20):
            await orders.insert_many([{"_id": n, "text": "x" * 100_000} for n in range(first, first + 20)])
        seen = [(await next_change(stream))["document_key"]["_id"] for _ in range(200)]
    assert seen == list(range(200))


async def test_one_stream_more_than_allowed_is_refused_at_once(
    system: LocalSystem, mongo_engine: Engine, mongo_database: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        registered = registered_as(system, mongo_engine, [{"role": "read", "db": mongo_database}])
        api = await stack.enter_async_context(registered)
        for _ in range(BOUNDS.streams_of_one_database):
            stream = await stack.enter_async_context(changes(api, databaseName=mongo_database))
            await anext(stream)
        refused = await api.send("POST", "changes", body={"databaseName": mongo_database})
    assert (refused.status_code, refused.json()["error_code"]) == (429, "RESOURCE_EXHAUSTED")


@contextlib.asynccontextmanager
async def changes(api: MongoApi, **body: object) -> AsyncIterator[Stream]:
    async with events(api.http, "POST", f"{api.base}/changes", body=body) as stream:
        yield stream


async def next_change(stream: Stream) -> Event:
    """The next event that is a change."""
    while True:
        event = await anext(stream)
        if not event["heartbeat"]:
            return event


async def bson_documents(chunks: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
    """Documents out of a stream of them."""
    pending = b""
    async for chunk in chunks:
        pending += chunk
        while len(pending) >= 4 and len(pending) >= (size := int.from_bytes(pending[:4], "little")):
            yield bson.decode(pending[:size])
            pending = pending[size:]
