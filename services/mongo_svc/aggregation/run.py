"""Runs a pipeline: its first documents, or all of them in the batches of the server, never decoded."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Protocol

import pymongo
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, errors
from services.mongo_svc.aggregation.bounds import STREAM_BATCH_S
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson.layout import Kind

_LEAST_S = 0.001
"""Seconds of a deadline that has passed: the driver takes none for an error of its user."""


@dataclass(frozen=True, slots=True)
class Question:
    """A pipeline to run, which `policy` has let through."""

    database: str
    """Name of the database; empty for the connection's."""
    collection: str
    """The collection or view; empty for a pipeline of the database itself."""
    stages: tuple[bytes, ...]
    """The stages, a document each."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the command by their names: `hint`, `let`, `collation`, `allowDiskUse`, `comment`."""


@dataclass(frozen=True, slots=True)
class Result:
    """The first documents that a pipeline gave."""

    documents: list[bytes]
    """They are BSON."""
    truncated: bool
    """There are more."""
    elapsed_s: float
    """Seconds until they were there."""


class Cursor(Protocol):
    """What both kinds of PyMongo's cursors have."""

    async def next(self) -> Any:  # noqa: ANN401  a batch or a document
        """The next one."""

    async def close(self) -> None:
        """Tells the server that no more is wanted."""


async def first(
    client: MongoClient, question: Question, *, limit: int, max_bytes: int, timeout_s: float
) -> Result:
    """The first documents.

    Args:
        client: the database.
        question: what to run.
        limit: documents at most.
        max_bytes: bytes of documents after which no more are taken; the first is always in it.
        timeout_s: seconds for all of it.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    began = perf_counter()
    documents: list[bytes] = []
    size = 0
    with errors.translated(), pymongo.timeout(timeout_s):
        async with _opened(client, question, batch=limit + 1) as cursor:
            while (batch := await _next(cursor)) is not None:
                for document in ejson.split(batch):
                    size += len(document)
                    if len(documents) == limit or (documents and size > max_bytes):
                        return Result(documents, truncated=True, elapsed_s=perf_counter() - began)
                    documents.append(document)
    return Result(documents, truncated=False, elapsed_s=perf_counter() - began)


async def stream(
    client: MongoClient,
    question: Question,
    *,
    limit: int = 0,
    batch: int | None = None,
    left_s: Callable[[], float] = lambda: STREAM_BATCH_S,
) -> AsyncGenerator[bytes, None]:
    """All documents, one behind the other, in the batches of the server.

    The next batch is asked for once the one before was taken, so a slow reader makes the server wait.

    Args:
        client: the database.
        question: what to run.
        limit: documents at most; 0 for all.
        batch: documents that the server sends at a time; None for as many as it likes.
        left_s: seconds that the server may work on the next batch.

    Raises:
        StudioError: as `MongoClient.command`; also after batches were given.
    """
    if limit:
        question = replace(question, stages=(*question.stages, limit_stage(limit)))
    # A deadline holds for one batch: it must not be set while others run, between two.
    with errors.translated(), pymongo.timeout(_positive(left_s())):
        cursor = await _open(client, question, batch=batch)
    try:
        while True:
            with errors.translated(), pymongo.timeout(_positive(left_s())):
                documents = await _next(cursor)
            if documents is None:
                return
            if documents:  # the server may have had nothing yet
                yield documents
    finally:
        await cursor.close()


def limit_stage(documents: int) -> bytes:
    """A stage that lets so many documents through."""
    return ejson.build([(Kind.INT64, b"$limit", documents.to_bytes(8, "little"))])


def _positive(seconds: float) -> float:
    return max(seconds, _LEAST_S)


@contextlib.asynccontextmanager
async def _opened(client: MongoClient, question: Question, *, batch: int) -> AsyncGenerator[Cursor, None]:
    cursor = await _open(client, question, batch=batch)
    try:
        yield cursor
    finally:
        await cursor.close()


async def _open(client: MongoClient, question: Question, *, batch: int | None) -> Cursor:
    pipeline = [RawBSONDocument(stage) for stage in question.stages]
    options = dict(question.options) if batch is None else {"batchSize": batch, **question.options}
    if not question.collection:
        return await client.database(question.database).aggregate(pipeline, **options)
    collection = client.collection(question.database, question.collection)
    return await collection.aggregate_raw_batches(pipeline, **options)


async def _next(cursor: Cursor) -> bytes | None:
    """The next batch, which may be empty; None at the end."""
    try:
        found = await cursor.next()
    except StopAsyncIteration:
        return None
    return bytes(found.raw if isinstance(found, RawBSONDocument) else found)
