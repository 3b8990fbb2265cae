"""Documents as files through the gateway: what is exported can be imported again, what is wrong is told by its row."""

from __future__ import annotations

import asyncio
import base64
import csv
import datetime as dt
import gzip
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import bson
import httpx
import pytest
from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId
from pymongo import AsyncMongoClient

from tests.support.mongo_api import MongoApi

Engine = AsyncMongoClient[dict[str, Any]]

DOCUMENTS: Sequence[dict[str, Any]] = (
    {"_id": MinKey(), "n": 1},
    {"_id": 1, "long": Int64(2**60), "half": 0.5, "whole": 5.0},
    {"_id": "a", "text": 'quote " comma , newline\n', "deep": {"er": {"list": [1, {"x": 2}]}}},
    {"_id": {"b": 1, "a": 2}, "money": Decimal128("1.10")},
    {"_id": ObjectId("65a1b2c3d4e5f60718293a4b"), "at": dt.datetime(2024, 2, 29, tzinfo=dt.UTC)},
    {"_id": True, "nothing": None},
    {"_id": MaxKey(), "looks": {"$oid": "x"}},
)
"""`_id`s of all kinds in the server's order, and values that are easily changed on the way."""


async def export(api: MongoApi, **body: object) -> httpx.Response:
    return await api.send("POST", "export", body=body)


async def import_(
    api: MongoApi, content: bytes | AsyncIterator[bytes], **query: object
) -> list[dict[str, Any]]:
    """The events of an import, which must begin with success."""
    answer = await send(api, content, **query)
    assert answer.is_success, f"{answer.status_code}: {answer.text}"
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]


async def send(api: MongoApi, content: bytes | AsyncIterator[bytes], **query: object) -> httpx.Response:
    return await api.http.post(
        f"{api.base}/import",
        params=query,  # type: ignore[arg-type]  # plain values
        content=content,
        headers={"content-type": "application/octet-stream"},
    )


async def stored(engine: Engine, database: str, collection: str) -> list[dict[str, Any]]:
    return [each async for each in engine[database][collection].find().sort("_id", 1)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("format_", ["json", "ndjson", "bson"])
async def test_what_is_exported_can_be_imported_again(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str, format_: str, *, packed: bool
) -> None:
    await mongo_engine[mongo_database].source.insert_many(DOCUMENTS)
    answer = await export(
        mongo_api,
        databaseName=mongo_database,
        collection="source",
        format=format_,
        ejson="canonical",
        gzip=packed,
    )
    assert answer.status_code == 200, answer.text
    end = ".gz" if packed else ""
    assert f'filename="source.{format_}{end}"' in answer.headers["content-disposition"]
    events = await import_(
        mongo_api, answer.content, databaseName=mongo_database, collection="copy", format=format_
    )
    last = events[-1]
    assert (last["done"], last["inserted"], last["failed"], last["resume"]) == (True, 7, 0, "7")
    assert await stored(mongo_engine, mongo_database, "copy") == await stored(
        mongo_engine, mongo_database, "source"
    )


async def test_an_export_says_what_it_is(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database].c.insert_many([{"_id": n, "even": n % 2 == 0} for n in range(6)])
    of_c = {"databaseName": mongo_database, "collection": "c"}
    as_json = await export(
        mongo_reader, **of_c, filter={"even": True}, projection={"even": 0}, sort={"_id": -1}
    )
    assert as_json.headers["content-type"] == "application/json"
    assert as_json.json() == [{"_id": 4}, {"_id": 2}, {"_id": 0}]
    lines = await export(mongo_reader, **of_c, format="ndjson", limit=2)
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert lines.text == '{"_id":0,"even":true}\n{"_id":1,"even":false}\n'
    raw = await export(mongo_reader, **of_c, format="bson", limit=1)
    assert (raw.headers["content-type"], raw.content) == (
        "application/bson",
        bson.encode({"_id": 0, "even": True}),
    )
    nothing = await export(mongo_reader, **of_c, filter={"_id": 99})
    assert nothing.json() == []
    no_bytes = await export(mongo_reader, **of_c, filter={"_id": 99}, format="bson")
    assert (no_bytes.content, no_bytes.headers["content-type"]) == (b"", "application/bson")


async def test_an_export_goes_on_behind_the_last_id_whatever_type_it_has(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database].c.insert_many(DOCUMENTS)
    of_c = {"databaseName": mongo_database, "collection": "c", "format": "ndjson", "ejson": "canonical"}
    lines = (await export(mongo_reader, **of_c)).text.splitlines()
    assert len(lines) == len(DOCUMENTS)
    for place, line in enumerate(lines):
        rest = (await export(mongo_reader, **of_c, afterId=json.loads(line)["_id"])).text.splitlines()
        assert rest == lines[place + 1 :]
    both = await mongo_reader.post_refused("export", **of_c, afterId=1, sort={"n": 1})
    assert both == (400, "INVALID_ARGUMENT")


async def test_csv_there_and_back(mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": 1, "name": 'a, "b"\nc', "address": {"city": "X", "zip": "01234"}, "tags": [1, 2], "ok": True},
        {"_id": 2, "name": "=1+1", "address": {"city": "Y", "zip": "9"}, "tags": [], "ok": False},
        {"_id": 3, "name": "", "address": {"city": "Ω", "zip": "7"}, "tags": [{"a": None}], "ok": True},
    ]
    await mongo_engine[mongo_database].c.insert_many(documents)
    of_c = {"databaseName": mongo_database, "collection": "c", "format": "csv"}
    answer = await export(mongo_api, **of_c)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0] == ["_id", "name", "address.city", "address.zip", "tags", "ok"]
    assert rows[1] == ["1", 'a, "b"\nc', "X", "01234", "[1,2]", "true"]
    types = {"types": "address.zip=string"}
    events = await import_(mongo_api, answer.content, **{**of_c, "collection": "copy"}, **types)
    assert events[-1]["inserted"] == 3, events
    assert await stored(mongo_engine, mongo_database, "copy") == documents

    chosen = await export(
        mongo_api,
        **of_c,
        fields=["name", "address.city", "missing"],
        delimiter=";",
        withoutHeader=True,
        guardFormulas=True,
        afterId=1,
    )
    assert chosen.text == "'=1+1;Y;\r\n;Ω;\r\n"


