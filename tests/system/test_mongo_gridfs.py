"""GridFS through the gateway: files of any size and `_id`, streamed both ways; a broken one leaves nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from bson import ObjectId
from gridfs.asynchronous import AsyncGridFSBucket
from pymongo import AsyncMongoClient

from tests.support.mongo_api import MongoApi

Engine = AsyncMongoClient[dict[str, Any]]
CHUNK = 255 * 1024


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def upload(
    api: MongoApi,
    content: bytes | AsyncIterator[bytes],
    type_: str = "application/octet-stream",
    **query: object,
) -> httpx.Response:
    return await api.http.post(
        f"{api.base}/gridfs/upload",
        params=query,  # type: ignore[arg-type]  # plain values
        content=content,
        headers={"content-type": type_},
    )


async def download(api: MongoApi, **query: object) -> httpx.Response:
    return await api.send("GET", "gridfs/download", query=query)


async def delete(api: MongoApi, **query: object) -> httpx.Response:
    return await api.send("DELETE", "gridfs/files", query=query)


async def test_a_file_there_and_back(mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str) -> None:
    content = content_of(3 * CHUNK + 17)
    answer = await upload(
        mongo_api,
        content,
        "image/png",
        databaseName=mongo_database,
        filename='a "ü".png',
        metadata='{"of": {"$numberLong": "5"}}',
        ejson="canonical",
    )
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["filename"], file["length"], file["content_type"]) == (
        'a "ü".png',
        len(content),
        "image/png",
    )
    assert file["metadata"] == {"of": {"$numberLong": "5"}, "contentType": "image/png"}
    id_ = json.dumps(file["id"])
    whole = await download(mongo_api, databaseName=mongo_database, id=id_)
    assert whole.content == content
    assert whole.headers["content-type"] == "image/png"
    assert "filename*=UTF-8''a%20%22%C3%BC%22.png" in whole.headers["content-disposition"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    # What other drivers make of it.
    bucket = AsyncGridFSBucket(mongo_engine[mongo_database])
    out = await bucket.open_download_stream(ObjectId(file["id"]["$oid"]))
    assert (await out.read(), out.filename) == (content, 'a "ü".png')


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 5), (CHUNK - 1, 2), (CHUNK, CHUNK), (2 * CHUNK, 0), (2 * CHUNK + 7, 10)]
)
async def test_a_part_of_a_file_of_another_driver(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str, offset: int, length: int
) -> None:
    content = content_of(2 * CHUNK + 7)
    bucket = AsyncGridFSBucket(mongo_engine[mongo_database], "other")
    await bucket.upload_from_stream_with_id({"k": [1]}, "f", content)
    answer = await download(
        mongo_reader,
        databaseName=mongo_database,
        bucket="other",
        id='{"k": [1]}',
        offset=offset,
        length=length,
    )
    assert answer.content == content[offset : offset + length if length else None]


async def test_files_are_listed_whatever_their_ids_are(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    ids = [7, "a", {"x": 1}, True]
    for id_ in ids:
        answer = await upload(
            mongo_api, b"", databaseName=mongo_database, filename=f"f{len(str(id_))}", id=json.dumps(id_)
        )
        assert answer.status_code == 201, answer.text
    seen: list[Any] = []
    token = ""
    while True:
        page = await mongo_api.get("gridfs/files", databaseName=mongo_database, page_size=3, page_token=token)
        seen += [file["id"] for file in page["files"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == [7, "a", {"x": 1}, True]
    (one,) = (await mongo_api.get("gridfs/files", databaseName=mongo_database, filter={"filename": "f4"}))[
        "files"
    ]
    assert one["id"] is True
    assert await mongo_api.get("gridfs/buckets", databaseName=mongo_database) == {"buckets": ["fs"]}
    empty = await download(mongo_api, databaseName=mongo_database, id="7")
    assert (empty.status_code, empty.content) == (200, b"")
    assert await mongo_engine[mongo_database]["fs.files"].count_documents({}) == 4


async def test_a_file_is_renamed_and_deleted(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    for id_ in ("1", "2"):
        assert (
            await upload(mongo_api, b"x" * 10, databaseName=mongo_database, filename="old", id=id_)
        ).status_code == 201
    body = {"databaseName": mongo_database, "id": 1, "filename": "new"}
    answer = await mongo_api.send("PATCH", "gridfs/files", body=body)
    assert (answer.status_code, answer.json()["filename"]) == (200, "new")
    assert (await delete(mongo_api, databaseName=mongo_database, id="1")).status_code == 204
    assert (await delete(mongo_api, databaseName=mongo_database, id="1")).status_code == 404
    left = mongo_engine[mongo_database]
    assert [each["_id"] async for each in left["fs.files"].find()] == [2]
    assert [each["files_id"] async for each in left["fs.chunks"].find()] == [2]


async def test_operators_are_no_ids(mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str) -> None:
    await upload(mongo_api, b"x", databaseName=mongo_database, filename="f", id="1")
    anything = '{"$gt": 0}'
    assert (await delete(mongo_api, databaseName=mongo_database, id=anything)).status_code == 404
    assert (await download(mongo_api, databaseName=mongo_database, id=anything)).status_code == 404
    answer = await upload(mongo_api, b"y", databaseName=mongo_database, filename="f", id=anything)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT")
    assert await mongo_engine[mongo_database]["fs.chunks"].count_documents({}) == 1


async def test_an_id_that_is_taken_keeps_its_file(mongo_api: MongoApi, mongo_database: str) -> None:
    await upload(mongo_api, b"first", databaseName=mongo_database, filename="f", id="1")
    answer = await upload(mongo_api, b"second", databaseName=mongo_database, filename="f", id="1")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "ALREADY_EXISTS")
    assert (await download(mongo_api, databaseName=mongo_database, id="1")).content == b"first"


async def test_of_an_upload_that_breaks_nothing_stays(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    chunks = mongo_engine[mongo_database]["fs.chunks"]
    arrived = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(2**20)
            if await chunks.count_documents({}):
                arrived.set()
                await asyncio.Event().wait()

    sending = asyncio.create_task(upload(mongo_api, endless(), databaseName=mongo_database, filename="f"))
    async with asyncio.timeout(30):
        await arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        while await chunks.count_documents({}):  # noqa: ASYNC110  the service is another process
            await asyncio.sleep(0.02)
    assert await mongo_engine[mongo_database]["fs.files"].count_documents({}) == 0


async def test_a_damaged_file_is_not_passed_off_as_whole(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    bucket = AsyncGridFSBucket(mongo_engine[mongo_database])
    await bucket.upload_from_stream_with_id(1, "f", content_of(2 * CHUNK))
    await mongo_engine[mongo_database]["fs.chunks"].delete_one({"n": 0})
    answer = await download(mongo_reader, databaseName=mongo_database, id="1")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "DOCUMENT_INVALID")
    assert "chunk 0 is missing" in answer.json()["message"]
    behind = await download(mongo_reader, databaseName=mongo_database, id="1", offset=3 * CHUNK)
    assert (behind.status_code, behind.json()["error_code"]) == (400, "INVALID_ARGUMENT")


async def test_who_may_only_read_stores_nothing(mongo_reader: MongoApi, mongo_database: str) -> None:
    answer = await upload(mongo_reader, b"x" * 100_000, databaseName=mongo_database, filename="f")
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert (await delete(mongo_reader, databaseName=mongo_database, id="1")).status_code == 403
