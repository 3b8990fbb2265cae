"""What users may ask of a server: which role may run which stage, and that no code gets through by a detour."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson.code import Code
from pydantic import SecretStr

from services.mongo_svc import ejson, policy, stages
from services.runtime import context as call
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from services.runtime.resolver import Connection
from studio.options.v1.access_pb2 import (
    ROLE_ADMINISTRATOR,
    ROLE_DEVELOPER,
    ROLE_OWNER,
    ROLE_READ_ONLY,
    ROLE_UNSPECIFIED,
    Role,
)

READER = [
    "$addFields",
    "$bucket",
    "$bucketAuto",
    "$changeStreamSplitLargeEvent",
    "$collStats",
    "$count",
    "$densify",
    "$documents",
    "$facet",
    "$fill",
    "$geoNear",
    "$graphLookup",
    "$group",
    "$indexStats",
    "$limit",
    "$listSearchIndexes",
    "$lookup",
    "$match",
    "$project",
    "$rankFusion",
    "$redact",
    "$replaceRoot",
    "$replaceWith",
    "$sample",
    "$score",
    "$scoreFusion",
    "$search",
    "$searchMeta",
    "$set",
    "$setWindowFields",
    "$skip",
    "$sort",
    "$sortByCount",
    "$unionWith",
    "$unset",
    "$unwind",
    "$vectorSearch",
]
DEVELOPER = ["$merge", "$out"]
ADMINISTRATOR = [
    "$currentOp",
    "$listClusterCatalog",
    "$listLocalSessions",
    "$listSampledQueries",
    "$listSessions",
    "$planCacheStats",
    "$querySettings",
    "$queryStats",
    "$shardedDataDistribution",
    "$_internalApplyOplogUpdate",
    "$inventedTomorrow",
]
LEAST = {
    **dict.fromkeys(READER, ROLE_READ_ONLY),
    **dict.fromkeys(DEVELOPER, ROLE_DEVELOPER),
    **dict.fromkeys(ADMINISTRATOR, ROLE_ADMINISTRATOR),
}
ROLES = (ROLE_UNSPECIFIED, ROLE_READ_ONLY, ROLE_DEVELOPER, ROLE_ADMINISTRATOR, ROLE_OWNER)

CONNECTION = Connection(
    id="6f1c1c7e-3d0b-4b0e-9a75-0d5a3a1b2c3d",
    type="mongodb",
    revision="1",
    name="documents",
    project_ref="default",
    config={},
    connection_string=SecretStr(""),
)


@contextlib.contextmanager
def calling_as(role: Role.ValueType) -> Iterator[None]:
    token = call.caller.set(Caller("someone", role))
    database = call.database.set(CONNECTION)
    try:
        yield
    finally:
        call.caller.reset(token)
        call.database.reset(database)


def array(*items: Any) -> bytes:  # noqa: ANN401  what BSON takes
    return next(ejson.elements(bson.encode({"a": list(items)}))).raw


def refused(pipeline: bytes, *, read_only: bool = False, **options: Any) -> tuple[str, str]:  # noqa: ANN401
    with pytest.raises(StudioError) as caught:
        policy.check_pipeline(pipeline, "pipeline", read_only=read_only, **options)
    return caught.value.reason_name, caught.value.message


def test_every_stage_of_the_table_stands_here() -> None:
    assert set(stages.STAGES) == set(LEAST) - {"$_internalApplyOplogUpdate", "$inventedTomorrow"}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_runs_its_stages_and_no_others(role: Role.ValueType) -> None:
    with calling_as(role):
        for name, least in LEAST.items():
            pipeline = array({name: "somewhere"})
            if role >= least:
                assert policy.check_pipeline(pipeline, "pipeline", read_only=False).names == (name,)
            else:
                reason, message = refused(pipeline)
                assert (reason, message.startswith(f"pipeline[0]: {name} ")) == ("PERMISSION_DENIED", True)


@pytest.mark.parametrize(
    ("outer", "place"),
    [
        ({"$facet": {"a": [{"$match": {}}], "b": [{"$currentOp": {}}]}}, "pipeline[0].$facet.b[0]"),
        (
            {"$lookup": {"from": "c", "pipeline": [{"$currentOp": {}}], "as": "x"}},
            "pipeline[0].$lookup.pipeline[0]",
        ),
        (
            {"$unionWith": {"coll": "c", "pipeline": [{"$currentOp": {}}]}},
            "pipeline[0].$unionWith.pipeline[0]",
        ),
        (
            {"$rankFusion": {"input": {"pipelines": {"p": [{"$currentOp": {}}]}}}},
            "pipeline[0].$rankFusion.input.pipelines.p[0]",
        ),
        (
            {"$lookup": {"from": "c", "pipeline": [{"$facet": {"x": [{"$currentOp": {}}]}}], "as": "x"}},
            "pipeline[0].$lookup.pipeline[0].$facet.x[0]",
        ),
    ],
)
def test_pipelines_inside_stages_are_looked_into(outer: dict[str, Any], place: str) -> None:
    with calling_as(ROLE_DEVELOPER):
        reason, message = refused(array({"$match": {}}, outer))
    assert reason == "PERMISSION_DENIED"
    assert message.startswith(place.replace("pipeline[0]", "pipeline[1]", 1))


@pytest.mark.parametrize(
    "document",
    [
        {"$where": "true"},
        {"$where": Code("true")},
        {"$or": [{"a": 1}, {"$where": "true"}]},
        {"$expr": {"$function": {"body": "f", "args": [], "lang": "js"}}},
        {"a": {"$elemMatch": {"$where": "true"}}},
        {"a": Code("x", {"$where": "true"})},
        {"$nor": [{"$literal": {"$accumulator": {}}}]},
        {"a": {"$_internalJsEmit": {}}},
    ],
)
def test_code_needs_an_administrator_wherever_it_stands(document: dict[str, Any]) -> None:
    raw = bson.encode(document)
    for role in (ROLE_UNSPECIFIED, ROLE_READ_ONLY, ROLE_DEVELOPER):
        with calling_as(role), pytest.raises(StudioError) as caught:
            policy.check(raw, "filter")
        assert caught.value.reason_name == "PERMISSION_DENIED"
        assert caught.value.metadata["path"].startswith("filter.")
    with calling_as(ROLE_ADMINISTRATOR):
        policy.check(raw, "filter")


def test_who_is_unknown_runs_no_code() -> None:
    with pytest.raises(StudioError, match=r"filter\.\$where: \$where runs code on the server"):
        policy.check(bson.encode({"$where": "true"}), "filter")


def test_names_of_code_in_texts_and_stored_code_are_data() -> None:
    with calling_as(ROLE_READ_ONLY):
        policy.check(bson.encode({"a": "$where", "b": {"$eq": "$function"}, "c": Code("x")}), "filter")


def test_code_inside_a_pipeline_is_found() -> None:
    group = {"$group": {"_id": None, "n": {"$accumulator": {"init": "f", "lang": "js"}}}}
    with calling_as(ROLE_DEVELOPER):
        assert refused(array({"$match": {}}, group))[0] == "PERMISSION_DENIED"
        assert (
            refused(array({"$lookup": {"pipeline": [{"$match": {"$where": "1"}}]}}))[0] == "PERMISSION_DENIED"
        )


def test_what_a_pipeline_writes_to_is_told() -> None:
    with calling_as(ROLE_DEVELOPER):
        for stage, target in (
            ({"$out": "b"}, policy.Target("$out", "", "b")),
            ({"$out": {"db": "a", "coll": "b"}}, policy.Target("$out", "a", "b")),
            ({"$merge": "b"}, policy.Target("$merge", "", "b")),
            ({"$merge": {"into": {"db": "a", "coll": "b"}}}, policy.Target("$merge", "a", "b")),
        ):
            assert policy.check_pipeline(array(stage), "pipeline", read_only=False).target == target
        assert not policy.check_pipeline(array({"$match": {}}), "pipeline", read_only=False).writes


def test_writing_stages_are_refused_where_nothing_may_be_written() -> None:
    with calling_as(ROLE_OWNER):
        assert refused(array({"$out": "b"}), read_only=True)[0] == "CONNECTION_READ_ONLY"
        for stage in (
            {"$out": {"db": "admin", "coll": "b"}},
            {"$merge": {"into": {"db": "config", "coll": "b"}}},
            {"$merge": "system.views"},
        ):
            assert refused(array(stage))[0] == "PERMISSION_DENIED"
        assert refused(array({"$out": "b"}), database="admin")[0] == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (array({"$out": "a"}, {"$match": {}}), "pipeline[0]: $out must be the last stage."),
        (array({"$facet": {"a": [{"$out": "b"}]}}), "must be the last stage of the outermost pipeline"),
        (array({"$merge": {"on": "a"}}), "must say once, in `into`"),
        (array({"$out": 1}), "must name a collection"),
        (array({"$match": {}, "$limit": 1}), "must be an object with one field"),
        (array("text"), "must be an object with one field"),
        (array({"match": {}}), "must be an object with one field"),
        (array({"$facet": {"a": {"$match": {}}}}), "pipeline[0].$facet.a: must be an array of stages"),
        (array({"$changeStream": {}}), "use the stream of changes"),
        (array(*[{"$match": {}}] * 1001), "has more than 1000 stages"),
        (array({"$merge": {"into": "a", "whenMatched": [{"$match": {}}]}}), "$match can't be used here"),
    ],
)
def test_malformed_pipelines_are_refused_with_the_place(pipeline: bytes, message: str) -> None:
    with calling_as(ROLE_OWNER):
        reason, text = refused(pipeline)
    assert reason == "INVALID_ARGUMENT"
    assert message in text


@pytest.mark.parametrize(
    "stage",
    [
        {"$lookup": {"from": {"db": "local", "coll": "oplog.rs"}, "as": "x"}},
        {"$lookup": {"from": "system.profile", "as": "x"}},
        {"$unionWith": {"db": "admin", "coll": "system.users"}},
        {"$unionWith": "system.profile"},
        {"$facet": {"a": [{"$graphLookup": {"from": {"db": "config", "coll": "c"}}}]}},
    ],
)
def test_the_servers_own_collections_need_an_administrator(stage: dict[str, Any]) -> None:
    with calling_as(ROLE_DEVELOPER):
        assert refused(array(stage))[0] == "PERMISSION_DENIED"
    with calling_as(ROLE_ADMINISTRATOR):
        policy.check_pipeline(array(stage), "pipeline", read_only=True)


def test_collections_that_all_may_read_are_written_by_administrators_only() -> None:
    for name in ("system.views", "system.buckets.weather"):
        with calling_as(ROLE_DEVELOPER):
            policy.check_source("shop", name)
            with pytest.raises(StudioError, match="needs the role administrator"):
                policy.check_target("shop", name)
        with calling_as(ROLE_ADMINISTRATOR):
            policy.check_target("shop", name)


def test_only_some_stages_make_an_update() -> None:
    with calling_as(ROLE_DEVELOPER):
        policy.check_pipeline(array({"$set": {"a": 1}}), "update", read_only=False, only=stages.OF_UPDATES)
        assert "can't be used here" in refused(array({"$match": {}}), only=stages.OF_UPDATES)[1]
