"""Inserting documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pymongo
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError

from services.mongo_svc import ejson, errors
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Value
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.writes import failures
from services.mongo_svc.writes.bounds import MAX_FAILURES
from services.mongo_svc.writes.failures import Failure
from services.mongo_svc.writes.where import Where, check_size

_ID = b"_id\0"


@dataclass(frozen=True, slots=True)
class Inserted:
    """What was inserted."""

    ids: list[Value]
    """Their `_id`s."""
    failures: list[Failure]
    """Those that were not, the first of them."""
    failed: int
    """How many were not."""


def with_id(document: bytes) -> tuple[bytes, Value]:
    """A document with an `_id`, and that: its own, or a new ObjectId at the front."""
    if _ID in document:  # somewhere: most documents of an insert have none, and are not walked through
        for each in ejson.elements(document):
            if each.name == b"_id":
                return document, each.value
    new = Value(Kind.OBJECT_ID, ObjectId().binary)
    fields = bytes([new.kind]) + _ID + new.raw + document[4:]
    return (len(fields) + 4).to_bytes(4, "little") + fields, new


async def insert(client: MongoClient, where: Where, documents: Sequence[bytes], *, ordered: bool) -> Inserted:
    """Inserts documents.

    Args:
        client: the database.
        where: into which collection.
        documents: BSON.
        ordered: stop at the first that fails; else try each.

    Raises:
        StudioError: INVALID_ARGUMENT for one that is too large, before anything is done; where ordered what made one
            fail, with `index` and `inserted_count` in the metadata; and as `MongoClient.command`.
    """
    complete = [with_id(each) for each in documents]
    for place, (document, _) in enumerate(complete):
        check_size(document, f"documents[{place}]")
    raw = [RawBSONDocument(document) for document, _ in complete]
    ids = [id_ for _, id_ in complete]
    with errors.translated(), pymongo.timeout(client.deadline_s(where.max_time_s)):
        try:
            await where.on(client).insert_many(
                raw,
                ordered=ordered,
                bypass_document_validation=where.bypass_validation or None,
                comment=where.comment or None,
            )
        except BulkWriteError as error:
            wrong = (error.details or {}).get("writeErrors", [])
            if not wrong:
                raise  # all were inserted, but not by as many servers as the connection asks for
            failed = [failures.of_server(each) for each in wrong]
            if ordered:
                raise _stopped(failed[0]) from None
            missing = {each.index for each in failed}
            kept = [id_ for place, id_ in enumerate(ids) if place not in missing]
            return Inserted(kept, failed[:MAX_FAILURES], len(failed))
    return Inserted(ids, [], 0)


def _stopped(failure: Failure) -> Exception:
    error = failure.error
    error.metadata |= {"index": str(failure.index), "inserted_count": str(failure.index)}
    if failure.index:
        before = (
            f"The {failure.index} before it were inserted"
            if failure.index > 1
            else "The one before it was inserted"
        )
        error.hint = f"{error.hint} {before}.".strip()
    return error
