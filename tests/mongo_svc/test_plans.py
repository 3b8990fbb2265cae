"""Answers to `explain` in every shape that servers have: one tree, the same numbers, the right verdict.

The shapes are those of https://www.mongodb.com/docs/manual/reference/explain-results/.
"""

from __future__ import annotations

from typing import Any

import pytest

from services.mongo_svc.aggregation import indexes, plans, verdict
from services.mongo_svc.aggregation.verdict import Asked

NOTHING = Asked({})
BY_A = Asked({"a": 1})


def names(stage: plans.Stage | None) -> list[str]:
    return [] if stage is None else [each.name for each in stage.walk()]


def codes(answer: dict[str, Any], asked: Asked = BY_A) -> dict[str, str]:
    return {each.code: each.level for each in verdict.judge(plans.read(answer), asked)}


def find(winning: dict[str, Any], **stats: object) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "queryPlanner": {"namespace": "d.c", "winningPlan": winning, "rejectedPlans": [{}, {}]}
    }
    return answer | ({"executionStats": stats} if stats else {})


def stats(**counts: object) -> dict[str, Any]:
    return {"executionSuccess": True, "executionTimeMillis": 3, **counts}


IXSCAN = {
    "stage": "IXSCAN",
    "keyPattern": {"a": 1},
    "indexName": "a_1",
    "direction": "forward",
    "indexBounds": {"a": ["[1, 1]"]},
}
CLASSIC = find(
    {"stage": "FETCH", "filter": {"b": {"$eq": 1}}, "inputStage": IXSCAN},
    **stats(
        nReturned=2,
        totalKeysExamined=5,
        totalDocsExamined=5,
        executionStages={
            "stage": "FETCH",
            "nReturned": 2,
            "docsExamined": 5,
            "executionTimeMillisEstimate": 3,
            "inputStage": {"stage": "IXSCAN", "nReturned": 5, "keysExamined": 5},
        },
    ),
)


def test_a_classic_plan() -> None:
    plan = plans.read(CLASSIC)
    fetch, scan = plan.stages()
    assert (plan.returned, plan.documents, plan.keys, plan.elapsed_ms) == (2, 5, 5, 3)
    assert (plan.rejected, plan.namespace, plan.executed) == (2, "d.c", True)
    assert (fetch.name, fetch.filter, fetch.returned, fetch.documents) == ("FETCH", {"b": {"$eq": 1}}, 2, 5)
    assert (scan.name, scan.index_name, scan.index_keys, scan.keys) == ("IXSCAN", "a_1", {"a": 1}, 5)
    assert (scan.index_bounds, scan.direction) == ({"a": ["[1, 1]"]}, "forward")
    assert codes(CLASSIC) == {"INDEX_USED": "ok", "REJECTED_PLANS": "ok"}


def test_an_sbe_plan_gets_the_counts_of_its_own_stages_by_number() -> None:
    tree = {"stage": "FETCH", "planNodeId": 2, "inputStage": {**IXSCAN, "planNodeId": 1}}
    executed = {
        "stage": "nlj",
        "planNodeId": 2,
        "nReturned": 4,
        "executionTimeMillisEstimate": 6,
        "outerStage": {
            "stage": "cfilter",
            "planNodeId": 1,
            "nReturned": 9,
            "inputStage": {"stage": "ixseek", "planNodeId": 1, "nReturned": 9, "keysExamined": 9},
        },
        "innerStage": {
            "stage": "limit",
            "planNodeId": 2,
            "nReturned": 4,
            "inputStage": {"stage": "seek", "planNodeId": 2, "nReturned": 4, "numReads": 9},
        },
    }
    plan = plans.read(
        find(
            {"queryPlan": tree, "slotBasedPlan": {"stages": "…"}},
            **stats(nReturned=4, totalKeysExamined=9, totalDocsExamined=9, executionStages=executed),
        )
    )
    fetch, scan = plan.stages()
    assert (fetch.name, fetch.returned, fetch.documents, fetch.elapsed_ms) == ("FETCH", 4, 9, 6)
    assert (scan.name, scan.returned, scan.keys) == ("IXSCAN", 9, 9)


