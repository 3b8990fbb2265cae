"""The server itself through the gateway, on the sample MongoDB."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from pymongo import AsyncMongoClient

from tests.support.local_system import LocalSystem
from tests.support.mongo_accounts import registered_as
from tests.support.mongo_api import Json, MongoApi

Engine = AsyncMongoClient[dict[str, Any]]

CANARY = "correct-horse-battery-staple"


async def test_the_status_tells_version_members_and_rates(mongo_reader: MongoApi) -> None:
    await mongo_reader.get("server/status")
    status = await mongo_reader.get("server/status")
    assert status["version"].count(".") == 2
    assert status["topology"] == "replica_set"
    assert [(each["state"], each["healthy"], each["asked"]) for each in status["members"]] == [
        ("PRIMARY", True, True)
    ]
    assert status["connections"]["current"] > 0
    assert status["memory"]["resident_bytes"] > 1_000_000
    assert status["rates"]["interval_s"] > 0
    assert status["rates"]["requests_per_s"] > 0
    assert status["unavailable"] == []


async def test_the_document_behind_the_status_comes_as_it_is(mongo_reader: MongoApi) -> None:
    relaxed = (await mongo_reader.get("server/document"))["document"]
    canonical = (await mongo_reader.get("server/document", command="hello", ejson="canonical"))["document"]
    assert relaxed["opcounters"]["insert"] >= 0
    assert canonical["maxBsonObjectSize"] == {"$numberInt": "16777216"}
    assert await mongo_reader.get_refused("server/document", command="getCmdLineOpts") == (
        400,
        "INVALID_ARGUMENT",
    )


async def test_what_the_user_may_not_see_is_left_out_and_named(
    system: LocalSystem, mongo_engine: Engine, mongo_database: str
) -> None:
    async with registered_as(system, mongo_engine, [{"role": "read", "db": mongo_database}]) as api:
        status = await api.get("server/status")
        found = await api.get("server/operations")
    assert status["version"]
    assert status["connections"]["current"] == -1
    # A server keeps its members to itself as well; the embedded one does not.
    assert status["unavailable"][0] == {
        "what": "figures of the server",
        "permission": "serverStatus on the cluster",
        "role": "clusterMonitor",
    }
    # A server shows everybody at least their own; the embedded one does not.
    assert found["unavailable"][0] == {
        "what": "operations of other users",
        "permission": "inprog on the cluster",
        "role": "clusterMonitor",
    }


async def test_recommendations_tell_what_to_change_and_why(mongo_reader: MongoApi) -> None:
    found = await mongo_reader.get("server/recommendations")
    by_id = {each["id"]: each for each in found["recommendations"]}
    assert by_id["enough_members"]["severity"] == "low"
    assert "1" in by_id["enough_members"]["reason"]
    assert "access_control" not in by_id
    assert found["checked"] >= 5


async def test_operations_are_listed_and_filtered(
    system: LocalSystem, mongo_api: MongoApi, mongo_database: str
) -> None:
    async with waiting_operation(system, mongo_api, mongo_database) as operation:
        assert operation["active"]
        assert operation["command"].startswith('{"getMore":')
        assert (await mongo_api.get("server/operations", namespace="no_such_database"))["operations"] == []
        assert (await mongo_api.get("server/operations", min_ms=3_600_000))["operations"] == []
        few = await mongo_api.get("server/operations", limit=1)
        assert (len(few["operations"]), few["has_more"]) == (1, True)


async def test_an_operation_is_killed_by_its_id(
    system: LocalSystem, mongo_admin: MongoApi, mongo_api: MongoApi, mongo_database: str
) -> None:
    async with waiting_operation(system, mongo_api, mongo_database) as operation:
        opid = operation["opid"]
        refused = await mongo_api.post_refused("server/operations/kill", opid=opid)
        assert refused == (403, "PERMISSION_DENIED")
        killed = await mongo_admin.post("server/operations/kill", opid=opid)
        assert killed["operation"]["opid"] == opid
        async with asyncio.timeout(10):
            while any(
                each["opid"] == opid for each in (await mongo_api.get("server/operations"))["operations"]
            ):
                pass
        gone = await mongo_admin.post_refused("server/operations/kill", opid=opid)
        assert gone == (404, "ELEMENT_NOT_FOUND")
    assert await mongo_admin.post_refused("server/operations/kill", opid="x; drop") == (
        400,
        "INVALID_ARGUMENT",
    )


async def test_top_lists_collections_by_their_time(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database]["busy"].insert_many([{"n": n} for n in range(50)])
    top = await mongo_reader.get("server/top", database_name=mongo_database, limit=1)
    assert [each["namespace"] for each in top["collections"]] == [f"{mongo_database}.busy"]
    assert top["collections"][0]["writes"]["count"] >= 1
    totals = [each["total"]["ms"] for each in (await mongo_reader.get("server/top"))["collections"]]
    assert totals == sorted(totals, reverse=True)


async def test_the_profiler_is_set_and_its_entries_are_paged_newest_first(
    mongo_admin: MongoApi, mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    before = await mongo_api.get("server/profiler", database_name=mongo_database)
    assert before["level"] == 0
    assert (await mongo_api.send("PUT", "server/profiler", body={"level": 2})).status_code == 403
    body = {"databaseName": mongo_database, "level": 2, "slowMs": before["slow_ms"]}
    assert (await mongo_admin.send("PUT", "server/profiler", body=body)).json()["level"] == 2
    for number in range(5):
        await mongo_engine[mongo_database]["c"].find_one({"n": number, "password": CANARY})
    body = {"databaseName": mongo_database, "level": 0}
    assert (await mongo_admin.send("PUT", "server/profiler", body=body)).json()["level"] == 0

    pages: list[list[Json]] = []
    token = ""
    while token or not pages:
        page = await mongo_api.get(
            "server/profiler/entries",
            database_name=mongo_database,
            collection="c",
            page_size=2,
            page_token=token,
        )
        pages.append(page["entries"])
        token = page["next_page_token"]
    assert [len(page) for page in pages] == [2, 2, 1]
    entries = [entry for page in pages for entry in page]
    # Several may have one millisecond, whose order nothing tells; none is shown twice, none is missing.
    assert sorted(entry["command"].partition('"n":')[2][0] for entry in entries) == list("01234")
    assert [entry["at_unix_ms"] for entry in entries] == sorted(
        (entry["at_unix_ms"] for entry in entries), reverse=True
    )
    assert CANARY not in str(entries)
    assert await mongo_api.get_refused(
        "server/profiler/entries", database_name=mongo_database, page_token="bm9uZQ=="
    ) == (400, "INVALID_CURSOR")


async def test_sessions_and_the_log_answer(mongo_admin: MongoApi, mongo_api: MongoApi) -> None:
    assert isinstance((await mongo_api.get("server/sessions"))["sessions"], list)
    assert await mongo_api.get_refused("server/log") == (403, "PERMISSION_DENIED")
    lines = (await mongo_admin.get("server/log", search="connection", limit=3))["lines"]
    assert 1 <= len(lines) <= 3
    assert all("connection" in str(line) for line in lines)


@contextlib.asynccontextmanager
async def waiting_operation(system: LocalSystem, api: MongoApi, database: str) -> AsyncIterator[Json]:
    """An operation of another client that waits on the server for as long as the block, as it is listed."""
    name = f"test-{secrets.token_hex(4)}"
    async with AsyncMongoClient[dict[str, Any]](system.engines["mongodb"], appname=name) as client:
        stream = await client[database]["waiting"].watch(max_await_time_ms=1000)

        async def wait() -> None:
            while await stream.try_next() is None:
                pass

        waiting = asyncio.create_task(wait())
        try:
            found: list[Json] = []
            async with asyncio.timeout(10):
                while not found:
                    listed = (await api.get("server/operations", limit=1000))["operations"]
                    found = [
                        each for each in listed if each["app_name"] == name and "getMore" in each["command"]
                    ]
            yield found[0]
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
