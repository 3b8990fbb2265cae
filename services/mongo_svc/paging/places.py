"""The values of a sort key in a document, as the server sees them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from bson.decimal128 import Decimal128

from services.mongo_svc import ejson, terms
from services.mongo_svc.ejson import Value
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.paging.brackets import INCOMPARABLE, NUMBERS, RANK, is_nan


class Key(NamedTuple):
    """A part of a sort key."""

    path: bytes
    """The field."""
    descending: bool
    """Which way."""


def position(document: bytes, keys: Sequence[Key]) -> tuple[Value, ...] | None:
    """The values of the keys in a document; None where arrays or others that can't be compared with are among them."""
    values = tuple(value_at(document, key.path) for key in keys)
    return None if any(each.kind in INCOMPARABLE for each in values) else values


def value_at(document: bytes, path: bytes) -> Value:
    """The value at a path: null where there is none, and the first array that the path leads to or through."""
    found = Value(Kind.DOCUMENT, document)
    for name in path.split(b"."):
        if found.kind == Kind.ARRAY:
            return found
        if found.kind != Kind.DOCUMENT:
            return terms.NULL
        found = next((each.value for each in ejson.elements(found.raw) if each.name == name), terms.NULL)
    return found


def sorts_as(one: Value, other: Value) -> bool:
    """Whether two values may be equal in the server's order; never no where they are."""
    if RANK[one.kind] != RANK[other.kind]:
        return False
    if one.kind in NUMBERS:
        if is_nan(one) or is_nan(other):
            return is_nan(one) and is_nan(other)
        return bool(_number(one) == _number(other))
    # Documents may hold numbers that are equal and not the same.
    return one.raw == other.raw or one.kind in {Kind.DOCUMENT, Kind.CODE_WITH_SCOPE}


def _number(value: Value) -> object:
    match value.kind:
        case Kind.DOUBLE:
            return struct.unpack("<d", value.raw)[0]
        case Kind.DECIMAL128:
            return Decimal128.from_bid(value.raw).to_decimal()
        case _:
            return int.from_bytes(value.raw, "little", signed=True)
