"""What exporting 1 GB through the gateway makes the service grow by. Once, whatever the rounds: half a minute."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
from pymongo import AsyncMongoClient

from benchmarks.http_load import connect
from benchmarks.mongo_transfer import Growth
from benchmarks.stack import Stack
from benchmarks.table import Figure

DATABASE = "bench_export"
COLLECTION = "documents"
DOCUMENTS, DOCUMENT_BYTES = 10_000, 100_000
_BATCH = 100
TIMEOUT_S = 600


async def measure(stack: Stack) -> AsyncIterator[Figure]:
    """The figures of an export as NDJSON."""
    async with AsyncMongoClient[dict[str, object]](stack.engines["mongodb"]) as driver:
        await driver.drop_database(DATABASE)
        for start in range(0, DOCUMENTS, _BATCH):
            await driver[DATABASE][COLLECTION].insert_many(
                {"_id": number, "text": "x" * DOCUMENT_BYTES} for number in range(start, start + _BATCH)
            )
        speed, growth = await Growth(stack).of(_export(stack))
        await driver.drop_database(DATABASE)
    size = f"{DOCUMENTS * DOCUMENT_BYTES // 1_000_000:,} MB"
    yield Figure(f"export of {size} as NDJSON", [speed], "MB/s")
    yield Figure("  growth of mongo_svc meanwhile", [growth["mongo_svc"]], "MB", "< 50")
    yield Figure("  growth of the gateway meanwhile", [growth["gateway"]], "MB")


async def _export(stack: Stack) -> int:
    target = stack.target
    client = await connect(target)
    listed = await client.ask(target.get("/api/platform/databases?type=mongodb"))
    client.close()
    database_id = json.loads(listed.partition(b"\r\n\r\n")[2])[0]["id"]
    body = {"databaseName": DATABASE, "collection": COLLECTION, "format": "ndjson"}
    url = f"http://{target.host}:{target.port}/api/platform/mongodb/{database_id}/export"
    headers = {"authorization": f"Bearer {target.token}"}
    size = 0
    async with (
        httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, headers=headers) as http,
        http.stream("POST", url, json=body) as answer,
    ):
        async for piece in answer.aiter_raw():
            size += len(piece)
    if size < DOCUMENTS * DOCUMENT_BYTES:
        raise RuntimeError(f"only {size} bytes were exported")
    return size
