"""A change stream: opened by the driver, which also takes it up again where a connection is lost or a primary changes.

https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import bson
from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.change_stream import AsyncChangeStream

from services.mongo_svc import policy, stages
from services.mongo_svc.client import MongoClient, Raw
from services.mongo_svc.live.bounds import Bounds
from services.mongo_svc.live.problems import translated
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

INVALIDATE = "invalidate"


@dataclass(frozen=True, slots=True)
class Query:
    """Which changes."""

    database: str = ""
    """Name of the database; empty for the connection's."""
    collection: str = ""
    """Name of the collection; empty for all of the database."""
    all_databases: bool = False
    pipeline: Sequence[bytes] = ()
    """The stages, a BSON document each; checked."""
    full_document: str = ""
    full_document_before_change: str = ""
    resume: bytes = b""
    """Resume token; empty for none."""
    start_at: Timestamp | None = None
    show_expanded_events: bool = False
    collation: bytes = b""
    comment: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """As the driver takes them."""
        options = {
            "full_document": None if self.full_document in ("", "default") else self.full_document,
            "full_document_before_change": self.full_document_before_change or None,
            # Unlike `resumeAfter` it also goes on behind an `invalidate`, by beginning anew there.
            "start_after": RawBSONDocument(self.resume) if self.resume else None,
            "start_at_operation_time": self.start_at,
            "show_expanded_events": self.show_expanded_events or None,
            "collation": bson.decode(self.collation) if self.collation else None,
            "comment": self.comment or None,
        }
        return {name: value for name, value in options.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a stream."""

    event: bytes
    """BSON, as the server sends it; empty for a heartbeat."""
    token: bytes
    """BSON: what goes on behind it; empty while the server has told none."""


def check(query: Query, pipeline: bytes, database: str) -> Sequence[bytes]:
    """Refuses what the caller may not watch; returns the stages of the pipeline.

    Args:
        query: what to watch.
        pipeline: a BSON array.
        database: the database that is meant.

    Raises:
        StudioError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    if not query.all_databases:
        policy.check_source(database, query.collection)
    return policy.check_pipeline(
        pipeline, "pipeline", read_only=True, database=database, only=stages.OF_CHANGE_STREAMS
    ).stages


async def watch(
    client: MongoClient, query: Query, bounds: Bounds, check_alive: Callable[[], Awaitable[None]]
) -> AsyncGenerator[Turn, None]:
    """The changes, until the stream is invalidated. The first turn is a heartbeat: from there on nothing is missed.

    The server is only asked for more when what it gave was taken, so a slow reader holds up nobody and loses nothing.

    Args:
        client: of the streams of this database.
        query: what to watch; its pipeline was checked.
        bounds: how often what happens.
        check_alive: raises when the stream must end.

    Raises:
        StudioError: CHANGES_LOST, INVALID_CURSOR, NOT_SUPPORTED; what `check_alive` raises; as `MongoClient.command`.
    """
    clock = asyncio.get_running_loop().time
    resuming = bool(query.resume)
    with translated(resuming=resuming):
        async with _given_up(client.limits.connect_timeout_s + bounds.answer_s):
            stream = await _open(client, query, bounds)
    try:
        yield Turn(b"", _token(stream))
        said_at = check_at = clock()
        while stream.alive:
            if clock() >= check_at:
                await check_alive()
                check_at = clock() + bounds.wait_s
            with translated(resuming=resuming):
                async with _given_up(bounds.wait_s + bounds.answer_s):
                    event = await stream.try_next()
            if event is not None:
                yield Turn(bytes(event.raw), _token(stream))
                said_at = clock()
            elif clock() >= said_at + bounds.heartbeat_s:
                yield Turn(b"", _token(stream))
                said_at = clock()
    finally:
        await stream.close()


async def _open(client: MongoClient, query: Query, bounds: Bounds) -> AsyncChangeStream[Raw]:
    options: dict[str, Any] = {
        **query.options,
        "batch_size": bounds.batch_events,
        "max_await_time_ms": round(bounds.wait_s * 1000),
    }
    pipeline = [RawBSONDocument(each) for each in query.pipeline]
    if query.all_databases:
        return await client.driver.watch(pipeline, **options)
    if not query.collection:
        return await client.database(query.database).watch(pipeline, **options)
    return await client.collection(query.database, query.collection).watch(pipeline, **options)


@contextlib.asynccontextmanager
async def _given_up(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StudioError(
            e.ERROR_REASON_DB_TIMEOUT, f"The MongoDB server has not answered for {seconds:g} s."
        ) from None


def _token(stream: AsyncChangeStream[Raw]) -> bytes:
    token = stream.resume_token
    if token is None:
        return b""
    return bytes(token.raw) if isinstance(token, RawBSONDocument) else bson.encode(token)
