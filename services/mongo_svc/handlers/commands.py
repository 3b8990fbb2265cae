"""Messages of the contract as options of the server's commands, whose names they share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from google.protobuf.message import Message

from services.mongo_svc import find, policy
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.handlers import fields
from services.runtime.errors import invalid_argument
from studio.mongodb.v1.collection_service_pb2 import CreateCollectionBody, ModifyCollectionBody
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.mongodb.v1.index_service_pb2 import IndexSpec

_NOT_OPTIONS = frozenset({"database_name", "collection", "ejson", "pipeline", "indexes"})
_WHOLE = frozenset({"size", "max", "capped_size", "capped_max"})
"""Numbers of collections that the server wants whole, by their paths."""
_SNAKE = frozenset({"default_language", "language_override"})
"""The names that the server writes so."""
_NEVER = -1


def of_collection(body: CreateCollectionBody | ModifyCollectionBody, database: str) -> dict[str, Any]:
    """The options of `create` and `collMod`, after a look at what in them the server would run.

    Args:
        body: the request.
        database: name of the database, not empty.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    fields.query(body, "validator")
    options = _options(body, "")
    if body.HasField("expire_after_seconds") and body.expire_after_seconds == _NEVER:
        options["expireAfterSeconds"] = "off"
    if body.view_on:
        policy.check_source(database, body.view_on, "view_on")
    if body.HasField("pipeline"):
        options["pipeline"] = _pipeline(fields.pipeline(body), database)
    if "clusteredIndex" in options:
        options["clusteredIndex"] = {"key": {"_id": 1}, "unique": True, **options["clusteredIndex"]}
    return options


def of_index(spec: IndexSpec, place: int) -> dict[str, Any]:
    """A specification for `createIndexes`, perhaps without a name.

    Args:
        spec: the index.
        place: its place in the request, from 0.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    what = f"indexes[{place}]."
    fields.query(spec, "partial_filter_expression", f"{what}partial_filter_expression")
    return _options(spec, what)


def _options(message: Message, path: str) -> dict[str, Any]:
    """What is given of a message, by the server's names."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in _NOT_OPTIONS:
            continue
        name = field.name if field.name in _SNAKE else str(field.json_name)
        found[name] = _value(value, f"{path}{field.name}")
    return found


def _value(value: Any, path: str) -> Any:  # noqa: ANN401  as the field is
    if isinstance(value, ExtendedJson):
        return document(value, path)
    if isinstance(value, Message):
        return _options(value, f"{path}.")
    return whole(value, path) if path in _WHOLE else value


def document(value: ExtendedJson, path: str) -> RawBSONDocument:
    """A document that a user sent, as it is.

    Raises:
        StudioError: INVALID_ARGUMENT where it is none.
    """
    if value.type not in (0, Kind.DOCUMENT):
        raise invalid_argument(path, "must be an object")
    return find.looked_into(value.bson)


def whole(value: float, path: str) -> Int64:
    """A number without a fraction.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if not value.is_integer():
        raise invalid_argument(path, "must be a whole number")
    return Int64(value)


def _pipeline(pipeline: bytes, database: str) -> list[RawBSONDocument]:
    """The stages of a view."""
    checked = policy.check_pipeline(pipeline, "pipeline", read_only=False, database=database)
    if checked.target is not None:
        raise invalid_argument("pipeline", f"of a view can't hold {checked.target.stage}: it would write")
    return _raw(checked.stages)


def _raw(documents: Iterable[bytes]) -> list[RawBSONDocument]:
    return [RawBSONDocument(each) for each in documents]
