"""Writes of all kinds, one after the other, each with its own result.

The server's own bulks say of a group of updates only how many documents they matched together. Inserts next to each
other go as one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.mongo_svc import errors
from services.mongo_svc.ejson import Value
from services.mongo_svc.writes import changing, inserting
from services.mongo_svc.writes.changing import Update
from services.mongo_svc.writes.where import Where
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    from services.mongo_svc.client import MongoClient

_OF_THE_WRITE = frozenset(
    {
        e.ERROR_REASON_INVALID_ARGUMENT,
        e.ERROR_REASON_DUPLICATE_KEY,
        e.ERROR_REASON_DOCUMENT_INVALID,
        e.ERROR_REASON_DB_QUERY_ERROR,
        e.ERROR_REASON_CONFLICT,
        e.ERROR_REASON_NOT_SUPPORTED,
        e.ERROR_REASON_NAMESPACE_NOT_FOUND,
    }
)
"""What one write can be refused for while the next may be done. Anything else ends the bulk."""


@dataclass(frozen=True, slots=True)
class Insert:
    """Inserts a document."""

    document: bytes
    """The document."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Replaces the first document that matches."""

    where: Where
    """Which one."""
    document: bytes
    """What it shall be."""
    upsert: bool
    """Insert it where none matches."""


@dataclass(frozen=True, slots=True)
class Change:
    """Updates documents."""

    where: Where
    """Which ones."""
    update: Update
    """What becomes of them."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes documents."""

    where: Where
    """Which ones."""
    many: bool
    """All that match, instead of the first."""


Operation = Insert | Replace | Change | Delete


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation did."""

    index: int
    """Its place, from 0."""
    matched: float = 0
    """Documents that matched."""
    modified: float = 0
    """Documents that were changed."""
    deleted: float = 0
    """Documents that were deleted."""
    inserted: Value | None = None
    """The `_id` of the document that was inserted."""
    error: StudioError | None = None
    """Why it failed."""


async def run(
    client: MongoClient, where: Where, operations: Sequence[Operation], *, ordered: bool
) -> list[Result]:
    """Runs the operations.

    Args:
        client: the database.
        where: into which collection inserts go, and how.
        operations: in their order.
        ordered: stop at the first that fails.

    Returns:
        The results of those that ran, in their order.

    Raises:
        StudioError: for what is about no single write, such as a lost connection; `completed_count` in the metadata
            says how many were done before.
    """
    results: list[Result] = []
    place = 0
    while place < len(operations):
        together = _inserts_from(operations, place)
        try:
            if together:
                done = await _insert(client, where, together, place, ordered=ordered)
            else:
                done = [await _one(client, operations[place], place)]
        except StudioError as error:
            error.metadata |= {"completed_count": str(len(results))}
            raise
        results += done
        place += len(together) or 1
        if ordered and any(each.error for each in done):
            break
    return results


def _inserts_from(operations: Sequence[Operation], place: int) -> list[bytes]:
    documents = []
    for each in operations[place:]:
        if not isinstance(each, Insert):
            break
        documents.append(each.document)
    return documents


async def _insert(
    client: MongoClient, where: Where, documents: Sequence[bytes], place: int, *, ordered: bool
) -> list[Result]:
    complete = [inserting.with_id(each) for each in documents]
    ids = [id_ for _, id_ in complete]
    try:
        done = await inserting.insert(client, where, [each for each, _ in complete], ordered=ordered)
    except StudioError as error:
        if "index" not in error.metadata:
            raise
        count = int(error.metadata["index"])
        before = [Result(place + index, inserted=id_) for index, id_ in enumerate(ids[:count])]
        return [*before, Result(place + count, error=error)]
    failed = {each.index: each.error for each in done.failures}
    return [
        Result(place + index, inserted=None if index in failed else id_, error=failed.get(index))
        for index, id_ in enumerate(ids)
    ]


async def _one(client: MongoClient, operation: Operation, index: int) -> Result:
    try:
        with errors.translated():
            if isinstance(operation, Delete):
                deleted = await changing.delete(client, operation.where, many=operation.many)
                return Result(index, deleted=deleted)
            changed = await _changed(client, operation)
    except StudioError as error:
        if error.reason not in _OF_THE_WRITE:
            raise
        return Result(index, error=error)
    return Result(index, changed.matched, changed.modified, inserted=changed.upserted)


async def _changed(client: MongoClient, operation: Operation) -> changing.Changed:
    if isinstance(operation, Replace):
        return await changing.replace(client, operation.where, operation.document, upsert=operation.upsert)
    if isinstance(operation, Change):
        return await changing.update(client, operation.where, operation.update)
    raise AssertionError(operation)


def at(where: Where, filter_: bytes, collation: bytes, hint: Value | None) -> Where:
    """The documents of one operation."""
    return dataclasses.replace(where, filter=filter_, collation=collation, hint=hint)
