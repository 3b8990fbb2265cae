"""What reading documents costs: as JSON through the gateway and as raw BSON over gRPC, against the bare driver.

The embedded server shares the processors with everything else and is much slower than mongod: figures taken on it say
what the service adds, not how fast MongoDB is.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from urllib.parse import quote

import bson
import grpc
from google.api.httpbody_pb2 import HttpBody
from pymongo import AsyncMongoClient

from benchmarks.http_load import Client, closed_loop, connect
from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio
from studio.mongodb.v1.document_reads_pb2 import StreamDocumentsRequest
from studio.mongodb.v1.document_service_pb2_grpc import DocumentServiceStub

CONNECTIONS = 16
DOCUMENTS = 10_000
DATABASE = "bench"
COLLECTION = "documents"


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures of documents."""
    target = stack.target
    client = await connect(target)
    listed = await client.ask(target.get("/api/platform/databases?type=mongodb"))
    database_id = json.loads(listed.partition(b"\r\n\r\n")[2])[0]["id"]
    base = f"/api/platform/mongodb/{database_id}/documents"
    where = f"databaseName={DATABASE}&collection={COLLECTION}"
    page = target.get(f"{base}?{where}&limit={DOCUMENTS}")
    get = target.get(f"{base}/get?{where}&id={quote('4321')}")
    noop = target.get("/api/platform/mongodb/status")
    samples: dict[str, list[float]] = defaultdict(list)
    async with (
        AsyncMongoClient[dict[str, object]](stack.engines["mongodb"]) as driver,
        grpc.aio.insecure_channel(stack.system.address("mongo_svc")) as channel,
    ):
        await _fill(driver)
        for _ in range(rounds):
            for name, request in (("noop", noop), ("get", get)):
                samples[name].append(
                    await closed_loop(target, request, connections=CONNECTIONS, seconds=seconds)
                )
            samples["bare"].append(await _bare(driver))
            samples["json"].append(await _json(client, page))
            samples["stream"].append(await _stream(stack, channel, database_id))
        await driver.drop_database(DATABASE)
    client.close()
    figures = {
        name: Figure(title, samples[name], unit)
        for name, title, unit in (
            ("noop", f"no-op rpc of mongo_svc, {CONNECTIONS} connections", "calls/s"),
            ("get", f"document by _id, {CONNECTIONS} connections", "calls/s"),
            ("bare", f"bare find_raw_batches, {DOCUMENTS:,} documents", "docs/s"),
            ("json", f"find as JSON through the gateway, {DOCUMENTS:,}", "docs/s"),
            ("stream", f"raw stream over gRPC, {DOCUMENTS:,} documents", "docs/s"),
        )
    }
    yield figures["noop"]
    yield figures["get"]
    yield ratio("  document by _id / no-op", figures["get"], figures["noop"], ">= 0.60")
    yield figures["bare"]
    yield figures["json"]
    yield ratio("  find as JSON / bare", figures["json"], figures["bare"], ">= 0.50")
    yield figures["stream"]
    yield ratio("  raw stream / bare", figures["stream"], figures["bare"], ">= 0.80")


async def _fill(driver: AsyncMongoClient[dict[str, object]]) -> None:
    await driver.drop_database(DATABASE)
    await driver[DATABASE][COLLECTION].insert_many(
        {
            "_id": number,
            "name": f"user {number}",
            "price": number * 1.1,
            "count": bson.Int64(number),
            "tags": ["a", "b", "c"],
            "address": {"street": "x" * 20, "zip": 1234},
        }
        for number in range(DOCUMENTS)
    )


async def _bare(driver: AsyncMongoClient[dict[str, object]]) -> float:
    started = time.perf_counter()
    size = 0
    async for batch in driver[DATABASE][COLLECTION].find_raw_batches({}, batch_size=DOCUMENTS):
        size += len(batch)
    return _rate(started, size > 0)


async def _json(client: Client, request: bytes) -> float:
    started = time.perf_counter()
    answer = await client.ask(request)
    return _rate(started, answer.count(b'"price":') == DOCUMENTS)


async def _stream(stack: Stack, channel: grpc.aio.Channel, database_id: str) -> float:
    body = {"databaseName": DATABASE, "collection": COLLECTION}
    request = StreamDocumentsRequest(
        database_id=database_id,
        body=HttpBody(content_type="application/json", data=json.dumps(body).encode()),
    )
    started = time.perf_counter()
    size = 0
    token = f"Bearer {stack.target.token}"
    async for part in DocumentServiceStub(channel).StreamDocuments(
        request, metadata=(("authorization", token),)
    ):
        size += len(part.data)
    return _rate(started, size > DOCUMENTS)


def _rate(started: float, complete: bool) -> float:  # noqa: FBT001  what was read
    if not complete:
        raise RuntimeError("not all documents were read")
    return DOCUMENTS / (time.perf_counter() - started)
