"""The type wrappers of Extended JSON, read: `{"$oid": …}` to the bytes of an ObjectId, and so on.

A wrapper is exactly what the specification says; anything else in it is an error, never a guess.
`$code` and `$bson`, which may hold documents, are not among `READERS`.
"""

# ruff: noqa: TRY301 - the handlers around name the place

from __future__ import annotations

import re
import struct
from binascii import a2b_base64, unhexlify
from collections.abc import Callable
from datetime import datetime
from decimal import DecimalException
from math import isinf
from typing import Final, TypeAlias

from bson.decimal128 import Decimal128

from services.mongo_svc.ejson.bounds import MAX_DECIMAL_LENGTH
from services.mongo_svc.ejson.layout import OBJECT_ID_SIZE, Kind, Value, check_value, pack_int32
from services.mongo_svc.ejson.problems import ContentError, shown


class Constant:
    """`NaN`, `Infinity` or `-Infinity`, which Python takes for JSON."""

    def __init__(self, text: str) -> None:
        self.text = text


Json: TypeAlias = "str | int | float | bool | Constant | list[Json] | Pairs | None"
Pairs: TypeAlias = tuple[tuple[str, "Json"], ...]
"""A JSON object, with its order and repeated names."""

INT32_LIMIT: Final = 2**31
INT64_LIMIT: Final = 2**63
UINT32_LIMIT: Final = 2**32
OLD_BINARY: Final = 2
"""The subtype of binary data that has a second length before its content."""
UUID_SUBTYPE: Final = 4
REGEX_OPTIONS: Final = frozenset("ilmsux")
DOUBLES: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

