"""Answers that hold documents: a message of the contract as JSON, its documents as Extended JSON.

As protobuf's own JSON: names in snake_case, zero values included, whole doubles without a point.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message

from services.mongo_svc import ejson
from services.mongo_svc.bodies import JSON_TYPE
from services.mongo_svc.ejson import Mode
from studio.mongodb.v1.common_pb2 import ExtendedJson

SLICE_BYTES = 32 * 1024
"""Bytes of documents that are written in a row: a few milliseconds."""
_BYTES_OF_ANY = 100
"""What a value counts for beside its bytes."""
TURN_S = 0.002
"""Seconds of writing after which others have their turn on the event loop."""

_DOCUMENTS = frozenset({0, 3})


def mode_of(text: str) -> Mode:
    """The form that a request asks for in `ejson`."""
    return Mode(text or Mode.RELAXED)


def render(message: Message, mode: Mode = Mode.RELAXED) -> HttpBody:
    """The answer of an rpc whose `response_json` is the message's type."""
    return HttpBody(content_type=JSON_TYPE, data=to_json(message, mode))


async def rendered(message: Message, mode: Mode = Mode.RELAXED) -> HttpBody:
    """As `render`, for many documents: others have their turn on the event loop meanwhile."""
    parts = []
    turn = perf_counter()
    for part in _parts(message, mode):
        parts.append(part)
        if perf_counter() - turn >= TURN_S:
            await asyncio.sleep(0)
            turn = perf_counter()
    return HttpBody(content_type=JSON_TYPE, data=b"".join(parts))


def to_json(message: Message, mode: Mode = Mode.RELAXED) -> bytes:
    """A message as JSON."""
    return _any(message, mode) if isinstance(message, ExtendedJson) else b"".join(_parts(message, mode))


def _parts(message: Message, mode: Mode) -> Iterator[bytes]:
    """A message as JSON, piece by piece: long lists of documents in slices, at any depth of lists."""
    separator = b"{"
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and not message.HasField(field.name):
            continue
        yield b'%s"%s":' % (separator, field.name.encode())
        separator = b","
        if field.is_repeated and field.message_type is not None and not _is_map(field):
            yield b"["
            yield from _list(field, getattr(message, field.name), mode)
            yield b"]"
        else:
            yield _field(message, field, mode)
    yield b"}" if separator == b"," else b"{}"


def _list(field: Any, values: Any, mode: Mode) -> Iterator[bytes]:  # noqa: ANN401  a repeated field
    if field.message_type is not ExtendedJson.DESCRIPTOR:
        for place, each in enumerate(values):
            if place:
                yield b","
            yield from _parts(each, mode)
        return
    start = size = 0
    for place, each in enumerate(values, start=1):
        size += len(each.bson) + _BYTES_OF_ANY
        if size >= SLICE_BYTES or place == len(values):
            yield (b"," if start else b"") + b",".join(_documents(values[start:place], mode))
            start, size = place, 0


def _documents(values: Any, mode: Mode) -> list[bytes]:  # noqa: ANN401  a part of a repeated field
    if all(value.type in _DOCUMENTS for value in values):
        return ejson.dumps_many([value.bson for value in values], mode)
    return [_any(value, mode) for value in values]


def _is_map(field: Any) -> bool:  # noqa: ANN401  protobuf has two types of descriptors
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _field(message: Message, field: Any, mode: Mode) -> bytes:  # noqa: ANN401  protobuf has two types of descriptors
    value: Any = getattr(message, field.name)
    if _is_map(field):
        return json.dumps(
            {str(key): _scalar(each) for key, each in value.items()}, ensure_ascii=False
        ).encode()
    if field.is_repeated:
        return b"[%s]" % b",".join(map(_plain, value))
    if field.message_type is not None:
        return to_json(value, mode) if message.HasField(field.name) else b"null"
    return _plain(value)


def _any(value: ExtendedJson, mode: Mode) -> bytes:
    if value.type in _DOCUMENTS:
        return ejson.dumps(value.bson, mode)
    return ejson.dumps_value(ejson.Value(value.type, value.bson), mode)


def _plain(value: object) -> bytes:
    return json.dumps(_scalar(value), ensure_ascii=False).encode()


def _scalar(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value
