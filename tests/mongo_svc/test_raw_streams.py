"""A stream that breaks off is not taken for a whole one."""

from __future__ import annotations

import asyncio

import bson
import pytest
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import find
from services.mongo_svc.handlers import raw_streams
from services.runtime.errors import StudioError
from tests.mongo_svc.conftest import OpenClient
from tests.support.mongodb import MongoFactory


async def test_the_last_document_has_no_end_and_says_why(
    start_mongodb: MongoFactory, open_client: OpenClient
) -> None:
    server = await asyncio.to_thread(start_mongodb, auth=False)
    client = open_client(server.url, connect_timeout_s=0.5)
    text = "x" * 200_000
    await client.collection("test", "c").insert_many(
        RawBSONDocument(bson.encode({"_id": n, "text": text})) for n in range(200)
    )
    chunks = raw_streams.chunks(find.raw_batches(client, find.Query("test", "c")))
    pieces = [await anext(chunks)]
    await asyncio.to_thread(server.kill)

    async def receive() -> None:
        async for chunk in chunks:
            pieces.append(chunk)  # noqa: PERF401  what came before the failure counts

    with pytest.raises(StudioError) as failure:
        await receive()
    received = b"".join(each.data for each in pieces)
    with pytest.raises(InvalidBSON):
        bson.decode_all(received)
    *documents, last = bson.decode_all(received + b"\0")
    assert [each["_id"] for each in documents] == list(range(len(documents)))
    assert 1 < len(documents) < 200
    assert last["$error"]["error_code"] == failure.value.reason_name
    assert last["$error"]["message"].startswith(failure.value.message.removesuffix("."))
