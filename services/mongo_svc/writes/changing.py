"""Replacing, updating and deleting documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import bson
import pymongo
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Value
from services.mongo_svc.writes.where import Where, check_size, encoded
from services.runtime.errors import invalid_argument

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.results import UpdateResult

    from services.mongo_svc.client import MongoClient


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did."""

    matched: float = 0
    """Documents that matched."""
    modified: float = 0
    """Documents that are not what they were."""
    upserted: Value | None = None
    """The `_id` of the document that was inserted."""


@dataclass(frozen=True, slots=True)
class Update:
    """What becomes of documents."""

    operators: bytes = b""
    """Update operators; empty for a pipeline."""
    pipeline: tuple[bytes, ...] = ()
    """The stages."""
    array_filters: tuple[bytes, ...] = ()
    """Conditions for `$[name]`."""
    many: bool = False
    """All that match, instead of the first."""
    upsert: bool = False
    """Insert where none matches."""
    options: dict[str, Any] = field(init=False)
    """As the driver takes them."""

    def __post_init__(self) -> None:
        filters = [RawBSONDocument(each) for each in self.array_filters]
        given = {"upsert": self.upsert, **({"array_filters": filters} if filters else {})}
        object.__setattr__(self, "options", given)

    @property
    def for_driver(self) -> RawBSONDocument | Sequence[RawBSONDocument]:
        """The change as the driver takes it."""
        if self.pipeline:
            return [RawBSONDocument(each) for each in self.pipeline]
        return RawBSONDocument(self.operators)


def check_operators(update: bytes, what: str = "update") -> None:
    """Refuses what is no update by operators, and would replace documents.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    first = next(ejson.elements(update), None)
    if first is None or not first.name.startswith(b"$"):
        raise invalid_argument(what, "must hold update operators such as $set; PUT replaces a document")


async def update(
    client: MongoClient, where: Where, change: Update, *, session: AsyncClientSession | None = None
) -> Changed:
    """Updates what matches, or the first of it.

    Raises:
        PyMongoError: call it inside `errors.translated`.
    """
    collection = where.on(client)
    run = collection.update_many if change.many else collection.update_one
    with pymongo.timeout(client.deadline_s(where.max_time_s)):
        result = await run(
            RawBSONDocument(where.filter),
            change.for_driver,
            session=session,
            **change.options,
            **where.update_options(),
        )
    return _changed(result)


async def replace(
    client: MongoClient,
    where: Where,
    document: bytes,
    *,
    upsert: bool = False,
    session: AsyncClientSession | None = None,
) -> Changed:
    """Replaces the first that matches, all but its `_id`.

    Raises:
        StudioError: INVALID_ARGUMENT for a document that is too large.
        PyMongoError: call it inside `errors.translated`.
    """
    check_size(document, "document")
    # Without its `_id`, the stored one stays as it is: the server finds 5 where 5.0 is asked for.
    fields = [each for each in ejson.elements(document) if each.name != b"_id"]
    if any(each.name.startswith(b"$") for each in fields):
        # A replacement may not have such names, a document may: https://www.mongodb.com/docs/manual/core/dot-dollar-considerations/
        literal = RawBSONDocument(ejson.build(fields))
        stage = RawBSONDocument(bson.encode({"$replaceWith": {"$literal": literal}}))
        change = Update(pipeline=(bytes(stage.raw),), upsert=upsert)
        return await update(client, where, change, session=session)
    with pymongo.timeout(client.deadline_s(where.max_time_s)):
        result = await where.on(client).replace_one(
            RawBSONDocument(where.filter),
            RawBSONDocument(ejson.build(fields)),
            upsert=upsert,
            session=session,
            **where.update_options(),
        )
    return _changed(result)


async def delete(
    client: MongoClient, where: Where, *, many: bool, session: AsyncClientSession | None = None
) -> float:
    """Deletes what matches, or the first of it; how many.

    Raises:
        PyMongoError: call it inside `errors.translated`.
    """
    collection = where.on(client)
    run = collection.delete_many if many else collection.delete_one
    with pymongo.timeout(client.deadline_s(where.max_time_s)):
        result = await run(RawBSONDocument(where.filter), session=session, **where.options())
    return float(result.deleted_count)


def _changed(result: UpdateResult) -> Changed:
    upserted = encoded(result.upserted_id) if result.did_upsert else None
    return Changed(float(result.matched_count), float(result.modified_count), upserted)
