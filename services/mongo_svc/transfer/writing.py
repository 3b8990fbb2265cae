"""Rows into a collection, in batches, some of them at a time; what becomes of each row."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo import ReplaceOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from services.mongo_svc import ejson, errors
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.transfer.bounds import Bounds
from services.mongo_svc.transfer.reading import Row
from services.runtime.errors import StudioError, reason_name
from studio.options.v1 import errors_pb2 as e

_DOCUMENT = 0x03
_ID = b"_id"
Operation = RawBSONDocument | ReplaceOne[RawBSONDocument] | UpdateOne


class Failure(NamedTuple):
    """A row that could not be imported."""

    row: int
    """Its number."""
    line: int
    """Where it begins."""
    code: str
    """A reason's name."""
    message: str
    """Why."""
    content: bytes = b""
    """Its bytes in the file, where they are wanted."""


@dataclass(slots=True)
class Counts:
    """What became of rows."""

    inserted: int = 0
    """Inserted."""
    updated: int = 0
    """Replaced, or merged into."""
    unmatched: int = 0
    """Left out, since no document has their key."""
    failed: int = 0
    """Failed."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go, and how."""

    collection: AsyncCollection[RawBSONDocument]
    """The collection."""
    mode: str = "insert"
    """`insert`, `upsert`, `replace` or `merge`."""
    key: Sequence[str] = ("_id",)
    """The fields that tell which document a row is about."""
    stop_on_error: bool = False
    """End at the first row that fails."""
    bypass_validation: bool = False
    """Write what the collection's rules refuse."""

    def operation(self, document: bytes) -> Operation:
        """What is asked of the server for a document.

        Raises:
            StudioError: INVALID_ARGUMENT where it lacks a field of the key.
        """
        if self.mode == "insert":
            return RawBSONDocument(document)
        query = RawBSONDocument(self._query(document))
        if self.mode == "merge":
            return UpdateOne(query, RawBSONDocument(self._changes(document)), upsert=True)
        first = next(ejson.elements(document), None)
        if first is not None and first.name.startswith(b"$"):
            raise StudioError(
                e.ERROR_REASON_INVALID_ARGUMENT,
                "A document whose first field begins with `$` can't replace another.",
            )
        return ReplaceOne(query, RawBSONDocument(document), upsert=self.mode == "upsert")

    def _query(self, document: bytes) -> bytes:
        return ejson.build(
            (_DOCUMENT, path.encode(), ejson.build([(value.kind, b"$eq", value.raw)]))
            for path, value in ((path, _at(document, path)) for path in self.key)
        )

    def _changes(self, document: bytes) -> bytes:
        set_: list[Element] = []
        kept: list[Element] = []
        for element in ejson.elements(document):
            if b"." in element.name or element.name.startswith(b"$"):
                raise StudioError(
                    e.ERROR_REASON_INVALID_ARGUMENT,
                    "A field whose name holds a dot or begins with `$` can't be merged.",
                )
            # The query sets the fields of the key where a document is inserted; no `_id` can be changed.
            if element.name.decode("utf-8", "replace") in self.key:
                continue
            (kept if element.name == _ID else set_).append(element)
        changes = [(_DOCUMENT, b"$set", ejson.build(set_))]
        if kept:
            changes.append((_DOCUMENT, b"$setOnInsert", ejson.build(kept)))
        return ejson.build(changes)


@dataclass(slots=True)
class Batch:
    """Rows that are written together."""

    rows: list[Row] = field(default_factory=list)
    """The rows."""
    operations: list[Operation] = field(default_factory=list)
    """What is asked for each."""
    size: int = 0
    """Bytes of their documents."""

    @property
    def first(self) -> int:
        """The number of the first row."""
        return self.rows[0].number


