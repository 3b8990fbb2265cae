"""The validation rules of a collection: read and changed.

https://www.mongodb.com/docs/manual/core/schema-validation/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, terms
from services.mongo_svc.client import MongoClient, without_none
from services.mongo_svc.ejson.layout import Kind
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

DEFAULT_LEVEL = "strict"
DEFAULT_ACTION = "error"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a collection."""

    validator: bytes = terms.EMPTY
    """BSON: a query that documents must match; empty for no rules."""
    level: str = DEFAULT_LEVEL
    """`off`, `strict` or `moderate`."""
    action: str = DEFAULT_ACTION
    """`error`, `warn` or `errorAndLog`."""


async def get(client: MongoClient, database: str, collection: str) -> Rules:
    """The rules of a collection.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; NOT_SUPPORTED for views and time-series collections; others as
            `MongoClient.command`.
    """
    name = client.collection_name(database, collection)
    answer = await client.raw_command(database, {"listCollections": 1, "filter": {"name": name}})
    found = first_batch(bytes(answer.raw))
    if not found:
        raise StudioError(
            e.ERROR_REASON_NAMESPACE_NOT_FOUND, f"The database has no collection {collection!r}."
        )
    fields = {element.name: element for element in ejson.elements(found[0])}
    kind = _text(fields.get(b"type")) or "collection"
    if kind != "collection":
        raise StudioError(
            e.ERROR_REASON_NOT_SUPPORTED,
            f"{collection!r} is a {kind}: only collections have validation rules.",
        )
    options = fields.get(b"options")
    found_options = {each.name: each for each in ejson.elements(options.raw)} if options is not None else {}
    validator = found_options.get(b"validator")
    return Rules(
        validator.raw if validator is not None and validator.kind == Kind.DOCUMENT else terms.EMPTY,
        _text(found_options.get(b"validationLevel")) or DEFAULT_LEVEL,
        _text(found_options.get(b"validationAction")) or DEFAULT_ACTION,
    )


async def change(
    client: MongoClient, database: str, collection: str, *, validator: bytes | None, level: str, action: str
) -> None:
    """Changes what is given: None and empty texts leave a thing as it is.

    Raises:
        StudioError: INVALID_ARGUMENT where nothing is given; others as `get`.
    """
    if validator is None and not level and not action:
        raise invalid_argument("validator", "must be given (or level, action)")
    await get(client, database, collection)  # servers differ in what they say of a view or of nothing
    command: dict[str, Any] = {
        "collMod": client.collection_name(database, collection),
        **without_none(
            validator=None if validator is None else RawBSONDocument(validator),
            validationLevel=level or None,
            validationAction=action or None,
        ),
    }
    await client.command(database, command)


def first_batch(answer: bytes) -> list[bytes]:
    """The documents in a command's answer that is a cursor."""
    for element in ejson.elements(answer):
        if element.name == b"cursor" and element.kind == Kind.DOCUMENT:
            for each in ejson.elements(element.raw):
                if each.name == b"firstBatch":
                    return [item.raw for item in ejson.elements(each.raw)]
    return []


def _text(element: ejson.Element | None) -> str:
    return element.raw[4:-1].decode("utf-8", "replace") if element and element.kind == Kind.STRING else ""
