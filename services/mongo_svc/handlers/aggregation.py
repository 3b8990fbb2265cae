"""`studio.mongodb.v1.AggregationService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, policy
from services.mongo_svc.aggregation import bounds, explain, preview, run
from services.mongo_svc.client import MongoClient, without_none
from services.mongo_svc.handlers import explaining, fields, raw_streams
from services.mongo_svc.policy import Pipeline
from services.runtime.confirmation import if_production
from services.runtime.databases import Databases, is_read_only, while_unchanged
from services.runtime.durations import milliseconds
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
            pipeline = await _confirmed(_checked(body, database, read_only=read_only))
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
            elapsed_ms=milliseconds(found.elapsed_s),
        )
        return await answers.rendered(response, answers.mode_of(body.ejson))

    async def StreamAggregate(  # noqa: N802  the rpc
        self, request: pb.StreamAggregateRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """All that a pipeline gives, as raw BSON."""
        del context
        body = bodies.read(request.body, pb.AggregateBody)
        check = await self._databases.check_of(request.database_id)
        read_only = await self._is_read_only(request.database_id)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            pipeline = await _confirmed(_checked(body, database, read_only=read_only))
            if pipeline.writes and body.limit:
                raise invalid_argument("limit", "can't be given with a pipeline that writes")
            with self._places.take(request.database_id):
                question = _question(body, database, pipeline)
                batches = while_unchanged(run.stream(client, question, limit=body.limit), check)
                async with contextlib.aclosing(raw_streams.chunks(batches)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    async def PreviewPipeline(self, request: pb.PreviewPipelineRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """What each stage gives."""
        del context
        body = bodies.read(request.body, pb.PreviewPipelineBody)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            # Nothing is written, so what may be written on this connection doesn't matter.
            pipeline = _checked(body, database, read_only=False)
            if len(pipeline.names) > bounds.PREVIEW_STAGES:
                raise invalid_argument("pipeline", f"has more than {bounds.PREVIEW_STAGES} stages to preview")
            wanted = preview.Wanted(
                documents=body.limit or bounds.PREVIEW_DOCUMENTS,
                sample_size=body.sample_size or bounds.PREVIEW_SAMPLE,
                timeout_s=body.max_time_ms / 1000 or client.limits.command_timeout_s,
            )
            shown = await preview.preview(client, _question(body, database, pipeline), pipeline, wanted)
        response = pb.PreviewPipelineResponse(
            stages=[_preview(each, pipeline, database) for each in shown], sample_size=wanted.sample_size
        )
        return await answers.rendered(response, answers.mode_of(body.ejson))

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """How the server runs a query."""
        del context
        body = bodies.read(request.body, pb.ExplainBody)
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            collection = client.collection_name(database, body.collection)
            policy.check_source(database, collection)
            question, left_out = explaining.question(body, database, collection)
            found = await explain.explain(client, question)
        return answers.render(explaining.response(found, question, left_out), answers.mode_of(body.ejson))

    async def _is_read_only(self, database_id: str) -> bool:
        return is_read_only((await self._databases.connection(database_id)).config)


def _checked(body: pb.AggregateBody | pb.PreviewPipelineBody, database: str, *, read_only: bool) -> Pipeline:
    policy.check_source(database, body.collection)
    return policy.check_pipeline(fields.pipeline(body), "pipeline", read_only=read_only, database=database)


async def _confirmed(pipeline: Pipeline) -> Pipeline:
    if pipeline.writes:
        await if_production("The last stage of this pipeline writes to a collection.")
    return pipeline


def _question(
    body: pb.AggregateBody | pb.PreviewPipelineBody, database: str, pipeline: Pipeline
) -> run.Question:
    options: dict[str, Any] = {}
    if isinstance(body, pb.AggregateBody):
        options = {
            "hint": fields.driver_hint(body),
            "allowDiskUse": body.allow_disk_use or None,
            "comment": body.comment or None,
        }
    return run.Question(
        database,
        body.collection,
        pipeline.stages,
        without_none(**options, collation=fields.driver_collation(body), let=fields.let(body)),
    )


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
        elapsed_ms=milliseconds(result.elapsed_s) if result else 0.0,
        error=pb.StageError(error_code=error.reason_name, message=error.message) if error else None,
        skipped=shown.skipped,
        target=_target(pipeline, database) if shown.skipped == preview.WRITES else None,
    )