class Writer:
    """Writes batches, some at a time.

    Args:
        target: where to.
        bounds: how many at a time.
    """

    def __init__(self, target: Target, bounds: Bounds) -> None:
        self.counts = Counts()
        self.stopped: Failure | None = None
        """The first row that failed, where that ends the work."""
        self._target = target
        self._bounds = bounds
        # A later row with the same key has to win, and stopping at a row means that none behind it is written.
        in_order = target.stop_on_error or target.mode != "insert"
        self._at_most = 1 if in_order else bounds.writes
        self._batch = Batch()
        self._running: dict[asyncio.Task[None], int] = {}
        self._failures: list[Failure] = []
        self._kept = 0
        self._room = bounds.failed_row_bytes

    def unfinished(self) -> int | None:
        """The number of the first row whose fate isn't known yet."""
        firsts = list(self._running.values())
        if self._batch.rows:
            firsts.append(self._batch.first)
        return min(firsts, default=None)

    def take_failures(self) -> list[Failure]:
        """Those since the last time."""
        taken, self._failures = self._failures, []
        return taken

    async def add(self, row: Row) -> None:
        """Takes a row; waits while as many batches as may be are being written.

        Raises:
            StudioError: a batch could not be written at all.
        """
        document = row.document
        operation: Operation | None = None
        if isinstance(document, bytes):
            try:
                operation = self._target.operation(document)
            except StudioError as error:
                document = error
        if isinstance(document, StudioError) or operation is None:
            if self._target.stop_on_error:
                await self.flush()  # what comes before it may fail, too
            if self.stopped is None and isinstance(document, StudioError):
                self._fail(row, document.reason, document.message)
            return
        batch = self._batch
        if batch.rows and batch.size + len(document) > self._bounds.batch_bytes:
            await self._submit()
            batch = self._batch
        batch.rows.append(row._replace(document=b""))
        batch.operations.append(operation)
        batch.size += len(document)
        if len(batch.rows) >= self._bounds.batch_rows:
            await self._submit()

    async def flush(self) -> None:
        """Writes what is left, and waits for all.

        Raises:
            StudioError: a batch could not be written at all.
        """
        if self._batch.rows:
            await self._submit()
        while self._running:
            await self._wait()

    async def aclose(self) -> None:
        """Gives up what is being written."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _submit(self) -> None:
        while len(self._running) >= self._at_most:
            await self._wait()
        batch, self._batch = self._batch, Batch()
        if self.stopped is None:
            self._running[asyncio.create_task(self._write(batch))] = batch.first

    async def _wait(self) -> None:
        done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a batch that failed stays unfinished: it comes again
            del self._running[task]

    async def _write(self, batch: Batch) -> None:
        ordered = self._target.stop_on_error
        bypass = self._target.bypass_validation
        collection = self._target.collection
        inserting = self._target.mode == "insert"
        failed: Sequence[Mapping[str, Any]] = ()
        with errors.translated(), pymongo.timeout(self._bounds.write_timeout_s):
            try:
                if inserting:
                    documents: list[Any] = batch.operations
                    await collection.insert_many(documents, ordered, bypass_document_validation=bypass)
                    found: Mapping[str, Any] = {"nInserted": len(documents)}
                else:
                    requests: list[Any] = batch.operations
                    written = await collection.bulk_write(
                        requests, ordered, bypass_document_validation=bypass
                    )
                    found = written.bulk_api_result
            except BulkWriteError as error:
                found = error.details or {}
                failed = found.get("writeErrors", ())
                if not failed:
                    raise
        self._count(batch, found, failed)

    def _count(self, batch: Batch, found: Mapping[str, Any], failed: Sequence[Mapping[str, Any]]) -> None:
        inserted = found.get("nInserted", 0) + found.get("nUpserted", 0)
        matched = found.get("nMatched", 0)
        self.counts.inserted += inserted
        self.counts.updated += matched
        tried = len(batch.rows)
        if failed and self._target.stop_on_error:
            tried = failed[0]["index"] + 1
        if self._target.mode == "replace":
            self.counts.unmatched += tried - inserted - matched - len(failed)
        for each in failed:
            error = errors.of_code(each.get("code", 0), "", each)
            self._fail(batch.rows[each["index"]], error.reason, error.message)

    def _fail(self, row: Row, reason: e.ErrorReason.ValueType, message: str) -> None:
        self.counts.failed += 1
        failure = Failure(row.number, row.line, reason_name(reason), message)
        if self._kept < self._bounds.failures and len(row.content) <= self._room:
            self._room -= len(row.content)
            failure = failure._replace(content=row.content)
        if self._target.stop_on_error and self.stopped is None:
            self.stopped = failure
        if self._kept < self._bounds.failures:
            self._kept += 1
            self._failures.append(failure)


def _at(document: bytes, path: str) -> Value:
    """The value of a field of the key.

    Raises:
        StudioError: INVALID_ARGUMENT where there is none.
    """
    value: Value | None = Value(_DOCUMENT, document)
    for name in path.encode().split(b"."):
        if value is None or value.kind != _DOCUMENT:
            value = None
            break
        value = next((each.value for each in ejson.elements(value.raw) if each.name == name), None)
    if value is None:
        raise StudioError(
            e.ERROR_REASON_INVALID_ARGUMENT, f"The row has no field {path[:64]!r}, which is of the key."
        )
    return value