_pack_int64: Final[Callable[[int], bytes]] = struct.Struct("<q").pack
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DECIMAL = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)|nan", re.ASCII | re.IGNORECASE
)
_BYTE = re.compile(r"[0-9a-fA-F]{1,2}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d)(?::?(\d\d))?)", re.ASCII | re.IGNORECASE
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - counted from, in UTC
_LAST_HOUR, _LAST_MINUTE = 23, 59


def exactly(pairs: Pairs, *names: str) -> tuple[Json, ...]:
    """The values of an object that must have exactly these names, in any order.

    Raises:
        ContentError: a name is missing, repeated or another one.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ContentError("repeats a name")
    for name, _ in pairs:
        if name not in names:
            raise ContentError("does not belong there", name)
    for name in names:
        if name not in found:
            raise ContentError("is missing", name)
    return tuple(found[name] for name in names)


def text_of(value: Json, *place: str) -> str:
    """A value that must be a string.

    Raises:
        ContentError: it is something else.
    """
    if isinstance(value, str):
        return value
    raise ContentError(f"must be a string, not {shown(value)}", *place)


def packed_string(text: str) -> bytes:
    """A string as it stands in a document: length, text, NUL."""
    raw = text.encode()
    return b"%b%b\0" % (pack_int32(len(raw) + 1), raw)


def _only(pairs: Pairs) -> Json:
    """The value of a wrapper that has one name."""
    if len(pairs) > 1:
        raise ContentError(f"can't stand beside {shown(pairs[1][0])}: the object is a type wrapper")
    return pairs[0][1]


def _only_text(pairs: Pairs) -> str:
    return text_of(_only(pairs))


def _fields(pairs: Pairs, *names: str) -> tuple[Json, ...]:
    value = _only(pairs)
    if not isinstance(value, tuple):
        raise ContentError(f"must be an object with {' and '.join(names)}, not {shown(value)}")
    return exactly(value, *names)


def _integer(text: str, limit: int) -> int:
    number = int(text) if _INTEGER.fullmatch(text) else None
    if number is None or not -limit <= number < limit:
        raise ContentError(f"must be an integer of {limit.bit_length()} bits in a string, not {shown(text)}")
    return number


def _object_id(pairs: Pairs) -> Value:
    text = _only_text(pairs)
    try:
        raw = unhexlify(text)
    except ValueError:
        raw = b""
    if len(raw) != OBJECT_ID_SIZE:
        raise ContentError(f"must be 24 hexadecimal digits, not {shown(text)}")
    return Value(Kind.OBJECT_ID, raw)


def _symbol(pairs: Pairs) -> Value:
    return Value(Kind.SYMBOL, packed_string(_only_text(pairs)))


def _number_int(pairs: Pairs) -> Value:
    return Value(Kind.INT32, pack_int32(_integer(_only_text(pairs), INT32_LIMIT)))


def _number_long(pairs: Pairs) -> Value:
    return Value(Kind.INT64, _pack_int64(_integer(_only_text(pairs), INT64_LIMIT)))


def _number_double(pairs: Pairs) -> Value:
    text = _only_text(pairs)
    number = DOUBLES.get(text)
    if number is None:
        if not _NUMBER.fullmatch(text):
            raise ContentError(f"must be a number, NaN, Infinity or -Infinity in a string, not {shown(text)}")
        number = float(text)
        if isinf(number):
            raise ContentError(f"is beyond the range of a double: {shown(text)}")
    return Value(Kind.DOUBLE, struct.pack("<d", number))


def _number_decimal(pairs: Pairs) -> Value:
    text = _only_text(pairs)
    if len(text) > MAX_DECIMAL_LENGTH or not _DECIMAL.fullmatch(text):
        raise ContentError(
            f"must be a decimal number, NaN, Infinity or -Infinity in a string, not {shown(text)}"
        )
    try:
        return Value(Kind.DECIMAL128, Decimal128(text).bid)
    except DecimalException:
        raise ContentError(
            f"does not fit into 34 digits and the exponents of a decimal: {shown(text)}"
        ) from None


def _binary(pairs: Pairs) -> Value:
    content = pairs[0][1]
    if isinstance(content, str):
        # The form that was usual before version 2 of Extended JSON: {"$binary": "…", "$type": "00"}.
        data, subtype = exactly(pairs, "$binary", "$type")
        return _binary_of(data, subtype, "$type")
    data, subtype = _fields(pairs, "base64", "subType")
    return _binary_of(data, subtype, "subType")


def _binary_of(data: Json, subtype: Json, name: str) -> Value:
    code = text_of(subtype, name)
    if not _BYTE.fullmatch(code):
        raise ContentError(f"must be one or two hexadecimal digits, not {shown(code)}", name)
    content, number = _base64(data), int(code, 16)
    if number == OLD_BINARY:
        content = pack_int32(len(content)) + content
    return Value(Kind.BINARY, b"%b%c%b" % (pack_int32(len(content)), number, content))


def _base64(value: Json) -> bytes:
    text = text_of(value, "base64")
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:
        raise ContentError(f"must be base64 with its padding, not {shown(text)}", "base64") from None


def _uuid(pairs: Pairs) -> Value:
    text = _only_text(pairs)
    if not _UUID.fullmatch(text):
        raise ContentError(f"must be a UUID with its hyphens, not {shown(text)}")
    content = bytes.fromhex(text.replace("-", ""))
    return Value(Kind.BINARY, b"%b%c%b" % (pack_int32(len(content)), UUID_SUBTYPE, content))


def _timestamp(pairs: Pairs) -> Value:
    seconds, increment = _fields(pairs, "t", "i")
    return Value(Kind.TIMESTAMP, struct.pack("<II", _unsigned(increment, "i"), _unsigned(seconds, "t")))


def _unsigned(value: Json, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < UINT32_LIMIT:
        raise ContentError(f"must be an integer from 0 to {UINT32_LIMIT - 1}, not {shown(value)}", name)
    return value


def _regular_expression(pairs: Pairs) -> Value:
    pattern, options = (
        text_of(value, name)
        for name, value in zip(("pattern", "options"), _fields(pairs, "pattern", "options"), strict=True)
    )
    if "\0" in pattern:
        raise ContentError("can't hold a NUL", "pattern")
    if not REGEX_OPTIONS.issuperset(options) or len(set(options)) < len(options):
        raise ContentError(
            f"must be some of {''.join(sorted(REGEX_OPTIONS))}, each once, not {shown(options)}", "options"
        )
    # BSON asks for alphabetical order.
    return Value(Kind.REGULAR_EXPRESSION, b"%b\0%b\0" % (pattern.encode(), "".join(sorted(options)).encode()))


def _db_pointer(pairs: Pairs) -> Value:
    namespace, target = _fields(pairs, "$ref", "$id")
    if not isinstance(target, tuple) or not target or target[0][0] != "$oid":
        raise ContentError(f"must be an ObjectId, not {shown(target)}", "$id")
    text = packed_string(text_of(namespace, "$ref"))
    try:
        return Value(Kind.DB_POINTER, text + _object_id(target).raw)
    except ContentError as problem:
        problem.within("$oid")
        problem.within("$id")
        raise


def _date(pairs: Pairs) -> Value:
    value = _only(pairs)
    if isinstance(value, tuple):
        (text,) = exactly(value, "$numberLong")
        try:
            milliseconds = _integer(text_of(text), INT64_LIMIT)
        except ContentError as problem:
            problem.within("$numberLong")
            raise
    elif isinstance(value, str):
        milliseconds = _milliseconds(value)
    elif isinstance(value, int) and not isinstance(value, bool) and -INT64_LIMIT <= value < INT64_LIMIT:
        milliseconds = value
    else:
        raise ContentError(
            f'must be text, integer milliseconds or {{"$numberLong": "…"}}, not {shown(value)}'
        )
    return Value(Kind.DATE, _pack_int64(milliseconds))


def _milliseconds(text: str) -> int:
    """Milliseconds since 1970 of a time as RFC 3339 writes it; an offset may also be `+hhmm` or `+hh`."""
    match = _DATE.fullmatch(text)
    if not match:
        raise ContentError(
            f"must be a time like 2024-05-17T08:30:00.250Z, with Z or an offset, not {shown(text)}"
        )
    moment, fraction, sign, hours, minutes = match.groups()
    try:
        since = datetime.fromisoformat(moment) - _EPOCH
    except ValueError:
        raise ContentError(f"is no time that exists: {shown(text)}") from None
    milliseconds = since.days * 86_400_000 + since.seconds * 1000
    if fraction:
        if fraction[3:].strip("0"):
            raise ContentError("has a fraction finer than the millisecond that a date can hold")
        milliseconds += int(f"{fraction:0<3.3}")
    if sign:
        away = int(hours) * 60 + int(minutes or 0)
        if int(hours) > _LAST_HOUR or int(minutes or 0) > _LAST_MINUTE:
            raise ContentError(f"has an offset beyond 23:59: {shown(text)}")
        milliseconds += away * 60_000 if sign == "-" else away * -60_000
    return milliseconds


def _constant(kind: Kind, only: int) -> Callable[[Pairs], Value]:
    """A reader of a wrapper that says nothing: its content is always the same."""

    def read(pairs: Pairs) -> Value:
        value = _only(pairs)
        if type(value) is not type(only) or value != only:
            raise ContentError(f"must be {shown(only)}, not {shown(value)}")
        return Value(kind, b"")

    return read


def bson(pairs: Pairs, depth: int) -> Value:
    """Our own wrapper: the bytes of a value that Extended JSON can't carry.

    Args:
        pairs: the wrapper.
        depth: how many documents and arrays there are around it.

    Raises:
        ContentError: it is no wrapper, or its bytes are no value of that type.
    """
    code, data = _fields(pairs, "type", "base64")
    text = text_of(code, "type")
    if not _BYTE.fullmatch(text):
        raise ContentError(f"must be one or two hexadecimal digits, not {shown(text)}", "type")
    kind, raw = int(text, 16), _base64(data)
    try:
        if check_value(kind, raw, 0, len(raw), depth) != len(raw):
            raise ContentError("has bytes after its end")
    except ContentError as problem:
        problem.within("base64")
        raise
    return Value(kind, raw)


READERS: Final[dict[str, Callable[[Pairs], Value]]] = {
    "$oid": _object_id,
    "$date": _date,
    "$numberInt": _number_int,
    "$numberLong": _number_long,
    "$numberDouble": _number_double,
    "$numberDecimal": _number_decimal,
    "$binary": _binary,
    "$uuid": _uuid,
    "$symbol": _symbol,
    "$timestamp": _timestamp,
    "$regularExpression": _regular_expression,
    "$dbPointer": _db_pointer,
    "$minKey": _constant(Kind.MIN_KEY, 1),
    "$maxKey": _constant(Kind.MAX_KEY, 1),
    "$undefined": _constant(Kind.UNDEFINED, only=True),
}
"""What reads a wrapper, by its first name."""
WRAPPERS: Final = frozenset([*READERS, "$code", "$scope", "$bson"])
"""The names that make an object a wrapper."""
