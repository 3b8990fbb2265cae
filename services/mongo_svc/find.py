"""Reading documents: they stay raw BSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.cursor import AsyncRawBatchCursor

from services.mongo_svc import ejson, errors, lane, terms
from services.mongo_svc.client import RAW, MongoClient
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.ejson.layout import Kind
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_TIMEOUT

_LENIENT: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)

_MAX_DIRECTION = 2**31 - 1
"""A whole number beyond is no direction, and may be more than BSON has room for."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question for documents. Documents are BSON; empty ones mean nothing."""

    database: str
    """Name of the database; empty for the connection's."""
    collection: str
    """Name of the collection or view."""
    filter: bytes = terms.EMPTY
    """Which documents."""
    projection: bytes = terms.EMPTY
    """Which fields."""
    sort: bytes = terms.EMPTY
    """In which order."""
    skip: int = 0
    """Documents to leave out at the beginning."""
    limit: int = 0
    """Documents at most; 0 for all."""
    collation: bytes = terms.EMPTY
    """How texts compare."""
    hint: Value | None = None
    """The index to use: a text or a document."""
    max_time_s: float | None = None
    """Seconds that the server may work on it; None for the default."""
    comment: str = ""
    """What logs and profiler show."""
    sort_fields: tuple[Element, ...] = field(init=False)
    """The fields of `sort`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sort_fields", tuple(ejson.elements(self.sort)))


@dataclass(frozen=True, slots=True)
class Batch:
    """The first batch of what was found."""

    documents: list[bytes]
    """Its documents."""
    more: bool
    """The server has more of those asked for, and had no room for them in one answer."""


def command(
    client: MongoClient,
    query: Query,
    *,
    filter_: bytes | None = None,
    sort: bytes | None = None,
    projection: bytes | None = None,
    skip: int | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """The command `find` of a question; what is given replaces what the question says.

    https://www.mongodb.com/docs/manual/reference/command/find/
    """
    count = query.limit if count is None else count
    asked: dict[str, Any] = {
        "find": client.collection_name(query.database, query.collection),
        "filter": RawBSONDocument(query.filter if filter_ is None else filter_),
    }
    sort = query.sort if sort is None else sort
    projection = query.projection if projection is None else projection
    skip = query.skip if skip is None else skip
    if sort != terms.EMPTY:
        asked["sort"] = RawBSONDocument(sort)
    if projection != terms.EMPTY:
        asked["projection"] = RawBSONDocument(projection)
    if skip:
        asked["skip"] = skip
    if count:
        # One more, or the server would keep the cursor of a full batch.
        asked |= {"limit": count, "batchSize": count + 1}
    return asked | options(query.collation, query.hint, query.comment)


def options(collation: bytes, hint: Value | None, comment: str) -> dict[str, Any]:
    """The options that many commands share."""
    asked: dict[str, Any] = {}
    if collation != terms.EMPTY:
        asked["collation"] = RawBSONDocument(collation)
    if hint is not None:
        asked["hint"] = plain_hint(hint)
    if comment:
        asked["comment"] = comment
    return asked


def plain_hint(hint: Value) -> str | RawBSONDocument:
    """A hint as the driver takes it."""
    return hint.raw[4:-1].decode() if hint.kind == Kind.STRING else RawBSONDocument(hint.raw)


async def first_batch(client: MongoClient, query: Query, **replaced: Any) -> Batch:  # noqa: ANN401  of `command`
    """The documents of a question, as many as one answer of the server holds; no cursor stays open.

    Args:
        client: the database.
        query: the question, with a limit.
        replaced: see `command`.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    return await batch_of(client, query.database, command(client, query, **replaced), query.max_time_s)


