"""Change events as messages, or as BSON with the news of the stream beside them.

https://www.mongodb.com/docs/manual/reference/change-events/
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from services.mongo_svc import answers, ejson
from services.mongo_svc.ejson import Element, Mode
from services.mongo_svc.live import tokens
from services.mongo_svc.live.changes import Turn
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.mongodb.v1.live_service_pb2 import ChangeEvent

EVENT_STREAM = "text/event-stream"
HEARTBEAT = "heartbeat"
_DATE, _DOCUMENT, _STRING = 0x09, 0x03, 0x02

_DOCUMENTS: Mapping[bytes, str] = {
    b"clusterTime": "cluster_time",
    b"documentKey": "document_key",
    b"fullDocument": "full_document",
    b"fullDocumentBeforeChange": "full_document_before_change",
    b"updateDescription": "update_description",
}
_NAMESPACES: Mapping[bytes, tuple[str, str]] = {
    b"ns": ("database_name", "collection"),
    b"to": ("to_database_name", "to_collection"),
}
_NAMESPACE = frozenset({b"db", b"coll"})


def as_json(turn: Turn, mode: Mode) -> bytes:
    """A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return b"data: %s\n\n" % answers.to_json(to_message(turn), mode)


def as_bson(turn: Turn) -> bytes:
    """The event as the server sends it; a heartbeat as a document alike."""
    if turn.event:
        return turn.event
    token = [Element(_DOCUMENT, b"_id", turn.token)] if turn.token else []
    kind = HEARTBEAT.encode() + b"\0"
    return ejson.build([*token, Element(_STRING, b"operationType", struct.pack("<i", len(kind)) + kind)])


def to_message(turn: Turn) -> ChangeEvent:
    """A turn of the stream as a message."""
    message = ChangeEvent(resume=tokens.to_text(turn.token) if turn.token else "", at_unix_ms=-1)
    if not turn.event:
        message.heartbeat = True
        return message
    more: list[Element] = []
    for field in ejson.elements(turn.event):
        if field.name == b"_id":
            continue
        # A pipeline can make anything of a field: what is not as the server made it stays as it is, in `more`.
        if not _take(message, field):
            more.append(field)
    if more:
        message.more.CopyFrom(ExtendedJson(bson=ejson.build(more)))
    return message


def _take(message: ChangeEvent, field: Element) -> bool:
    if field.name in _DOCUMENTS:
        getattr(message, _DOCUMENTS[field.name]).CopyFrom(ExtendedJson(bson=field.raw, type=field.kind))
    elif field.name == b"operationType" and field.kind == _STRING:
        message.operation_type = _text(field)
    elif field.name == b"wallTime" and field.kind == _DATE:
        message.at_unix_ms = int.from_bytes(field.raw, "little", signed=True)
    elif field.name in _NAMESPACES and field.kind == _DOCUMENT:
        inner = list(ejson.elements(field.raw))
        if any(each.name not in _NAMESPACE or each.kind != _STRING for each in inner):
            return False
        parts = {each.name: _text(each) for each in inner}
        database, collection = _NAMESPACES[field.name]
        setattr(message, database, parts.get(b"db", ""))
        setattr(message, collection, parts.get(b"coll", ""))
    else:
        return False
    return True


def _text(field: Element) -> str:
    return field.raw[4:-1].decode("utf-8", "replace")
