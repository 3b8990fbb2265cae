"""Reads a random sample of a collection and sums up its fields, giving way to others on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from time import perf_counter

from services.mongo_svc import ejson, terms
from services.mongo_svc.aggregation import run
from services.mongo_svc.client import MongoClient
from services.mongo_svc.schema import bounds
from services.mongo_svc.schema.tally import Tally
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What to analyse."""

    database: str
    """Name of the database; empty for the connection's."""
    collection: str
    """The collection or view."""
    filter: bytes = terms.EMPTY
    """BSON: which documents to take the sample from; empty for all."""
    sample_size: int = bounds.DEFAULT_SAMPLE
    """Documents of the sample."""
    timeout_s: float = bounds.DEFAULT_ANALYSIS_S
    """Seconds that it may take."""


@dataclass(slots=True)
class Report:
    """How far it is. The same object each time, which grows on."""

    tally: Tally
    total_estimate: float = UNKNOWN
    """Documents that the collection has; -1 where the server does not tell."""
    elapsed_s: float = 0.0
    done: bool = False


async def analyze(client: MongoClient, question: Question) -> AsyncGenerator[Report, None]:
    """Reports a few times a second; the last report is done.

    Raises:
        StudioError: as `MongoClient.command`; DB_TIMEOUT only where the server gave no document in time.
    """
    began = reported = turn = perf_counter()
    report = Report(Tally(), await estimate(client, question.database, question.collection))
    yield report
    async with contextlib.aclosing(_sample(client, question, began, report.tally)) as documents:
        async for document in documents:
            report.tally.add(document)
            now = perf_counter()
            if now - turn >= bounds.TURN_S:
                await asyncio.sleep(0)
                turn = perf_counter()
            if now - reported >= bounds.EVENT_S:
                reported = now
                report.elapsed_s = now - began
                yield report
    report.elapsed_s = perf_counter() - began
    report.done = True
    yield report


async def whole(client: MongoClient, question: Question) -> Tally:
    """The result alone.

    Raises:
        StudioError: as `analyze`.
    """
    async with contextlib.aclosing(analyze(client, question)) as reports:
        return [report.tally async for report in reports][-1]


async def estimate(client: MongoClient, database: str, collection: str) -> float:
    """Documents of a collection by the server's own count, which reads none; -1 where it does not tell, as of views."""
    question = run.Question(database, collection, (_COUNT,))
    try:
        found = await run.first(
            client, question, limit=100, max_bytes=bounds.MIB, timeout_s=client.deadline_s()
        )
    except StudioError as error:
        if error.reason in _NOT_TOLD:
            return UNKNOWN
        raise
    counts = [each for document in found.documents if (each := _count(document)) is not None]
    return float(sum(counts)) if counts else UNKNOWN


_COUNT = terms.document(**{"$collStats": terms.nested(terms.document(count=terms.nested(terms.EMPTY)))})
_NOT_TOLD = frozenset(
    {
        e.ERROR_REASON_DB_QUERY_ERROR,
        e.ERROR_REASON_DB_PERMISSION_DENIED,
        e.ERROR_REASON_NAMESPACE_NOT_FOUND,
        e.ERROR_REASON_NOT_SUPPORTED,
    }
)


def _count(document: bytes) -> int | None:
    for field in ejson.elements(document):
        if field.name == b"count" and field.kind in (0x10, 0x12):
            return int.from_bytes(field.raw, "little", signed=True)
    return None


async def _sample(
    client: MongoClient, question: Question, began: float, tally: Tally
) -> AsyncGenerator[bytes, None]:
    stages = [
        terms.document(**{"$sample": terms.nested(terms.document(size=terms.int32(question.sample_size)))})
    ]
    if question.filter != terms.EMPTY:  # behind a condition the server can't take a sample by itself
        stages.insert(0, terms.document(**{"$match": terms.nested(question.filter)}))
    pipeline = run.Question(question.database, question.collection, tuple(stages), {"allowDiskUse": True})
    batches = run.stream(
        client,
        pipeline,
        batch=bounds.BATCH_DOCUMENTS,
        left_s=lambda: began + question.timeout_s - perf_counter(),
    )
    try:
        async with contextlib.aclosing(batches):
            async for batch in batches:
                for document in ejson.split(batch):
                    if perf_counter() - began > question.timeout_s:
                        tally.truncated = True
                        return  # what is known by now is the result
                    yield document
    except StudioError as error:
        if (
            error.reason not in (e.ERROR_REASON_DB_TIMEOUT, e.ERROR_REASON_DEADLINE_EXCEEDED)
            or not tally.documents
        ):
            raise
        tally.truncated = True
