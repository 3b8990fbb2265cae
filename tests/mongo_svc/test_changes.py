"""Change streams against a real server, and their events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from services.mongo_svc.ejson import Mode
from services.mongo_svc.live import changes, events, tokens
from services.mongo_svc.live.bounds import Bounds
from services.mongo_svc.live.changes import Query, Turn
from services.mongo_svc.live.clients import StreamClients
from services.mongo_svc.live.problems import translated
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_UNAVAILABLE
from tests.mongo_svc.conftest import OpenClient
from tests.support.fault_proxy import FaultProxy
from tests.support.mongodb import MongoServer

Engine = AsyncMongoClient[dict[str, Any]]

QUICK = Bounds(wait_s=0.02, heartbeat_s=0.02)


async def alive() -> None:
    """The stream may go on."""


async def test_a_lost_connection_to_the_server_loses_and_repeats_nothing(
    mongodb_server: MongoServer, mongodb: Engine, mongodb_database: str, open_client: OpenClient
) -> None:
    async with FaultProxy(mongodb_server.host, mongodb_server.port) as proxy:
        url = mongodb_server.url.replace(f":{mongodb_server.port}/", f":{proxy.port}/")
        turns = changes.watch(open_client(url), Query(mongodb_database, "c"), QUICK, alive)
        seen: list[int] = []
        async with contextlib.aclosing(turns):
            await anext(turns)
            await mongodb[mongodb_database]["c"].insert_many([{"_id": n} for n in range(10)])
            async for turn in turns:
                if turn.event:
                    seen.append(bson.decode(turn.event)["documentKey"]["_id"])
                if len(seen) == 5 and turn.event:
                    proxy.cut()
                    await mongodb[mongodb_database]["c"].insert_many([{"_id": n} for n in range(10, 20)])
                if len(seen) >= 20:
                    break
        before = proxy.connections
    assert seen == list(range(20))
    assert before > 1


async def test_heartbeats_tell_how_far_a_silent_stream_has_come(
    mongodb_url: str, mongodb: Engine, mongodb_database: str, open_client: OpenClient
) -> None:
    client = open_client(mongodb_url)
    turns = changes.watch(client, Query(mongodb_database, "c"), QUICK, alive)
    async with contextlib.aclosing(turns):
        first, second = await anext(turns), await anext(turns)
    assert (first.event, second.event) == (b"", b"")
    await mongodb[mongodb_database]["c"].insert_one({"_id": 1})
    query = Query(mongodb_database, "c", resume=second.token)
    assert await first_change(changes.watch(client, query, QUICK, alive)) == {"_id": 1}


async def test_a_stream_begins_at_a_moment_of_the_server(
    mongodb_url: str, mongodb: Engine, mongodb_database: str, open_client: OpenClient
) -> None:
    collection = mongodb[mongodb_database]["c"]
    await collection.insert_one({"_id": 1})
    moment = (await mongodb.admin.command("ping"))["operationTime"]
    await collection.insert_one({"_id": 2})
    query = Query(mongodb_database, "c", start_at=bson.Timestamp(moment.time, moment.inc + 1))
    assert await first_change(changes.watch(open_client(mongodb_url), query, QUICK, alive)) == {"_id": 2}


async def test_a_stream_ends_when_it_must(
    mongodb_url: str, mongodb_database: str, open_client: OpenClient
) -> None:
    async def changed() -> None:
        raise StudioError(ERROR_REASON_DB_UNAVAILABLE, "The connection has been changed.")

    turns = changes.watch(open_client(mongodb_url), Query(mongodb_database), QUICK, changed)
    await anext(turns)
    with pytest.raises(StudioError, match="changed"):
        await anext(turns)


async def test_streams_of_a_database_share_a_client_that_is_closed_with_the_last(
    mongodb_url: str, open_client: OpenClient
) -> None:
    clients = StreamClients()
    shared = open_client(mongodb_url)
    async with clients.of("a", "1", lambda: shared.dedicated(2)) as one:
        async with clients.of("a", "1", lambda: shared.dedicated(2)) as two:
            assert one is two
            assert one is not shared
        async with clients.of("a", "2", lambda: shared.dedicated(2)) as of_the_changed:
            assert of_the_changed is not one
        assert (await one.command("admin", {"ping": 1}))["ok"] == 1
    assert clients.open == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (286, "CHANGES_LOST"),
        (40573, "NOT_SUPPORTED"),
        (260, "INVALID_CURSOR"),
        (280, "DB_QUERY_ERROR"),
        (10334, "DB_QUERY_ERROR"),
    ],
)
def test_errors_that_only_streams_have_are_told_apart(code: int, reason: str) -> None:
    with pytest.raises(StudioError) as caught, translated(resuming=False):
        raise OperationFailure("no", code, {"errmsg": "no", "code": code})
    assert caught.value.reason_name == reason
    assert caught.value.hint


def test_what_the_server_says_of_a_resume_token_is_the_callers_mistake() -> None:
    with pytest.raises(StudioError) as caught, translated(resuming=True):
        raise OperationFailure(
            "no", 9, {"errmsg": "resume token string was not a valid hex string", "code": 9}
        )
    assert caught.value.reason_name == "INVALID_CURSOR"


@pytest.mark.parametrize("text", ["!", "bm9uZQ==", "BQAAAAE=", "ä"])
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(StudioError, match="resume token"):
        tokens.from_text(text)


def test_a_token_survives_its_text() -> None:
    token = bson.encode({"_data": "8263", "_typeBits": b"\x82\x00"})
    assert tokens.from_text(tokens.to_text(token)) == token


def test_what_a_pipeline_makes_of_an_event_is_kept() -> None:
    event = bson.encode(
        {
            "_id": {"_data": "82"},
            "operationType": 5,
            "ns": {"db": "a", "coll": "b", "more": 1},
            "fullDocument": "a text now",
            "added": [1],
        }
    )
    message = events.to_message(Turn(event, bson.encode({"_data": "82"})))
    assert bson.decode(message.more.bson) == {
        "operationType": 5,
        "ns": {"db": "a", "coll": "b", "more": 1},
        "added": [1],
    }
    text = events.as_json(Turn(event, b""), Mode.RELAXED)
    assert b'"full_document":"a text now"' in text
    assert text.startswith(b"data: {")
    assert text.endswith(b"}\n\n")
    assert b"\n" not in text[:-2]


async def first_change(turns: AsyncIterator[Turn]) -> object:
    """The key of the first document that a stream tells of; ends the stream."""
    async with asyncio.timeout(10):
        async for turn in turns:
            if turn.event:
                return bson.decode(turn.event)["documentKey"]
    return None