async def batch_of(
    client: MongoClient, database: str, asked: dict[str, Any], timeout_s: float | None
) -> Batch:
    """The first batch of a command that opens a cursor, which is closed.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await read(client, database, asked, timeout_s)
    cursor = {each.name: each for each in ejson.elements(_field(answer, b"cursor").raw)}
    documents = [each.raw for each in ejson.elements(cursor[b"firstBatch"].raw)]
    open_cursor = int.from_bytes(cursor[b"id"].raw, "little", signed=True)
    if open_cursor:
        # On another router than the one that has it this does nothing, and the server closes it in time.
        close = {"killCursors": next(iter(asked.values())), "cursors": [open_cursor]}
        with errors.translated(), pymongo.timeout(client.deadline_s()):
            await client.database(database).command(close, read_preference=client.driver.read_preference)
    return Batch(documents, more=bool(open_cursor))


async def read(client: MongoClient, database: str, asked: dict[str, Any], timeout_s: float | None) -> bytes:
    """The answer to a command that reads, as bytes.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    driver = client.driver
    with errors.translated(), pymongo.timeout(client.deadline_s(timeout_s)):
        if lane.is_open(driver):
            return bytes((await lane.read(driver, client.database_name(database), asked)).raw)
        concern = driver.read_concern.document
        answer = await client.database(database).command(
            {**asked, **({"readConcern": concern} if concern else {})},
            codec_options=RAW,
            read_preference=driver.read_preference,
        )
        return bytes(answer.raw)


async def by_id(client: MongoClient, database: str, collection: str, id_: Value) -> bytes | None:
    """The document of an `_id`, whatever type that has; None where there is none.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    query = Query(database, collection, filter=terms.id_is(id_), limit=1)
    found = (await first_batch(client, query)).documents
    return found[0] if found else None


async def raw_batches(client: MongoClient, query: Query) -> AsyncGenerator[bytes, None]:
    """All documents of a question, as the server's batches of BSON documents one behind the other.

    Close it to close the server's cursor.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    with errors.translated():
        cursor = client.collection(query.database, query.collection).find_raw_batches(
            driver_filter(query.filter),
            looked_into(query.projection) if query.projection != terms.EMPTY else None,
            skip=query.skip,
            limit=query.limit,
            sort=driver_pairs(query.sort, "sort"),
            collation=driver_collation(query.collation),
            hint=driver_hint(query.hint),
            comment=query.comment or None,
            max_time_ms=None if query.max_time_s is None else round(query.max_time_s * 1000),
        )
    try:
        while True:
            with errors.translated():
                batch = await _next(cursor, client.limits.longest_command_s)
            if batch is None:
                return
            yield batch
    finally:
        await cursor.close()


async def _next(cursor: AsyncRawBatchCursor[Any], timeout_s: float) -> bytes | None:
    try:
        async with asyncio.timeout(timeout_s):
            batch = await anext(cursor, None)
    except TimeoutError:
        raise StudioError(
            ERROR_REASON_DB_TIMEOUT, f"The MongoDB server sent nothing for {timeout_s:g} seconds."
        ) from None
    return None if batch is None else bytes(batch)


def driver_filter(filter_: bytes) -> RawBSONDocument:
    """A filter as the driver's `find` takes it."""
    if b"$query" in filter_:
        # The driver would take such a filter for a whole command of its oldest protocol.
        joined = terms.array([terms.nested(filter_)])
        filter_ = ejson.build([Element(joined.kind, b"$and", joined.raw)])
    return looked_into(filter_)


def looked_into(document: bytes) -> RawBSONDocument:
    """A document that the driver looks into before it sends the bytes: dates of any year, texts of any bytes."""
    return RawBSONDocument(document, codec_options=_LENIENT)


def driver_collation(collation: bytes) -> dict[str, Any] | None:
    """A collation as the driver takes it; None for an empty one."""
    return dict(looked_into(collation)) if collation != terms.EMPTY else None


def driver_hint(hint: Value | None) -> str | list[tuple[str, Any]] | None:
    """A hint as the driver's methods take it.

    Raises:
        StudioError: INVALID_ARGUMENT for directions that no index has.
    """
    if hint is None or hint.kind == Kind.STRING:
        return None if hint is None else hint.raw[4:-1].decode()
    return driver_pairs(hint.raw, "hint")


def driver_pairs(document: bytes, what: str) -> list[tuple[str, Any]] | None:
    """Names and directions as the driver takes them: whole numbers, texts, documents.

    Raises:
        StudioError: INVALID_ARGUMENT for anything else.
    """
    pairs = []
    for name, value in looked_into(document).items():
        if isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_DIRECTION:
            value = int(value)  # noqa: PLW2901  the same direction
        if isinstance(value, bool) or not isinstance(value, (int, str, Mapping)):
            raise invalid_argument(what, f"must give 1 or -1 for {name[:64]!r}")
        pairs.append((name, value))
    return pairs or None


def _field(document: bytes, name: bytes) -> Value:
    return next(each.value for each in ejson.elements(document) if each.name == name)
