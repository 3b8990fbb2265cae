"""Pipelines over REST: run, streamed, previewed stage by stage, and explained with a verdict."""

from __future__ import annotations

import asyncio
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient

from tests.support.engine_api import Json
from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi

Engine = AsyncMongoClient[dict[str, Any]]


@pytest.fixture
async def orders(mongo_engine: Engine, mongo_database: str) -> dict[str, object]:
    """Two thousand orders, as the fields of a body that name them."""
    collection = mongo_engine[mongo_database]["orders"]
    await collection.insert_many(
        {"_id": n, "customer": f"c{n % 50}", "total": n * 10, "lines": [{"sku": n % 7}]} for n in range(2000)
    )
    await collection.create_index([("customer", 1), ("total", -1)])
    return {"databaseName": mongo_database, "collection": "orders"}


def stage(preview: Json, index: int) -> Json:
    return next(each for each in preview["stages"] if each["index"] == index)


def codes(explained: Json) -> set[str]:
    return {reason["code"] for reason in explained["verdict"]["reasons"]}


def names(plan: Json) -> list[str]:
    return [plan["stage"], *(name for child in plan["children"] for name in names(child))]


async def test_a_pipeline_gives_its_documents(mongo_reader: MongoApi, orders: dict[str, object]) -> None:
    answer = await mongo_reader.post(
        "aggregate",
        **orders,
        pipeline=[
            {"$match": {"customer": "c7"}},
            {"$group": {"_id": "$customer", "sum": {"$sum": {"$add": ["$total", "$$extra"]}}}},
        ],
        let={"extra": 1},
        hint={"customer": 1, "total": -1},
        collation={"locale": "simple"},
        allowDiskUse=True,
        comment="sum of a customer",
    )

    numbers = range(7, 2000, 50)
    assert answer["documents"] == [{"_id": "c7", "sum": sum(numbers) * 10 + len(numbers)}]
    assert (answer["truncated"], answer["wrote"]) == (False, None)


