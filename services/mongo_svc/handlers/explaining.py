"""Of an rpc to explain: the body as a command and what an index could serve of it, and the plan as an answer."""

from __future__ import annotations

from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import policy, terms
from services.mongo_svc import stages as rules
from services.mongo_svc.aggregation import explain, plans, verdict
from services.mongo_svc.aggregation.verdict import Asked
from services.mongo_svc.client import without_none
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.handlers import fields
from services.runtime.errors import invalid_argument
from studio.mongodb.v1 import aggregation_service_pb2 as pb
from studio.mongodb.v1.common_pb2 import ExtendedJson

_WHY_THIS_ORDER = (
    "Fields compared for equality come first, then the sort, then ranges. It is a proposal from the query alone: "
    "whether it pays depends on the data and on how often the query runs."
)


def question(body: pb.ExplainBody, database: str, collection: str) -> tuple[explain.Question, str]:
    """What to explain, and the writing stage that was left out of it; empty for none.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    command, asked, left_out = _command(body, database, collection)
    verbosity = body.verbosity or explain.DEFAULT_VERBOSITY
    return explain.Question(database, command, asked, verbosity, body.max_time_ms / 1000), left_out


def response(found: explain.Explained, asked: explain.Question, left_out: str) -> pb.ExplainResponse:
    """The answer."""
    reasons = [*found.reasons, *_left_out(left_out)]
    answer = pb.ExplainResponse(
        verdict=pb.ExplainVerdict(
            level=verdict.level(reasons),
            reasons=[pb.ExplainReason(level=r.level, code=r.code, message=r.message) for r in reasons],
        ),
        plan=_plan_stage(found.plan.top) if found.plan.top else None,
        returned=found.plan.returned,
        documents_examined=found.plan.documents,
        keys_examined=found.plan.keys,
        elapsed_ms=found.plan.elapsed_ms,
        indexes=dict.fromkeys(each.index_name for each in found.plan.stages() if each.index_name),
        rejected_plans=found.plan.rejected,
        namespace=found.plan.namespace or f"{asked.database}.{next(iter(asked.command.values()))}",
        verbosity=asked.verbosity,
        raw=ExtendedJson(bson=found.raw),
    )
    if found.suggested:
        answer.suggested_index.keys.bson = bson.encode(found.suggested)
        answer.suggested_index.message = _WHY_THIS_ORDER
    return answer


def _command(body: pb.ExplainBody, database: str, collection: str) -> tuple[dict[str, Any], Asked, str]:
    """The command, what an index could serve of it, and the stage that was left out of it."""
    condition, projection, sort = (fields.query(body, name) for name in ("filter", "projection", "sort"))
    let = fields.let(body)
    common = dict(without_none(collation=fields.driver_collation(body), hint=fields.driver_hint(body)))
    query = RawBSONDocument(condition)
    asked = explain.asked_of(condition, sort)
    left_out = ""
    own: dict[str, Any]
    bounded: dict[str, Any] = {"skip": body.skip or None, "limit": body.limit or None}
    match body.operation or "find":
        case "aggregate":
            pipeline = policy.check_pipeline(
                fields.pipeline(body), "pipeline", read_only=False, database=database
            )
            stages = pipeline.stages[:-1] if pipeline.writes else pipeline.stages
            left_out = pipeline.target.stage if pipeline.target else ""
            asked = explain.asked_by(stages)
            own = {
                "aggregate": collection,
                "pipeline": list(map(RawBSONDocument, stages)),
                "cursor": {},
                "let": let,
            }
        case "count":
            own = {"count": collection, "query": query, **bounded}
        case "distinct":
            if not body.key:
                raise invalid_argument("key", "must be given")
            own = {"distinct": collection, "key": body.key, "query": query}
        case "update":
            change = {"q": query, "u": _update(body), "multi": body.many}
            own = {"update": collection, "updates": [change | common], "let": let}
            common = {}
        case "delete":
            removal = {"q": query, "limit": 0 if body.many else 1}
            own = {"delete": collection, "deletes": [removal | common], "let": let}
            common = {}
        case _:
            own = {
                "find": collection,
                "filter": query,
                "projection": RawBSONDocument(projection) if projection != terms.EMPTY else None,
                "sort": RawBSONDocument(sort) if sort != terms.EMPTY else None,
                "let": let,
                **bounded,
            }
    return dict(without_none(**own, **common)), asked, left_out


def _update(body: pb.ExplainBody) -> Any:  # noqa: ANN401  a document or a pipeline
    if body.update.type == Kind.ARRAY:
        policy.check_pipeline(body.update.bson, "update", read_only=False, only=rules.OF_UPDATES)
        return explain.array(body.update.bson)
    return RawBSONDocument(fields.query(body, "update"))


def _left_out(stage: str) -> list[verdict.Reason]:
    if not stage:
        return []
    return [verdict.Reason(verdict.OK, "WRITES_LEFT_OUT", f"The plan is that of the stages before {stage}.")]


def _plan_stage(stage: plans.Stage) -> pb.PlanStage:
    found = pb.PlanStage(
        stage=stage.name,
        index_name=stage.index_name,
        direction=stage.direction,
        returned=stage.returned,
        documents_examined=stage.documents,
        keys_examined=stage.keys,
        elapsed_ms=stage.elapsed_ms,
        memory_bytes=stage.memory_bytes,
        used_disk=stage.used_disk,
        shard=stage.shard,
        children=map(_plan_stage, stage.children),
    )
    for field, value in (
        (found.index_keys, stage.index_keys),
        (found.index_bounds, stage.index_bounds),
        (found.filter, stage.filter),
        (found.sort, stage.sort),
    ):
        if value is not None:
            field.bson = bson.encode(value)
    return found
