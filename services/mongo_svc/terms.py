"""Conditions and small documents as BSON: built from names and values, never from text, so nothing can be injected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.ejson.layout import Kind

EMPTY: Final = ejson.build([])
"""A document without fields: as a filter, all documents."""
NULL: Final = Value(Kind.NULL, b"")
TRUE: Final = Value(Kind.BOOLEAN, b"\x01")


def text(value: str) -> Value:
    """A text."""
    raw = value.encode()
    return Value(Kind.STRING, (len(raw) + 1).to_bytes(4, "little") + raw + b"\0")


def int32(value: int) -> Value:
    """A whole number of 32 bits."""
    return Value(Kind.INT32, value.to_bytes(4, "little", signed=True))


def document(**fields: Value) -> bytes:
    """A document of named values."""
    return ejson.build([Element(value.kind, name.encode(), value.raw) for name, value in fields.items()])


def nested(raw: bytes) -> Value:
    """A document as a value."""
    return Value(Kind.DOCUMENT, raw)


def array(values: Iterable[Value]) -> Value:
    """An array of values."""
    return Value(
        Kind.ARRAY,
        ejson.build([Element(each.kind, b"%d" % place, each.raw) for place, each in enumerate(values)]),
    )


def is_(path: bytes, operator: bytes, operand: Value) -> bytes:
    """The condition `{path: {operator: operand}}`; the operand is a value to compare with, whatever it looks like."""
    comparison = ejson.build([Element(operand.kind, operator, operand.raw)])
    return ejson.build([Element(Kind.DOCUMENT, path, comparison)])


def equals(path: bytes, value: Value) -> bytes:
    """The condition `{path: {$eq: value}}`."""
    return is_(path, b"$eq", value)


def id_is(id_: Value) -> bytes:
    """The condition that selects one document."""
    return equals(b"_id", id_)


def all_of(*conditions: bytes) -> bytes:
    """All conditions together; empty ones don't count."""
    return _joined(b"$and", [each for each in conditions if each != EMPTY])


def any_of(*conditions: bytes) -> bytes:
    """At least one of the conditions."""
    return _joined(b"$or", list(conditions))


def _joined(operator: bytes, conditions: list[bytes]) -> bytes:
    if len(conditions) < 2:  # noqa: PLR2004  nothing to join
        return conditions[0] if conditions else EMPTY
    joined = array(map(nested, conditions))
    return ejson.build([Element(joined.kind, operator, joined.raw)])
