"""What each stage of a pipeline gives, on a bounded part of the collection.

Each stage is shown by running the pipeline up to it. The bound on documents comes behind the stages that find them by
an index (`$match` at the beginning, `$geoNear`, `$search`), since before them it would hide what they look for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.mongo_svc.aggregation import run
from services.mongo_svc.aggregation.bounds import PREVIEW_AT_ONCE, PREVIEW_BYTES, PREVIEW_RESERVE_S
from services.mongo_svc.client import MongoClient
from services.mongo_svc.policy import Pipeline
from services.runtime import context as call
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

FINDERS = frozenset(
    {"$geoNear", "$match", "$rankFusion", "$scoreFusion", "$search", "$searchMeta", "$vectorSearch"}
)
"""At the beginning of a pipeline they find documents by an index; all but `$match` can stand nowhere else."""
SOURCES = frozenset(
    {
        "$collStats",
        "$currentOp",
        "$documents",
        "$indexStats",
        "$listClusterCatalog",
        "$listLocalSessions",
        "$listSampledQueries",
        "$listSearchIndexes",
        "$listSessions",
        "$planCacheStats",
        "$querySettings",
        "$queryStats",
        "$searchMeta",
        "$shardedDataDistribution",
    }
)
"""They make their output themselves: there is no input to show or to bound."""

OF_THE_STAGE = frozenset(
    {
        e.ERROR_REASON_DB_QUERY_ERROR,
        e.ERROR_REASON_DB_TIMEOUT,
        e.ERROR_REASON_DEADLINE_EXCEEDED,
        e.ERROR_REASON_DB_PERMISSION_DENIED,
        e.ERROR_REASON_INVALID_ARGUMENT,
        e.ERROR_REASON_NAMESPACE_NOT_FOUND,
        e.ERROR_REASON_NOT_SUPPORTED,
    }
)
"""Failures that belong to a stage; others are of the connection, and fail the call."""
_OUT_OF_TIME = frozenset({e.ERROR_REASON_DB_TIMEOUT, e.ERROR_REASON_DEADLINE_EXCEEDED})
"""Failures of the input that say nothing of the stages: of a view, an index may serve those alone."""
WRITES = "It writes: a preview does not."
BEHIND_A_FAILURE = "A stage before it failed."


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much to show."""

    documents: int
    """Documents of each stage."""
    sample_size: int
    """Documents that are let into the pipeline."""
    timeout_s: float
    """Seconds for each stage."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a stage gives."""

    index: int
    """Its place; -1 for the input."""
    name: str
    """Its name; empty for the input."""
    sampled: bool
    """The bound on documents is before it, or behind it as its last act."""
    result: run.Result | None = None
    """Its first documents; None where it was not run or failed."""
    error: StudioError | None = None
    """Why it failed."""
    skipped: str = ""
    """Why it was not run."""


async def preview(
    client: MongoClient, question: run.Question, pipeline: Pipeline, wanted: Wanted
) -> list[Shown]:
    """The input, then each stage in order.

    Args:
        client: the database.
        question: where and with which options; its stages are those of `pipeline`.
        pipeline: the stages, which `policy` has let through.
        wanted: how much to show.

    Raises:
        StudioError: when it can't be run at all: the database can't be reached, or its collection not read.
    """
    return await _Preview(client, question, pipeline, wanted).show()


class _Preview:
    """One preview under way."""

    def __init__(
        self, client: MongoClient, question: run.Question, pipeline: Pipeline, wanted: Wanted
    ) -> None:
        self._client = client
        self._question = question
        self._pipeline = pipeline
        self._wanted = wanted
        self._bound_at = bound_at(pipeline.names)
        self._places = asyncio.Semaphore(PREVIEW_AT_ONCE)
        self._failed_at = len(pipeline.names)

    async def show(self) -> list[Shown]:
        names = self._pipeline.names
        has_input = bool(self._question.collection) and not (names and names[0] in SOURCES)
        indexes = range(-1 if has_input else 0, len(names))
        share = PREVIEW_BYTES // max(1, len(indexes))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._stage(index, share)) for index in indexes]
        except* StudioError as failures:
            raise _first(failures) from None
        # What ran beside a stage that failed shows nothing of use.
        return [self._settled(task.result()) for task in tasks]

    def _settled(self, shown: Shown) -> Shown:
        if shown.index <= self._failed_at or shown.skipped == WRITES:
            return shown
        return replace(shown, result=None, error=None, skipped=BEHIND_A_FAILURE)

    async def _stage(self, index: int, max_bytes: int) -> Shown:
        name = self._pipeline.names[index] if index >= 0 else ""
        shown = Shown(index, name, sampled=self._bound_at is not None and index >= self._bound_at)
        if self._pipeline.writes and index == len(self._pipeline.names) - 1:
            return replace(shown, skipped=WRITES)
        async with self._places:
            if self._failed_at < index:
                return replace(shown, skipped=BEHIND_A_FAILURE)
            try:
                return replace(shown, result=await self._run(index, max_bytes))
            except StudioError as error:
                if error.reason not in (OF_THE_STAGE if index >= 0 else _OUT_OF_TIME):
                    raise
                if index >= 0:
                    self._failed_at = min(self._failed_at, index)
                return replace(shown, error=error)

    async def _run(self, index: int, max_bytes: int) -> run.Result:
        timeout_s = call.remaining_s(self._wanted.timeout_s + PREVIEW_RESERVE_S) - PREVIEW_RESERVE_S
        if timeout_s <= 0:
            raise StudioError(e.ERROR_REASON_DB_TIMEOUT, "The stages before it left no time to run it.")
        stages = list(self._pipeline.stages[: index + 1])
        if self._bound_at is not None and index >= self._bound_at:
            stages.insert(self._bound_at, run.limit_stage(self._wanted.sample_size))
        stages.append(run.limit_stage(self._wanted.documents + 1))
        question = replace(self._question, stages=tuple(stages))
        return await run.first(
            self._client, question, limit=self._wanted.documents, max_bytes=max_bytes, timeout_s=timeout_s
        )


def bound_at(names: Sequence[str]) -> int | None:
    """Before which stage the bound on documents goes; None where there is nothing to bound."""
    if names and names[0] in SOURCES:
        return None
    return next((at for at, name in enumerate(names) if name not in FINDERS), None)


def _first(failures: BaseExceptionGroup[StudioError]) -> BaseException:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
