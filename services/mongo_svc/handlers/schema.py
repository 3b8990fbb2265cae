"""`studio.mongodb.v1.SchemaService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, ejson, policy
from services.mongo_svc.catalog.guard import check_changeable
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Mode, Value
from services.mongo_svc.handlers import fields
from services.mongo_svc.schema import analysis, bounds, proposal, testing, validation
from services.mongo_svc.schema.tally import ITEMS, TYPES, Field
from services.mongo_svc.schema.values import Range, TypeTally
from services.runtime.databases import Databases
from services.runtime.durations import milliseconds
from services.runtime.places import Places
from studio.mongodb.v1 import schema_service_pb2 as pb
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.mongodb.v1.schema_service_pb2_grpc import SchemaServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class SchemaHandler(SchemaServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases
        self._places = Places("analyses", bounds.MAX_ANALYSES, bounds.MAX_ANALYSES_OF_ONE_DATABASE)

    async def AnalyzeSchema(  # noqa: N802  the rpc
        self, request: pb.AnalyzeSchemaRequest, context: Context
    ) -> AsyncIterator[pb.AnalyzeSchemaResponse]:
        """What documents look like, as a stream of progress."""
        del context
        body = bodies.read(request.body, pb.AnalyzeSchemaBody)
        async with await self._databases.lease(request.database_id) as client:
            question = analysis.Question(
                database=_readable(client, body.database_name, body.collection),
                collection=body.collection,
                filter=fields.query(body, "filter"),
                sample_size=body.sample_size or bounds.DEFAULT_SAMPLE,
                timeout_s=body.max_time_ms / 1000 or bounds.DEFAULT_ANALYSIS_S,
            )
            with self._places.take(request.database_id):
                async with contextlib.aclosing(analysis.analyze(client, question)) as reports:
                    async for report in reports:
                        yield _progress(report)

    async def GetValidation(self, request: pb.GetValidationRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """The rules of a collection."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(request.database_name)
            found = await validation.get(client, database, request.collection)
        return answers.render(_rules(found), answers.mode_of(request.ejson))

    async def SetValidation(self, request: pb.SetValidationRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Changes the rules, and shows them as they are now."""
        del context
        body = bodies.read(request.body, pb.SetValidationBody)
        validator = fields.optional_query(body, "validator")
        async with await self._databases.lease(request.database_id) as client:
            database = client.database_name(body.database_name)
            check_changeable(database, body.collection)
            await validation.change(
                client,
                database,
                body.collection,
                validator=validator,
                level=body.level,
                action=body.action,
            )
            found = await validation.get(client, database, body.collection)
        return answers.render(_rules(found), answers.mode_of(body.ejson))

    async def TestValidation(  # noqa: N802  the rpc
        self, request: pb.TestValidationRequest, context: Context
    ) -> AsyncIterator[pb.TestValidationResponse]:
        """Which documents break rules, as a stream of progress."""
        del context
        body = bodies.read(request.body, pb.TestValidationBody)
        validator = fields.optional_query(body, "validator")
        mode = answers.mode_of(body.ejson)
        async with await self._databases.lease(request.database_id) as client:
            question = testing.Question(
                database=_readable(client, body.database_name, body.collection),
                collection=body.collection,
                validator=validator,
                samples=body.samples or bounds.DEFAULT_SAMPLES,
                resume=body.resume,
            )
            with self._places.take(request.database_id):
                async with contextlib.aclosing(testing.test(client, question)) as reports:
                    async for report in reports:
                        yield _tested(report, mode)

    async def ProposeValidation(self, request: pb.ProposeValidationRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Rules that a sample keeps."""
        del context
        body = bodies.read(request.body, pb.ProposeValidationBody)
        async with await self._databases.lease(request.database_id) as client:
            question = analysis.Question(
                database=_readable(client, body.database_name, body.collection),
                collection=body.collection,
                sample_size=body.sample_size or bounds.DEFAULT_SAMPLE,
                timeout_s=bounds.PROPOSAL_S,
            )
            with self._places.take(request.database_id):
                tally = await analysis.whole(client, question)
        wanted = proposal.Wanted(with_bounds=body.with_bounds, no_other_fields=body.no_other_fields)
        response = pb.ProposeValidationResponse(
            validator=ExtendedJson(bson=proposal.propose(tally, wanted)),
            analyzed=tally.documents,
            truncated=tally.truncated,
        )
        return answers.render(response, answers.mode_of(body.ejson))


def _readable(client: MongoClient, database: str, collection: str) -> str:
    """The name of the database, where the caller may read that collection."""
    name = client.database_name(database)
    policy.check_source(name, collection)
    return name


def _rules(found: validation.Rules) -> pb.GetValidationResponse:
    return pb.GetValidationResponse(
        validator=ExtendedJson(bson=found.validator), level=found.level, action=found.action
    )


def _progress(report: analysis.Report) -> pb.AnalyzeSchemaResponse:
    tally = report.tally
    return pb.AnalyzeSchemaResponse(
        analyzed=tally.documents,
        total_estimate=report.total_estimate,
        elapsed_ms=milliseconds(report.elapsed_s),
        done=report.done,
        truncated=tally.truncated,
        fields=[_field(each, parents) for each, parents in tally.fields()] if report.done else (),
    )


def _field(field: Field, parents: int) -> pb.SchemaField:
    values = field.values
    types = sorted(field.types.values(), key=lambda each: (-each.count, each.kind))
    path = ""
    for name in field.path:
        path += ITEMS if name == ITEMS else f".{name}"
    return pb.SchemaField(
        names=[name for name in field.path if name != ITEMS],
        path=path.removeprefix("."),
        items=field.is_items,
        parents=parents,
        count=field.count,
        missing=max(parents - field.count, 0),
        repeated=field.repeated,
        types=[_type(each, values) for each in types],
    )


def _type(tally: TypeTally, values: int) -> pb.SchemaType:
    geo = tally.geo
    return pb.SchemaType(
        type=TYPES[tally.kind],
        count=tally.count,
        share=tally.count / values,
        distinct=len(tally.values),
        distinct_truncated=tally.distinct_truncated,
        values=[
            pb.SchemaValue(value=_text(Value(tally.kind, raw), Mode.RELAXED), count=count)
            for raw, count in tally.most_frequent()
        ],
        range=_range(tally.range),
        lengths=_range(tally.lengths),
        histogram=[pb.SchemaBucket(start=start, count=count) for start, count in tally.histogram()],
        geo=pb.GeoBounds(
            min_longitude=geo.longitudes.min,
            min_latitude=geo.latitudes.min,
            max_longitude=geo.longitudes.max,
            max_latitude=geo.latitudes.max,
            count=geo.longitudes.count,
        )
        if tally.is_geo
        else None,
    )


def _range(found: Range) -> pb.SchemaRange | None:
    return pb.SchemaRange(min=found.min, max=found.max, mean=found.mean) if found.count else None


def _tested(report: testing.Report, mode: Mode) -> pb.TestValidationResponse:
    return pb.TestValidationResponse(
        checked=report.checked,
        failed=report.failed,
        total_estimate=report.total_estimate,
        elapsed_ms=milliseconds(report.elapsed_s),
        done=report.done,
        resume=report.resume,
        samples=[
            pb.InvalidDocument(
                id=_text(each.id, mode),
                document=ejson.dumps(each.document, mode).decode() if each.document else "",
                broken=[
                    pb.BrokenRule(path=rule.path, rule=rule.rule, wanted=_text(rule.wanted, mode))
                    for rule in each.broken
                ],
            )
            for each in report.samples
        ],
    )


def _text(value: Value, mode: Mode) -> str:
    return ejson.dumps_value(value, mode).decode()