def test_an_express_plan_has_its_keys_as_text_where_it_ran() -> None:
    answer = find(
        {"stage": "EXPRESS_IXSCAN", "keyPattern": "{ _id: 1 }", "indexName": "_id_"},
        **stats(
            nReturned=1,
            totalKeysExamined=1,
            totalDocsExamined=1,
            executionStages={"stage": "EXPRESS_IXSCAN", "nReturned": 1, "keyPattern": "{ _id: 1 }"},
        ),
    )
    (stage,) = plans.read(answer).stages()
    assert (stage.index_name, stage.index_keys) == ("_id_", None)
    assert codes(answer)["ID_LOOKUP"] == "ok"


def test_a_pipeline_is_a_chain_above_its_cursor() -> None:
    answer = {
        "stages": [
            {"$cursor": CLASSIC},
            {
                "$group": {"_id": "$x"},
                "maxAccumulatorMemoryUsageBytes": {"sum": 100, "n": 20},
                "nReturned": 1,
                "executionTimeMillisEstimate": 8,
            },
            {"$sort": {"sortKey": {"n": -1}}, "usedDisk": True, "nReturned": 1},
        ]
    }
    plan = plans.read(answer)
    assert names(plan.top) == ["$sort", "$group", "FETCH", "IXSCAN"]
    sort, group, *_ = plan.stages()
    assert (sort.sort, sort.used_disk, group.memory_bytes) == ({"n": -1}, True, 120)
    assert (plan.returned, plan.documents, plan.rejected) == (1, 5, 2)
    found = codes(answer)
    assert found["SPILLED_TO_DISK"] == "bad"
    assert "SORT_IN_MEMORY" not in found  # no index holds what a group makes


def test_a_pipeline_that_sorts_the_documents_themselves_could_use_an_index() -> None:
    answer = {"stages": [{"$cursor": CLASSIC}, {"$match": {}}, {"$sort": {"b": 1}}]}
    assert codes(answer)["SORT_IN_MEMORY"] == "warn"
    plan, asked = plans.read(answer), Asked({"a": 1}, [("b", 1)])
    assert verdict.suggest(plan, asked, verdict.judge(plan, asked)) == {"a": 1, "b": 1}


def test_a_lookup_without_an_index_is_a_scan_for_each_document() -> None:
    answer = {
        "stages": [
            {"$cursor": CLASSIC},
            {
                "$lookup": {"from": "other"},
                "totalDocsExamined": 5000,
                "totalKeysExamined": 0,
                "collectionScans": 5,
                "indexesUsed": [],
                "nReturned": 2,
            },
        ]
    }
    assert plans.read(answer).documents == 5005
    assert codes(answer)["COLLECTION_SCAN"] == "bad"


