"""Conditions for what comes behind a value in the server's order, for values of every BSON type.

A query's `$gt` compares values of one bracket only (numbers with numbers, texts with texts), an order has them all, one
bracket after the other. So what comes behind a value is several ranges, in their order: the rest of its own bracket,
then the brackets behind. NaN is the smallest number of an order, and for `$gt` and `$lt` incomparable; a missing field
sorts as null. https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/

Arrays sort by one of their elements. `arrays` names the paths on which there may be some: where none is on the path of
any document handed out so far, each of the ranges finds every array that sorts into it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from bson.decimal128 import Decimal128

from services.mongo_svc import terms
from services.mongo_svc.ejson import Value
from services.mongo_svc.ejson.layout import Kind

ORDER: Final[tuple[tuple[int, ...], ...]] = (
    (Kind.MIN_KEY,),
    (Kind.UNDEFINED,),
    (Kind.NULL,),
    (Kind.DOUBLE, Kind.INT32, Kind.INT64, Kind.DECIMAL128),
    (Kind.STRING, Kind.SYMBOL),
    (Kind.DOCUMENT,),
    (Kind.ARRAY,),
    (Kind.BINARY,),
    (Kind.OBJECT_ID,),
    (Kind.BOOLEAN,),
    (Kind.DATE,),
    (Kind.TIMESTAMP,),
    (Kind.REGULAR_EXPRESSION,),
    (Kind.DB_POINTER,),
    (Kind.CODE,),
    (Kind.CODE_WITH_SCOPE,),
    (Kind.MAX_KEY,),
)
"""The brackets in ascending order."""
RANK: Final = {kind: rank for rank, kinds in enumerate(ORDER) for kind in kinds}
"""The place of a type's bracket."""
NUMBERS: Final = frozenset(ORDER[3])
INCOMPARABLE: Final = frozenset({Kind.UNDEFINED, Kind.ARRAY, Kind.REGULAR_EXPRESSION})
"""Values that the server refuses as operands of `$gt`, or that are no single value."""

_SINGLE: Final = frozenset({Kind.MIN_KEY, Kind.NULL, Kind.MAX_KEY})
_MINUS_INFINITY: Final = Value(Kind.DOUBLE, struct.pack("<d", -math.inf))
_NAN: Final = Value(Kind.DOUBLE, struct.pack("<d", math.nan))


def equal(path: bytes, value: Value, arrays: Sequence[bytes]) -> bytes:
    """The condition that a field sorts as the value."""
    if value.kind != Kind.NULL:
        return terms.equals(path, value)
    # Servers before 8.0 take undefined for null here; it sorts before.
    undefined = terms.nested(terms.document(**{"$type": terms.int32(Kind.UNDEFINED)}))
    null = terms.all_of(terms.equals(path, value), terms.is_(path, b"$not", undefined))
    # In an array of plain values, the field of an element is missing for the order, though not for `$eq: null`.
    outer = [each for each in arrays if path.startswith(each + b".")]
    return terms.any_of(null, *(_has_type(each, [Kind.ARRAY]) for each in outer))


def behind(path: bytes, value: Value, *, descending: bool, arrays: Sequence[bytes]) -> list[bytes]:
    """The conditions for all that comes behind a value, each of a range, in the order of the ranges.

    Args:
        path: the field.
        value: not one of `INCOMPARABLE`; null for a missing field.
        descending: which way the order goes.
        arrays: the paths on which arrays may be; empty where there are none.
    """
    rank = RANK[value.kind]
    ranges = _same_bracket(path, value, descending=descending)
    further = ORDER[:rank] if descending else ORDER[rank + 1 :]
    kinds = [kind for kinds in further for kind in kinds if kind != Kind.NULL]
    if not arrays and Kind.ARRAY in kinds:
        kinds.remove(Kind.ARRAY)
    rest = [_has_type(path, kinds)] if kinds else []
    if (Kind.NULL,) in further:
        rest.append(equal(path, terms.NULL, arrays))
    if descending and arrays and Kind.ARRAY not in kinds:
        rest.append(_has_type(path, [Kind.ARRAY]))  # an empty one sorts before null
    return [*ranges, terms.any_of(*rest)] if rest else ranges


def is_nan(value: Value) -> bool:
    """The value is a number that is none."""
    if value.kind == Kind.DOUBLE:
        return math.isnan(struct.unpack("<d", value.raw)[0])
    return value.kind == Kind.DECIMAL128 and Decimal128.from_bid(value.raw).to_decimal().is_nan()


def _same_bracket(path: bytes, value: Value, *, descending: bool) -> list[bytes]:
    if value.kind in _SINGLE:
        return []
    if value.kind not in NUMBERS:
        return [terms.is_(path, b"$lt" if descending else b"$gt", value)]
    if is_nan(value):
        return [] if descending else [terms.is_(path, b"$gte", _MINUS_INFINITY)]
    if descending:
        return [terms.is_(path, b"$lt", value), terms.equals(path, _NAN)]
    return [terms.is_(path, b"$gt", value)]


def _has_type(path: bytes, kinds: Sequence[int]) -> bytes:
    numbers = terms.array(terms.int32(-1 if kind == Kind.MIN_KEY else kind) for kind in kinds)
    return terms.is_(path, b"$type", numbers)
