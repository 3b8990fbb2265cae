"""From the fields of requests to what the engine's modules take, and back."""

from __future__ import annotations

from typing import Any, Protocol

from bson.raw_bson import RawBSONDocument
from google.protobuf.message import Message

from services.mongo_svc import ejson, find, policy, terms
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Value
from services.mongo_svc.ejson.layout import Kind
from services.runtime.errors import StudioError, invalid_argument
from studio.mongodb.v1 import document_reads_pb2 as reads_pb
from studio.mongodb.v1.common_pb2 import ExtendedJson


class NamesCollection(Protocol):
    """A message with the names of a database and a collection."""

    @property
    def database_name(self) -> str:
        """The database; empty for the connection's."""

    @property
    def collection(self) -> str:
        """The collection."""


def value(message: Message, name: str) -> Value | None:
    """A value of any type; None where it was not given."""
    if not message.HasField(name):
        return None
    given: ExtendedJson = getattr(message, name)
    return Value(given.type or Kind.DOCUMENT, given.bson)


def optional_document(message: Message, name: str, what: str | None = None) -> bytes | None:
    """A document; None where it was not given, or null.

    Raises:
        StudioError: INVALID_ARGUMENT where it is something else.
    """
    given = value(message, name)
    if given is None or given.kind == Kind.NULL:
        return None
    if given.kind != Kind.DOCUMENT:
        raise invalid_argument(what or name, "must be an object")
    return given.raw


def document(message: Message, name: str, what: str | None = None) -> bytes:
    """A document; an empty one where it was not given, or null.

    Raises:
        StudioError: as `optional_document`.
    """
    given = optional_document(message, name, what)
    return terms.EMPTY if given is None else given


def optional_query(message: Message, name: str, what: str | None = None) -> bytes | None:
    """A document that the server evaluates: a validator, variables; None where it was not given, or null.

    Raises:
        StudioError: INVALID_ARGUMENT; PERMISSION_DENIED for what runs code on the server.
    """
    given = optional_document(message, name, what)
    if given is not None:
        policy.check(given, what or name)
    return given


def query(message: Message, name: str, what: str | None = None) -> bytes:
    """The same of a filter or a projection: an empty one where it was not given, or null.

    Raises:
        StudioError: as `optional_query`.
    """
    given = optional_query(message, name, what)
    return terms.EMPTY if given is None else given


def pipeline(message: Message, name: str = "pipeline") -> bytes:
    """A pipeline as a BSON array, which `policy.check_pipeline` is to judge.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    given = value(message, name)
    if given is None or given.kind != Kind.ARRAY:
        raise invalid_argument(name, "must be an array of stages")
    return given.raw


def let(message: Message) -> RawBSONDocument | None:
    """Variables of a command, as the driver takes them.

    Raises:
        StudioError: as `optional_query`.
    """
    given = optional_query(message, "let")
    return None if given is None else RawBSONDocument(given)


def driver_collation(message: Message) -> dict[str, Any] | None:
    """How texts compare, as the driver takes it.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    return find.driver_collation(document(message, "collation"))


def driver_hint(message: Message) -> str | RawBSONDocument | None:
    """A hint as an option of a command.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    given = hint(message)
    return None if given is None else find.plain_hint(given)


def hint(message: Message, name: str = "hint") -> Value | None:
    """A hint: the name of an index, or its keys.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    return checked_hint(value(message, name), name)


def checked_hint(given: Value | None, what: str = "hint") -> Value | None:
    """The same of a value."""
    if given is None or given.kind == Kind.NULL:
        return None
    if given.kind not in {Kind.STRING, Kind.DOCUMENT}:
        raise invalid_argument(what, "must be the name of an index, or its keys as an object")
    if given.kind == Kind.STRING and not _is_utf8(given.raw):
        raise invalid_argument(what, "must be UTF-8")
    return given


def _is_utf8(raw: bytes) -> bool:
    try:
        raw[4:-1].decode()
    except UnicodeDecodeError:
        return False
    return True


def seconds(max_time_ms: int) -> float | None:
    """Milliseconds of a request as seconds; None for the default."""
    return max_time_ms / 1000 if max_time_ms else None


def check_collection(client: MongoClient, names: NamesCollection) -> None:
    """Refuses names that can't be, and the server's own collections to callers below administrator.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    client.collection_name(names.database_name, names.collection)
    policy.check_source(client.database_name(names.database_name), names.collection)


def check_target(client: MongoClient, names: NamesCollection) -> None:
    """The same of a collection that is written to: there nothing of the server's own is open to all.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    client.collection_name(names.database_name, names.collection)
    policy.check_target(client.database_name(names.database_name), names.collection)


def text_document(text: str, what: str) -> bytes:
    """A document that the server evaluates, from the query of an address.

    Raises:
        StudioError: as `query`.
    """
    if not text:
        return terms.EMPTY
    given = ejson.loads(text.encode(), what=what)
    policy.check(given, what)
    return given


def text_id(text: str) -> Value:
    """An `_id` from the query of an address.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    try:
        return ejson.loads_value(text.encode(), what="id")
    except StudioError as error:
        error.hint = (
            'It is JSON: a text has quotes, "a", and an ObjectId is {"$oid": "65a1b2c3d4e5f60718293a4b"}.'
        )
        raise


def text_hint(text: str) -> Value | None:
    """A hint from the query of an address: the keys as an object, or else a name."""
    if not text:
        return None
    return (
        terms.nested(ejson.loads(text.encode(), what="hint"))
        if text.lstrip()[:1] == "{"
        else terms.text(text)
    )


def put(target: ExtendedJson, given: Value) -> None:
    """Sets a field of an answer."""
    target.bson = given.raw
    target.type = given.kind


def put_document(target: ExtendedJson, raw: bytes) -> None:
    """The same for a document."""
    target.bson = raw
    target.type = Kind.DOCUMENT


def page_query(body: reads_pb.FindDocumentsBody, client: MongoClient, most: int) -> find.Query:
    """The question of a body.

    Args:
        body: the request's.
        client: the database.
        most: documents that it may ask for; 0 for any number.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    if most and body.limit > most:
        raise invalid_argument("limit", f"must be at most {most}")
    check_collection(client, body)
    return find.Query(
        database=body.database_name,
        collection=body.collection,
        filter=query(body, "filter"),
        projection=query(body, "projection"),
        sort=query(body, "sort"),
        skip=body.skip,
        limit=body.limit,
        collation=document(body, "collation"),
        hint=hint(body),
        max_time_s=seconds(body.max_time_ms),
        comment=body.comment,
    )
