"""JSON documents: on a server that has them (`TEST_REDIS_JSON_URL`), and what is said where there are none."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Reply
from services.redis_svc.types import json_documents
from services.redis_svc.types.json_documents import Selection
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.failures import failure_of
from tests.support.odd_servers import StartServer

StartValkey = Callable[..., Awaitable[ValkeyServer]]
Engine = tuple[RedisClient, Redis]

URL = os.environ.get("TEST_REDIS_JSON_URL", "")
needs_json = pytest.mark.skipif(not URL, reason="TEST_REDIS_JSON_URL names no server with JSON")


# --------------------------------------------------------------------------------------------- without JSON


@pytest.mark.parametrize("kind", ["string", "none"])
async def test_a_server_without_json_says_so_whatever_the_key_holds(any_engine: Engine, kind: str) -> None:
    client, redis = any_engine
    if kind == "string":
        await redis.set("k", "{}")

    for call in (
        json_documents.get(client, b"k"),
        json_documents.set_(client, b"k", "", "{}"),
        json_documents.delete(client, b"k"),
    ):
        error = await failure_of(call)
        assert (error.reason_name, error.message) == (
            "NOT_SUPPORTED",
            "The Redis server has no JSON documents.",
        )
    assert await redis.exists("k") == (kind == "string")


async def test_an_edit_under_a_precondition_changes_nothing_there_either(any_engine: Engine) -> None:
    client, redis = any_engine
    await redis.set("k", "{}")

    error = await failure_of(json_documents.set_(client, b"k", "", "[]", "{}"))

    assert error.reason_name == "NOT_SUPPORTED"
    assert await redis.get("k") == b"{}"
    error = await failure_of(json_documents.set_(client, b"none", "", "[]", "{}"))
    assert error.reason_name == "NOT_SUPPORTED"


# --------------------------------------------------------------------------------------------- replies


@pytest.mark.parametrize(
    ("reply", "type_"),
    [
        ([b"object"], "object"),
        ([b"integer", b"string"], "integer"),
        ([[b"array"]], "array"),
        (b"boolean", "boolean"),
        ([], ""),
        (None, ""),
    ],
)
def test_the_type_of_the_first_selected_value(reply: Reply, type_: str) -> None:
    assert json_documents.first_type(reply) == type_


@pytest.mark.parametrize(("reply", "size"), [(24, 24), ([24, 8], 32), ([], 0), (None, 0), (b"?", 0)])
def test_the_memory_of_what_is_selected(reply: Reply, size: int) -> None:
    assert json_documents.memory(reply) == size


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ('{"a":1,"b":[true,null]}', '{ "b": [true, null], "a": 1 }', True),
        ('"ü"', r'"\u00fc"', True),
        ("1", "1.0", False),
        ("1", "true", False),
        ("[1,2]", "[2,1]", False),
        ("9007199254740993", "9007199254740992", False),
        ("1e2", "100.0", True),
        ("nonsense", "nonsense", True),
        ("nonsense", "{}", False),
        ("[" * 100_000, "[" * 100_001, False),
        ("[" + " " * 2_000_000 + "]", "[]", False),
    ],
)
def test_texts_that_mean_the_same(one: str, other: str, *, is_same: bool) -> None:
    assert json_documents.same(one, other) is is_same


async def test_what_is_too_large_for_one_answer_is_not_read(
    start_server: StartServer, open_client: OpenClient
) -> None:
    """Answers as RedisJSON does: https://redis.io/docs/latest/commands/json.debug-memory/."""

    async def large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+OK\r\n+PONG\r\n")
        await reader.readuntil(b"MEMORY\r\n")
        writer.write(b"+ReJSON-RL\r\n*1\r\n$6\r\nobject\r\n*1\r\n:17000000\r\n")
        await reader.read()

    client = open_client(f"redis://127.0.0.1:{await start_server(large)}")

    error = await failure_of(json_documents.get(client, b"k"))

    assert error.reason_name == "PAYLOAD_TOO_LARGE"


# --------------------------------------------------------------------------------------------- with JSON


@pytest.fixture
async def engine(open_client: OpenClient) -> AsyncIterator[tuple[RedisClient, Redis, bytes]]:
    """A client, one of redis-py, and a key of the test's own."""
    key = f"json-{secrets.token_hex(8)}".encode()
    async with Redis.from_url(URL) as redis:
        yield open_client(URL), redis, key
        await redis.delete(key, key + b"s")


@needs_json
async def test_a_document_is_set_read_edited_and_removed(engine: tuple[RedisClient, Redis, bytes]) -> None:
    client, redis, key = engine
    document = {"a": {"b": [1, 2.5, "ü\x00", None, True]}, "c": "x"}

    await json_documents.set_(client, key, "", json.dumps(document))

    whole = await json_documents.get(client, key)
    assert (json.loads(whole.json), whole.type) == ([document], "object")
    assert await json_documents.get(client, key, "$.a.b[0]") == Selection("[1]", "integer")
    await json_documents.set_(client, key, "$.c", '"y"', expected='["x"]')
    assert (await json_documents.get(client, key, "$.c")).json == '["y"]'
    assert await json_documents.delete(client, key, "$.a") == 1
    assert await json_documents.delete(client, key, "$.none") == 0
    assert await json_documents.delete(client, key) == 1
    assert not await redis.exists(key)


@needs_json
async def test_of_edits_that_saw_the_same_one_wins(engine: tuple[RedisClient, Redis, bytes]) -> None:
    client, _, key = engine
    await json_documents.set_(client, key, "", '{"n": 0}')

    outcomes = await asyncio.gather(
        *(json_documents.set_(client, key, "$.n", str(n), expected="[ 0 ]") for n in range(1, 8)),
        return_exceptions=True,
    )

    (winner,) = [number for number, outcome in enumerate(outcomes, 1) if outcome is None]
    assert (await json_documents.get(client, key, "$.n")).json == f"[{winner}]"
    assert {each.reason_name for each in outcomes if isinstance(each, StudioError)} == {"CONFLICT"}


@needs_json
async def test_what_there_is_not(engine: tuple[RedisClient, Redis, bytes]) -> None:
    client, redis, key = engine
    for call in (
        json_documents.get(client, key),
        json_documents.set_(client, key, "$.a", "1"),
        json_documents.delete(client, key),
    ):
        assert (await failure_of(call)).reason_name == "KEY_NOT_FOUND"
    assert (await failure_of(json_documents.set_(client, key, "", "1", "[1]"))).reason_name == "CONFLICT"
    await json_documents.set_(client, key, "", "{}")
    assert (await failure_of(json_documents.get(client, key, "$.a"))).reason_name == "ELEMENT_NOT_FOUND"
    assert (
        await failure_of(json_documents.set_(client, key, "$.a.b", "1"))
    ).reason_name == "ELEMENT_NOT_FOUND"
    assert (await failure_of(json_documents.set_(client, key, "", "{"))).reason_name == "DB_QUERY_ERROR"
    await redis.set(key + b"s", "{}")
    for wrong in (
        json_documents.get(client, key + b"s"),
        json_documents.set_(client, key + b"s", "", "{}"),
        json_documents.delete(client, key + b"s"),
    ):
        error = await failure_of(wrong)
        assert (error.reason_name, error.metadata["type"]) == ("WRONG_TYPE", "string")