async def test_an_answer_is_a_bounded_part_and_says_so(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    pipeline = [{"$sort": {"_id": 1}}]

    part = await mongo_reader.post("aggregate", **orders, pipeline=pipeline, limit=3)
    default = await mongo_reader.post("aggregate", **orders, pipeline=pipeline)
    everything = await mongo_reader.post("aggregate", **orders, pipeline=pipeline, limit=2000)

    assert ([each["_id"] for each in part["documents"]], part["truncated"]) == ([0, 1, 2], True)
    assert (len(default["documents"]), default["truncated"]) == (100, True)
    assert (len(everything["documents"]), everything["truncated"]) == (2000, False)
    assert await mongo_reader.post_refused("aggregate", **orders, pipeline=[], limit=10_001) == (
        400,
        "INVALID_ARGUMENT",
    )


async def test_documents_come_in_the_form_asked_for(mongo_reader: MongoApi, mongo_database: str) -> None:
    body = {"databaseName": mongo_database, "pipeline": [{"$documents": [{"n": 1, "d": 1.5}]}]}
    canonical = await mongo_reader.post("aggregate", **body, ejson="canonical")
    relaxed = await mongo_reader.post("aggregate", **body)
    assert canonical["documents"] == [{"n": {"$numberInt": "1"}, "d": {"$numberDouble": "1.5"}}]
    assert relaxed["documents"] == [{"n": 1, "d": 1.5}]


async def test_a_pipeline_is_streamed_as_raw_bson(mongo_reader: MongoApi, orders: dict[str, object]) -> None:
    path = f"{mongo_reader.base}/aggregate/stream"
    body = {**orders, "pipeline": [{"$sort": {"_id": 1}}, {"$project": {"total": 1}}]}
    answer = await mongo_reader.http.post(path, json=body)
    assert answer.headers["content-type"] == "application/bson"
    assert [each["_id"] for each in bson.decode_all(answer.content)] == list(range(2000))

    none = await mongo_reader.http.post(path, json={**orders, "pipeline": [{"$match": {"_id": -1}}]})
    assert (none.content, none.headers["content-type"]) == (b"", "application/bson")

    few = await mongo_reader.http.post(path, json={**body, "limit": 2})
    assert bson.decode_all(few.content) == [{"_id": 0, "total": 0}, {"_id": 1, "total": 10}]


async def test_writing_stages_are_for_developers_and_tell_where_they_wrote(
    mongo_reader: MongoApi,
    mongo_api: MongoApi,
    mongo_engine: Engine,
    mongo_database: str,
    orders: dict[str, object],
) -> None:
    pipeline = [{"$match": {"_id": {"$lt": 3}}}, {"$out": "copied"}]

    assert await mongo_reader.post_refused("aggregate", **orders, pipeline=pipeline) == (
        403,
        "PERMISSION_DENIED",
    )
    answer = await mongo_api.post("aggregate", **orders, pipeline=pipeline)

    assert answer["wrote"] == {"stage": "$out", "database_name": mongo_database, "collection": "copied"}
    assert answer["documents"] == []
    assert await mongo_engine[mongo_database]["copied"].count_documents({}) == 3


async def test_a_read_only_connection_reads_and_never_writes(
    system: LocalSystem, mongo_engine: Engine, mongo_database: str, orders: dict[str, object]
) -> None:
    async with system.client("owner") as owner:
        registered = await owner.post(
            "/api/platform/databases",
            json={
                "projectRef": "default",
                "name": mongo_database.replace("_", "-"),
                "type": "mongodb",
                "connectionString": system.engines["mongodb"],
                "config": {"read_only": True},
                "skipTest": True,
            },
        )
        assert registered.is_success, registered.text
        api = MongoApi(owner, registered.json()["id"])
        try:
            refused = (403, "CONNECTION_READ_ONLY")
            for stage_ in ({"$out": "copied"}, {"$merge": "copied"}):
                pipeline = [{"$match": {}}, stage_]
                assert await api.post_refused("aggregate", **orders, pipeline=pipeline) == refused
                assert await api.post_refused("aggregate/stream", **orders, pipeline=pipeline) == refused
                assert (await api.post("aggregate/preview", **orders, pipeline=pipeline))["stages"]
            assert (await api.post("aggregate", **orders, pipeline=[{"$limit": 1}]))["documents"]
        finally:
            await owner.delete(f"/api/platform/databases/{api.database_id}")
    assert "copied" not in await mongo_engine[mongo_database].list_collection_names()


async def test_hanging_up_closes_the_cursor_of_a_stream(
    mongo_reader: MongoApi, mongo_engine: Engine, mongo_database: str
) -> None:
    await mongo_engine[mongo_database]["large"].insert_many({"text": "x" * 200_000} for _ in range(300))
    body = {"databaseName": mongo_database, "collection": "large", "pipeline": []}

    async def cursors() -> int:
        status = await mongo_engine.admin.command("serverStatus")
        return int(status["metrics"]["cursor"]["open"]["total"])

    before = await cursors()
    async with mongo_reader.http.stream("POST", f"{mongo_reader.base}/aggregate/stream", json=body) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_bytes():
            break
        assert await cursors() > before
    async with asyncio.timeout(10):
        while await cursors() > before:
            pass


async def test_a_stage_that_takes_too_long_is_told_as_such(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    every_pair = {"from": "orders", "pipeline": [{"$match": {"total": {"$gte": 0}}}], "as": "pairs"}
    preview = await mongo_reader.post(
        "aggregate/preview",
        **orders,
        pipeline=[{"$limit": 2000}, {"$lookup": every_pair}, {"$unwind": "$pairs"}, {"$count": "n"}],
        maxTimeMS=500,
    )
    failed = [each for each in preview["stages"] if each["error"] and each["index"] >= 0]
    assert failed, preview
    assert failed[0]["error"]["error_code"] == "DB_TIMEOUT"
    assert all(each["skipped"] for each in preview["stages"] if each["index"] > failed[0]["index"])


async def test_what_shows_others_work_or_runs_code_needs_an_administrator(
    mongo_api: MongoApi, mongo_admin: MongoApi, mongo_database: str, orders: dict[str, object]
) -> None:
    code = [{"$match": {"$expr": {"$function": {"body": "f", "args": [], "lang": "js"}}}}]
    refused = (403, "PERMISSION_DENIED")
    assert await mongo_api.post_refused("aggregate", **orders, pipeline=code) == refused
    assert await mongo_api.post_refused("aggregate/stream", **orders, pipeline=code) == refused
    assert await mongo_api.post_refused("aggregate/preview", **orders, pipeline=code) == refused
    assert await mongo_api.post_refused("explain", **orders, filter={"$where": "true"}) == refused
    operations = {"databaseName": "admin", "pipeline": [{"$currentOp": {}}]}
    assert await mongo_api.post_refused("aggregate", **operations) == refused
    assert (await mongo_admin.post("aggregate", **operations))["documents"]
    profile = {"databaseName": mongo_database, "collection": "system.profile", "pipeline": []}
    assert await mongo_api.post_refused("aggregate", **profile) == refused


async def test_wrong_pipelines_are_refused_with_a_sentence(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    for pipeline, status in (
        ({"$match": {}}, 400),
        ([{"$match": {}, "$limit": 1}], 400),
        ([{"$project": {"a": {"$noSuchOperator": 1}}}], 400),
        ([{"$limit": "x"}], 400),
        ([{"$noSuchStage": {}}], 403),
    ):
        answer = await mongo_reader.send("POST", "aggregate", body={**orders, "pipeline": pipeline})
        assert answer.status_code == status, answer.text
        assert answer.json()["message"]


NOT_UTF8 = {"$bson": {"type": "02", "base64": "AwAAAP//AA=="}}
"""A text of the bytes ff ff."""
FAR = {"$date": {"$numberLong": "9223372036854775807"}}
"""A time that Python has no type for."""


@pytest.mark.parametrize(
    "fields",
    [
        {"route": "explain", "filter": "$where"},
        {"route": "explain", "update": {"$code": "$where"}, "operation": "update"},
        {"route": "aggregate", "pipeline": [], "let": "$where"},
        {"route": "schema/analyze", "filter": "$where"},
        {"route": "validation/test", "validator": "$where"},
        {"route": "export", "filter": "$where"},
        {"route": "aggregate", "pipeline": [], "hint": NOT_UTF8},
        {"route": "documents/find", "hint": NOT_UTF8},
        {"route": "documents/count", "filter": {"_id": 1}, "hint": NOT_UTF8},
    ],
    ids=str,
)
async def test_fields_of_another_type_are_named(
    mongo_reader: MongoApi, orders: dict[str, object], fields: dict[str, object]
) -> None:
    route = str(fields["route"])
    body = {name: value for name, value in fields.items() if name != "route"}
    answer = await mongo_reader.send("POST", route, body={**orders, **body})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_ARGUMENT"), answer.text
    assert answer.json()["message"].startswith(("filter: ", "update: ", "let: ", "validator: ", "hint: "))


async def test_values_that_only_the_server_can_judge_reach_it(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    for route, fields in (
        ("aggregate", {"pipeline": [], "collation": {"locale": FAR}}),
        ("aggregate/preview", {"pipeline": [], "collation": {"locale": NOT_UTF8}}),
        ("explain", {"collation": {"locale": NOT_UTF8}}),
        ("explain", {"sort": {"total": {"$numberDouble": "NaN"}}}),
        ("explain", {"sort": {"total": {"$numberDouble": "-Infinity"}}}),
    ):
        answer = await mongo_reader.send("POST", route, body={**orders, **fields})
        assert answer.status_code < 500, answer.text


async def test_null_is_nothing_in_every_route(mongo_reader: MongoApi, orders: dict[str, object]) -> None:
    nothing = dict.fromkeys(("filter", "sort", "projection", "collation", "hint", "let"))
    explained = await mongo_reader.post("explain", **orders, **nothing)
    assert explained["returned"] == 2000
    options = {name: None for name in nothing if name in ("collation", "hint", "let")}
    found = await mongo_reader.post("aggregate", **orders, pipeline=[{"$count": "n"}], **options)
    assert found["documents"] == [{"n": 2000}]


async def test_durations_are_told_to_the_microsecond(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    found = await mongo_reader.post("aggregate", **orders, pipeline=[])
    assert found["elapsed_ms"] == round(found["elapsed_ms"], 3)


async def test_a_preview_shows_what_comes_out_of_each_stage(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    preview = await mongo_reader.post(
        "aggregate/preview",
        **orders,
        pipeline=[
            {"$match": {"customer": "c3"}},
            {"$group": {"_id": "$customer", "n": {"$sum": 1}}},
            {"$project": {"_id": 0, "n": 1}},
        ],
        limit=2,
        sampleSize=10,
    )

    assert [each["stage"] for each in preview["stages"]] == ["", "$match", "$group", "$project"]
    assert (len(stage(preview, -1)["documents"]), stage(preview, -1)["truncated"]) == (2, True)
    assert {each["customer"] for each in stage(preview, 0)["documents"]} == {"c3"}
    assert [stage(preview, at)["sampled"] for at in (-1, 0, 1, 2)] == [False, False, True, True]
    assert stage(preview, 1)["documents"] == [{"_id": "c3", "n": 10}]
    assert stage(preview, 2)["documents"] == [{"n": 10}]


async def test_a_preview_says_which_stage_is_wrong(mongo_reader: MongoApi, orders: dict[str, object]) -> None:
    preview = await mongo_reader.post(
        "aggregate/preview",
        **orders,
        pipeline=[{"$match": {}}, {"$project": {"a": {"$noSuchOperator": 1}}}, {"$limit": 1}],
    )

    assert stage(preview, 0)["documents"]
    assert stage(preview, 0)["error"] is None
    wrong = stage(preview, 1)
    assert (wrong["error"]["error_code"], wrong["documents"]) == ("DB_QUERY_ERROR", [])
    assert "$noSuchOperator" in wrong["error"]["message"]
    assert stage(preview, 2)["skipped"] == "A stage before it failed."


async def test_a_preview_writes_nothing(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str, orders: dict[str, object]
) -> None:
    preview = await mongo_api.post(
        "aggregate/preview", **orders, pipeline=[{"$match": {}}, {"$merge": {"into": "merged"}}]
    )

    assert stage(preview, 1)["target"] == {
        "stage": "$merge",
        "database_name": mongo_database,
        "collection": "merged",
    }
    assert "writes" in stage(preview, 1)["skipped"]
    assert "merged" not in await mongo_engine[mongo_database].list_collection_names()


async def test_a_collection_scan_is_bad_and_an_index_is_proposed(
    mongo_reader: MongoApi, orders: dict[str, object]
) -> None:
    found = await mongo_reader.post(
        "explain", **orders, filter={"total": {"$gt": 19_900}, "lines.sku": 3}, sort={"_id": -1}
    )

    assert found["verdict"]["level"] == "bad"
    assert {"COLLECTION_SCAN", "SORT_IN_MEMORY", "EXAMINED_TOO_MANY"} <= codes(found)
    assert found["suggested_index"]["keys"] == {"lines.sku": 1, "_id": -1, "total": 1}
    assert names(found["plan"]) == ["SORT", "COLLSCAN"]
    assert (found["documents_examined"], found["keys_examined"]) == (2000, 0)
    assert found["raw"]["queryPlanner"]["winningPlan"]["stage"] == "SORT"


async def test_an_index_that_serves_is_ok(mongo_reader: MongoApi, orders: dict[str, object]) -> None:
    found = await mongo_reader.post("explain", **orders, filter={"customer": "c1"})

    assert found["verdict"]["level"] == "ok"
    assert "INDEX_USED" in codes(found)
    assert found["indexes"] == ["customer_1_total_-1"]
    assert found["suggested_index"] is None
    scan = found["plan"]["children"][0]
    assert (scan["stage"], scan["index_keys"]) == ("IXSCAN", {"customer": 1, "total": -1})
    assert (found["returned"], found["documents_examined"]) == (40, 40)


async def test_planning_alone_runs_nothing(mongo_reader: MongoApi, orders: dict[str, object]) -> None:
    found = await mongo_reader.post("explain", **orders, filter={"customer": "c1"}, verbosity="queryPlanner")
    assert "NOT_EXECUTED" in codes(found)
    assert (found["returned"], found["documents_examined"], found["elapsed_ms"]) == (-1, -1, -1)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"operation": "aggregate", "pipeline": [{"$match": {"customer": "c1"}}, {"$sort": {"x": 1}}]}, "c1"),
        ({"operation": "count", "filter": {"customer": "c1"}}, "c1"),
        ({"operation": "distinct", "key": "total", "filter": {"customer": "c1"}}, "c1"),
        (
            {"operation": "update", "filter": {"customer": "c1"}, "update": {"$set": {"a": 1}}, "many": True},
            "",
        ),
        ({"operation": "update", "filter": {"customer": "c1"}, "update": [{"$set": {"a": 1}}]}, ""),
        ({"operation": "delete", "filter": {"customer": "c1"}, "many": True}, ""),
    ],
)
async def test_every_kind_of_query_is_explained_and_changes_nothing(
    mongo_reader: MongoApi,
    mongo_engine: Engine,
    mongo_database: str,
    orders: dict[str, object],
    body: dict[str, Any],
    read: str,
) -> None:
    found = await mongo_reader.post("explain", **orders, **body)
    assert found["plan"]["stage"]
    assert found["namespace"] == f"{mongo_database}.orders"
    if read:
        assert found["indexes"] == ["customer_1_total_-1"]
    collection = mongo_engine[mongo_database]["orders"]
    assert await collection.count_documents({}) == 2000
    assert await collection.count_documents({"a": 1}) == 0


async def test_an_aggregation_is_explained_without_its_writing_stage(
    mongo_api: MongoApi, mongo_engine: Engine, mongo_database: str, orders: dict[str, object]
) -> None:
    pipeline = [{"$match": {"total": 5}}, {"$out": "written"}]
    found = await mongo_api.post("explain", **orders, operation="aggregate", pipeline=pipeline)
    assert {"WRITES_LEFT_OUT", "COLLECTION_SCAN"} <= codes(found)
    assert found["suggested_index"]["keys"] == {"total": 1}
    assert "written" not in await mongo_engine[mongo_database].list_collection_names()
