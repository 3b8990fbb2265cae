"""`studio.mongodb.v1.AggregationService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import bson
from bson.raw_bson import RawBSONDocument
from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, policy
from services.mongo_svc import stages as rules
from services.mongo_svc.aggregation import bounds, explain, plans, preview, run, verdict
from services.mongo_svc.aggregation.verdict import Asked
from services.mongo_svc.client import MongoClient, without_none
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.policy import Pipeline
from services.runtime.databases import Databases, is_read_only
from services.runtime.errors import invalid_argument
from services.runtime.places import Places
from studio.mongodb.v1 import aggregation_service_pb2 as pb
from studio.mongodb.v1.aggregation_service_pb2_grpc import AggregationServiceServicer
from studio.mongodb.v1.common_pb2 import ExtendedJson

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class AggregationHandler(AggregationServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases
        self._places = Places("streams of pipelines", bounds.MAX_STREAMS, bounds.MAX_STREAMS_OF_ONE_DATABASE)

    async def Aggregate(self, request: pb.AggregateRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """The first documents that a pipeline gives."""
        del context
        body = bodies.read(request.body, pb.AggregateBody)
        limit = body.limit or bounds.DEFAULT_DOCUMENTS
        if limit > bounds.MAX_DOCUMENTS:
            raise invalid_argument(
                "limit", f"must be at most {bounds.MAX_DOCUMENTS}; a stream has no such bound"
            )
        read_only = await self._is_read_only(request.database_id)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            pipeline = _checked(body, database, read_only=read_only)
            found = await run.first(
                client,
                _question(body, database, pipeline),
                limit=limit,
                max_bytes=client.limits.page_bytes,
                timeout_s=client.deadline_s(body.max_time_ms / 1000),
            )
        response = pb.AggregateResponse(
            documents=map(_document, found.documents),
            truncated=found.truncated,
            wrote=_target(pipeline, database),
            elapsed_ms=found.elapsed_s * 1000,
        )
        return answers.render(response, answers.mode_of(body.ejson))

    async def StreamAggregate(  # noqa: N802  the rpc
        self, request: pb.StreamAggregateRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """All that a pipeline gives, as raw BSON."""
        del context
        body = bodies.read(request.body, pb.AggregateBody)
        read_only = await self._is_read_only(request.database_id)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            pipeline = _checked(body, database, read_only=read_only)
            if pipeline.writes and body.limit:
                raise invalid_argument("limit", "can't be given with a pipeline that writes")
            with self._places.take(request.database_id):
                question = _question(body, database, pipeline)
                async with contextlib.aclosing(run.stream(client, question, limit=body.limit)) as batches:
                    async for batch in batches:
                        yield HttpBody(content_type=bodies.BSON_TYPE, data=batch)

    async def PreviewPipeline(self, request: pb.PreviewPipelineRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """What each stage gives."""
        del context
        body = bodies.read(request.body, pb.PreviewPipelineBody)
        wanted = preview.Wanted(
            documents=body.limit or bounds.PREVIEW_DOCUMENTS,
            sample_size=body.sample_size or bounds.PREVIEW_SAMPLE,
            timeout_s=0.0,
        )
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            # Nothing is written, so what may be written on this connection doesn't matter.
            pipeline = _checked(body, database, read_only=False)
            if len(pipeline.names) > bounds.PREVIEW_STAGES:
                raise invalid_argument("pipeline", f"has more than {bounds.PREVIEW_STAGES} stages to preview")
            wanted = preview.Wanted(
                wanted.documents,
                wanted.sample_size,
                (body.max_time_ms / 1000) or client.limits.command_timeout_s,
            )
            shown = await preview.preview(client, _question(body, database, pipeline), pipeline, wanted)
        response = pb.PreviewPipelineResponse(
            stages=[_preview(each, pipeline, database) for each in shown], sample_size=wanted.sample_size
        )
        return answers.render(response, answers.mode_of(body.ejson))

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """How the server runs a query."""
        del context
        body = bodies.read(request.body, pb.ExplainBody)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            collection = client.collection_name(database, body.collection)
            policy.check_source(database, collection)
            command, asked, left_out = _command(body, database, collection)
            question = explain.Question(
                database,
                command,
                asked,
                body.verbosity or explain.DEFAULT_VERBOSITY,
                body.max_time_ms / 1000,
            )
            found = await explain.explain(client, question)
        reasons = [*found.reasons, *_left_out(left_out)]
        response = pb.ExplainResponse(
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
            namespace=found.plan.namespace or f"{database}.{collection}",
            verbosity=question.verbosity,
            raw=_document(found.raw),
        )
        if found.suggested:
            response.suggested_index.keys.bson = bson.encode(found.suggested)
            response.suggested_index.message = _WHY_THIS_ORDER
        return answers.render(response, answers.mode_of(body.ejson))

    async def _is_read_only(self, database_id: str) -> bool:
        return is_read_only((await self._databases.connection(database_id)).config)


_WHY_THIS_ORDER = (
    "Fields compared for equality come first, then the sort, then ranges. It is a proposal from the query alone: "
    "whether it pays depends on the data and on how often the query runs."
)


def _checked(body: pb.AggregateBody | pb.PreviewPipelineBody, database: str, *, read_only: bool) -> Pipeline:
    policy.check_source(database, body.collection)
    policy.check(body.let.bson, "let")
    return policy.check_pipeline(
        _array(body.pipeline, "pipeline"), "pipeline", read_only=read_only, database=database
    )


def _question(
    body: pb.AggregateBody | pb.PreviewPipelineBody, database: str, pipeline: Pipeline
) -> run.Question:
    options: dict[str, Any] = {}
    if isinstance(body, pb.AggregateBody):
        options = {
            "hint": _hint(body.hint) if body.HasField("hint") else None,
            "allowDiskUse": body.allow_disk_use or None,
            "comment": body.comment or None,
        }
    return run.Question(
        database, body.collection, pipeline.stages, without_none(**options, **_let_and_collation(body))
    )


def _let_and_collation(
    body: pb.AggregateBody | pb.PreviewPipelineBody | pb.ExplainBody,
) -> dict[str, Any]:
    # The driver wants a dict, and nobody has a collation that is not one of Python's.
    collation = (
        dict(bson.decode(_object(body.collation, "collation"))) if body.HasField("collation") else None
    )
    let = RawBSONDocument(_object(body.let, "let")) if body.HasField("let") else None
    return {"collation": collation, "let": let}


def _command(body: pb.ExplainBody, database: str, collection: str) -> tuple[dict[str, Any], Asked, str]:
    """The command, what an index could serve of it, and the stage that was left out of it."""
    for name in ("filter", "projection", "update", "let"):
        policy.check(getattr(body, name).bson, name)
    condition = _object(body.filter, "filter") if body.HasField("filter") else _EMPTY
    sort = _object(body.sort, "sort") if body.HasField("sort") else b""
    given = _let_and_collation(body)
    let = given.pop("let")
    common = dict(without_none(**given, hint=_hint(body.hint) if body.HasField("hint") else None))
    query = RawBSONDocument(condition)
    asked = explain.asked_of(condition, sort)
    left_out = ""
    own: dict[str, Any]
    bounded: dict[str, Any] = {"skip": body.skip or None, "limit": body.limit or None}
    match body.operation or "find":
        case "aggregate":
            pipeline = policy.check_pipeline(
                _array(body.pipeline, "pipeline"), "pipeline", read_only=False, database=database
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
            change = {"q": query, "u": _update(body.update), "multi": body.many}
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
                "projection": RawBSONDocument(_object(body.projection, "projection"))
                if body.HasField("projection")
                else None,
                "sort": RawBSONDocument(sort) if sort else None,
                "let": let,
                **bounded,
            }
    return dict(without_none(**own, **common)), asked, left_out


_EMPTY = bson.encode({})


def _update(value: ExtendedJson) -> Any:  # noqa: ANN401  a document or a pipeline
    if value.type == Kind.ARRAY:
        policy.check_pipeline(value.bson, "update", read_only=False, only=rules.OF_UPDATES)
        return explain.array(value.bson)
    return RawBSONDocument(_object(value, "update"))


def _left_out(stage: str) -> list[verdict.Reason]:
    if not stage:
        return []
    return [verdict.Reason(verdict.OK, "WRITES_LEFT_OUT", f"The plan is that of the stages before {stage}.")]


def _array(value: ExtendedJson, what: str) -> bytes:
    if value.type != Kind.ARRAY:
        raise invalid_argument(what, "must be an array of stages")
    return value.bson


def _object(value: ExtendedJson, what: str) -> bytes:
    if value.type not in (0, Kind.DOCUMENT) or not value.bson:
        raise invalid_argument(what, "must be an object")
    return value.bson


def _hint(value: ExtendedJson) -> str | RawBSONDocument:
    if value.type == Kind.STRING:
        return value.bson[4:-1].decode("utf-8", "replace")
    return RawBSONDocument(_object(value, "hint"))


def _document(raw: bytes) -> ExtendedJson:
    return ExtendedJson(bson=raw)


def _target(pipeline: Pipeline, database: str) -> pb.PipelineTarget | None:
    target = pipeline.target
    if target is None:
        return None
    return pb.PipelineTarget(
        stage=target.stage, database_name=target.database or database, collection=target.collection
    )


def _preview(shown: preview.Shown, pipeline: Pipeline, database: str) -> pb.StagePreview:
    result, error = shown.result, shown.error
    return pb.StagePreview(
        index=shown.index,
        stage=shown.name,
        documents=map(_document, result.documents if result else ()),
        truncated=bool(result and result.truncated),
        sampled=shown.sampled,
        elapsed_ms=result.elapsed_s * 1000 if result else 0.0,
        error=pb.StageError(error_code=error.reason_name, message=error.message) if error else None,
        skipped=shown.skipped,
        target=_target(pipeline, database) if shown.skipped == preview.WRITES else None,
    )


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