def test_shards_are_the_branches_of_a_find() -> None:
    winning = {
        "stage": "SHARD_MERGE",
        "shards": [
            {"shardName": name, "winningPlan": {"stage": "COLLSCAN"}, "rejectedPlans": [{}]}
            for name in ("s1", "s2")
        ],
    }
    executed = {
        "stage": "SHARD_MERGE",
        "nReturned": 3,
        "shards": [
            {
                "shardName": name,
                "executionSuccess": True,
                "executionStages": {"stage": "COLLSCAN", "nReturned": read // 1000, "docsExamined": read},
            }
            for name, read in (("s1", 1000), ("s2", 2000))
        ],
    }
    answer = find(
        winning, **stats(nReturned=3, totalKeysExamined=0, totalDocsExamined=3000, executionStages=executed)
    )
    plan = plans.read(answer)
    assert [(each.name, each.shard, each.documents) for each in plan.stages()] == [
        ("SHARD_MERGE", "", -1),
        ("COLLSCAN", "s1", 1000),
        ("COLLSCAN", "s2", 2000),
    ]
    assert plan.rejected == 4
    assert codes(answer)["COLLECTION_SCAN"] == "bad"


def test_shards_of_a_pipeline_are_merged() -> None:
    answer = {
        "splitPipeline": {"shardsPart": [{"$match": {}}], "mergerPart": [{"$group": {"_id": None}}]},
        "shards": {"s1": CLASSIC, "s2": {"stages": [{"$cursor": CLASSIC}, {"$match": {"x": 1}}]}},
    }
    plan = plans.read(answer)
    assert names(plan.top) == ["$group", "SHARDS", "FETCH", "IXSCAN", "$match", "FETCH", "IXSCAN"]
    assert (plan.documents, plan.keys, plan.rejected) == (10, 10, 4)


@pytest.mark.parametrize(
    "answer", [{}, {"queryPlanner": {}}, {"stages": []}, {"queryPlanner": {"winningPlan": {}}}]
)
def test_an_answer_without_a_plan_is_no_failure(answer: dict[str, Any]) -> None:
    assert codes(answer) == {"NO_PLAN": "ok"}


@pytest.mark.parametrize(
    ("winning", "counts", "expected"),
    [
        ({"stage": "EOF"}, (0, 0, 0), {"NO_PLAN": "ok"}),
        ({"stage": "COLLSCAN"}, (5, 0, 20), {"COLLECTION_SCAN": "warn"}),
        ({"stage": "COLLSCAN"}, (5, 0, 5000), {"COLLECTION_SCAN": "bad", "EXAMINED_TOO_MANY": "bad"}),
        ({"stage": "FETCH", "inputStage": IXSCAN}, (5, 100, 100), {"EXAMINED_TOO_MANY": "warn"}),
        ({"stage": "PROJECTION_COVERED", "inputStage": IXSCAN}, (5, 5, 0), {"COVERED_QUERY": "ok"}),
        ({"stage": "FETCH", "inputStage": {"stage": "AND_HASH", "inputStages": [IXSCAN, IXSCAN]}}, (5, 9, 5),
         {"INDEX_INTERSECTION": "warn"}),
        ({"stage": "COUNT", "inputStage": {"stage": "COUNT_SCAN", "indexName": "a_1"}}, (0, 5000, 0), {}),
        ({"stage": "UPDATE", "inputStage": {"stage": "FETCH", "inputStage": IXSCAN}}, (0, 5000, 5000), {}),
    ],
)  # fmt: skip
def test_verdicts(winning: dict[str, Any], counts: tuple[int, int, int], expected: dict[str, str]) -> None:
    returned, keys, documents = counts
    found = codes(
        find(winning, **stats(nReturned=returned, totalKeysExamined=keys, totalDocsExamined=documents))
    )
    assert {code: level for code, level in found.items() if code in expected or level != "ok"} == expected


def test_a_query_that_ran_out_of_time_is_bad() -> None:
    answer = find({"stage": "COLLSCAN"}, executionSuccess=False, errorMessage="exceeded time limit")
    assert codes(answer)["STOPPED_EARLY"] == "bad"


@pytest.mark.parametrize(
    ("condition", "sort", "keys"),
    [
        ({"a": 1, "b": {"$gt": 1}}, [("c", -1)], {"a": 1, "c": -1, "b": 1}),
        ({"a": {"$in": [1, 2]}}, [], {"a": 1}),
        ({"a": {"$in": list(range(500))}}, [("b", 1)], {"b": 1, "a": 1}),
        ({"$and": [{"a": 1}, {"b": {"$lt": 1}}]}, [], {"a": 1, "b": 1}),
        ({"a": {"$elemMatch": {"b": 1}}}, [], {"a.b": 1}),
        ({"a": {"$regex": "^x"}}, [], {"a": 1}),
        ({"a": {"$regex": "x"}}, [], {}),
        ({"a": {"$ne": 1}}, [], {}),
        ({"$or": [{"a": 1}, {"b": 1}]}, [], {}),
        ({"_id": 1, "a": 1}, [], {}),
        ({"a": 1}, [("score", {"$meta": "textScore"})], {"a": 1}),
        ({f"f{n}": 1 for n in range(9)}, [], {f"f{n}": 1 for n in range(6)}),
    ],
)
def test_an_index_is_proposed_by_equality_sort_range(
    condition: dict[str, Any], sort: list[tuple[str, object]], keys: dict[str, object]
) -> None:
    assert indexes.propose(condition, sort) == keys
    assert list(indexes.propose(condition, sort)) == list(keys)


def test_an_index_that_is_there_is_not_proposed() -> None:
    assert indexes.serves({"a": 1, "b": -1, "c": 1}, {"a": 1, "b": -1})
    assert indexes.serves({"a": -1, "b": 1}, {"a": 1, "b": -1})
    assert not indexes.serves({"b": 1, "a": 1}, {"a": 1})
    plan = plans.read(CLASSIC)
    assert verdict.suggest(plan, NOTHING, verdict.judge(plan, NOTHING)) == {}