async def test_bad_rows_are_told_and_left_out(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    lines = b'{"_id": 1}\n\nno json\n{"_id": 1}\n{"_id": {"$oid": "x"}}\n{"_id": 2}'
    query = {"databaseName": mongo_database, "collection": "c", "format": "ndjson"}
    (last,) = await import_(mongo_api, lines, **query)
    assert (last["rows"], last["inserted"], last["failed"], last["resume"]) == (5, 2, 3, "5")
    told = {each["row"]: (each["line"], each["error_code"]) for each in last["failures"]}
    assert told == {2: (3, "INVALID_ARGUMENT"), 3: (4, "DUPLICATE_KEY"), 4: (5, "INVALID_ARGUMENT")}
    assert [each["_id"] for each in await stored(mongo_engine, mongo_database, "c")] == [1, 2]


@pytest.mark.parametrize(
    ("format_", "content", "bad"),
    [
        ("json", b'[{"_id": 1}, {"_id": 1,\n "a": "\\u00e9"}]', {"text": '{"_id": 1,\n "a": "\\u00e9"}'}),
        ("ndjson", b'{"_id": 1}\r\n\n{"_id": \r\n', {"text": '{"_id": '}),
        (
            "ndjson",
            b'{"_id": 1}\n{"a": "\xff"}\n',
            {"text_base64": base64.b64encode(b'{"a": "\xff"}').decode()},
        ),
        ("csv", '_id,a\n1,b\n1,"é\n"\n'.encode(), {"text": '1,"é\n"'}),
        (
            "bson",
            bson.encode({"_id": 1}) * 2,
            {"text_base64": base64.b64encode(bson.encode({"_id": 1})).decode()},
        ),
    ],
)
async def test_bad_rows_are_kept_apart_as_they_stand_in_the_file(
    mongo_api: MongoApi, mongo_database: str, format_: str, content: bytes, bad: dict[str, str]
) -> None:
    query = {"databaseName": mongo_database, "collection": "c", "format": format_}
    (last,) = await import_(mongo_api, content, **query, withRows="true")
    (failure,) = last["failures"]
    assert {"text": failure["text"], "text_base64": failure["text_base64"]} == {
        "text": "",
        "text_base64": "",
        **bad,
    }
    (last,) = await import_(mongo_api, content, **query)
    assert not any(each["text"] or each["text_base64"] for each in last["failures"]), "only when asked for"


async def test_an_import_can_stop_at_the_first_bad_row_and_go_on_behind_it(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    content = json.dumps([{"_id": 1}, {"_id": 2}, {"_id": 2}, {"_id": 3}]).encode()
    query = {"databaseName": mongo_database, "collection": "c", "format": "json", "stopOnError": "true"}
    events = await import_(mongo_api, content, **query)
    last = events[-1]
    assert (last["error"]["error_code"], last["resume"], last["inserted"]) == ("DUPLICATE_KEY", "2", 2)
    assert "Row 3" in last["error"]["message"]
    assert [len(each["failures"]) for each in events] == [1, 0], "told once"
    assert [each["_id"] for each in await stored(mongo_engine, mongo_database, "c")] == [1, 2]
    (last,) = await import_(mongo_api, content, **query, skipRows=3)
    assert (last["done"], last["rows"], last["inserted"], last["resume"]) == (True, 1, 1, "4")


async def test_rows_replace_or_merge_into_what_has_their_key(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    before = [{"_id": 1, "k": "a", "old": 1}, {"_id": 2, "k": "b", "old": 2}]
    rows = b'[{"k": "a", "new": 1}, {"k": "c", "new": 3}, {"new": 4}]'
    outcomes = {}
    for mode in ("upsert", "replace", "merge"):
        await mongo_engine[mongo_database][mode].insert_many(before)
        query = {"databaseName": mongo_database, "collection": mode, "format": "json", "keyFields": "k"}
        (last,) = await import_(mongo_api, rows, **query, mode=mode)
        found = {each["k"]: each for each in await stored(mongo_engine, mongo_database, mode)}
        counts = [int(last[name]) for name in ("inserted", "updated", "unmatched", "failed")]
        outcomes[mode] = (counts, found["a"], "c" in found)
        assert found["b"] == before[1]
    assert outcomes == {
        "upsert": ([1, 1, 0, 1], {"_id": 1, "k": "a", "new": 1}, True),
        "replace": ([0, 1, 1, 1], {"_id": 1, "k": "a", "new": 1}, False),
        "merge": ([1, 1, 0, 1], {"_id": 1, "k": "a", "old": 1, "new": 1}, True),
    }


async def test_a_body_larger_than_any_other_may_be_passes_piece_by_piece(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    """The gateway's bound of 16 MiB holds for all other bodies; packed or not, nothing waits for the end."""
    padding = "x" * 1000
    rows = 24_000

    async def body() -> AsyncIterator[bytes]:
        yield b"["
        for begin in range(0, rows, 100):
            texts = (f'{{"_id":{n},"text":"{padding}"}}' for n in range(begin, begin + 100))
            yield (b"," if begin else b"") + ",".join(texts).encode()
        yield b"]"

    query = {"databaseName": mongo_database, "collection": "c", "format": "json"}
    events = await import_(mongo_api, body(), **query)
    assert events[-1]["inserted"] == rows
    assert events[-1]["bytes"] > 16 * 2**20
    assert await mongo_engine[mongo_database].c.count_documents({}) == rows
    size = 0
    async with mongo_api.http.stream(
        "POST", f"{mongo_api.base}/export", json={"databaseName": mongo_database, "collection": "c"}
    ) as answer:
        async for piece in answer.aiter_bytes():
            size += len(piece)
    assert size > rows * len(padding)


async def test_events_come_while_the_body_still_arrives(mongo_api: MongoApi, mongo_database: str) -> None:
    """Over one HTTP/1.1 connection: the sender waits in the middle of its body until it has heard of its first rows."""
    url = mongo_api.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    token = mongo_api.http.headers["authorization"]
    path = f"{mongo_api.base}/import?databaseName={mongo_database}&collection=c&format=ndjson"
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    received = b""
    async with asyncio.timeout(30):
        listening = asyncio.create_task(reader.read(65536))
        while not listening.done():
            writer.write(b"3\r\n{}\n\r\n")
            await writer.drain()
            await asyncio.wait([listening], timeout=0.05)
        received += listening.result()
        assert b"200 OK" in received
        writer.write(b"0\r\n\r\n")
        while b'"done":true' not in received:
            more = await reader.read(65536)
            assert more, received
            received += more
    writer.close()


@pytest.mark.parametrize(
    ("content", "query", "sentence"),
    [
        (b'[{"a": 1}', {}, "without a closing bracket"),
        (b'{"a": 1} x', {}, "Row 2, in line 1, is no JSON object"),
        (b"1f8b", {}, "is no JSON object"),
        (b"\x1f\x8b\x08damaged", {}, "damaged"),
        (gzip.compress(b"[]", mtime=0)[:-4], {}, "cut off"),
        (b"", {"format": "xml"}, "format"),
        (b"a,a\n", {"format": "csv"}, "twice"),
        (b"a\n", {"format": "csv", "types": "b=int32"}, "no column"),
        (b"\xff\xff\xff\x7f\x00", {"format": "bson"}, "is no BSON document"),
        (b"[]", {"collection": "a$b"}, "collection"),
    ],
)
async def test_a_file_that_is_none_is_refused(
    mongo_api: MongoApi, mongo_database: str, content: bytes, query: dict[str, str], sentence: str
) -> None:
    answer = await send(
        mongo_api, content, **{"databaseName": mongo_database, "collection": "c", "format": "json", **query}
    )
    if answer.status_code == 200:  # rows before it were taken
        failure = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))["error"]
    else:
        assert answer.status_code == 400
        failure = answer.json()
    assert failure["error_code"] == "INVALID_ARGUMENT"
    assert sentence in failure["message"]


async def test_the_reason_arrives_however_much_is_still_being_sent(
    mongo_api: MongoApi, mongo_database: str
) -> None:
    """Most clients read nothing before all is sent: an answer that ends the connection sooner is lost to them."""
    answer = await send(
        mongo_api, b"x" * 40_000_000, databaseName=mongo_database, collection="c", format="json"
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT")


async def test_who_may_only_read_imports_nothing_and_is_told_before_sending(
    mongo_reader: MongoApi, mongo_database: str
) -> None:
    answer = await send(
        mongo_reader, b"x" * 100_000, databaseName=mongo_database, collection="c", format="json"
    )
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert await mongo_reader.post_refused(
        "export", databaseName=mongo_database, collection="c", filter={"$where": "1"}
    ) == (403, "PERMISSION_DENIED")
