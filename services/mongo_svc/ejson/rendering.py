"""The text of values that are not in every document; `writing` has the frequent ones.

A form of Extended JSON is used only where reading it gives back the same bytes; `NotCarriedError` says that there is
none.
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Final

from bson.decimal128 import Decimal128

from services.mongo_svc.ejson.bounds import CACHED_VALUES
from services.mongo_svc.ejson.layout import OBJECT_ID_SIZE, Kind, unpack_int32
from services.mongo_svc.ejson.wrappers import DOUBLES, OLD_BINARY, REGEX_OPTIONS

LAST_ISO: Final = 253_402_300_799_999
"""Milliseconds since 1970 of the last date that relaxed text writes as a time: the end of the year 9999."""
_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - counted from, never shown with a zone
_MINUTES: Final = tuple(f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60))
_HEAD: Final = 5
"""Bytes of binary data before its content: length and subtype."""
_DOUBLES: Final = {struct.pack("<d", number): text for text, number in DOUBLES.items()}


class NotCarriedError(Exception):
    """Extended JSON has no form from which these bytes could be read back."""


def bson(kind: int, raw: bytes) -> str:
    """The form for what Extended JSON can't carry."""
    return f'{{"$bson":{{"type":"{kind:02x}","base64":"{_base64(raw)}"}}}}'


def render(kind: int, raw: bytes) -> str:
    """The text of a value that is well-formed, and no document, string or number.

    Args:
        kind: its type byte.
        raw: its bytes.

    Raises:
        NotCarriedError: there is no text for it.
    """
    return _RENDERERS[kind](raw)


def special_double(raw: bytes) -> str:
    """The text of a double that is no number.

    Raises:
        NotCarriedError: it is a NaN with bits of its own.
    """
    try:
        return f'{{"$numberDouble":"{_DOUBLES[raw]}"}}'
    except KeyError:
        raise NotCarriedError from None


def iso(milliseconds: int) -> str:
    """A time from 1970 to 9999 as RFC 3339 writes it, with milliseconds where there are any."""
    day, rest = divmod(milliseconds, _DAY_MS)
    minute, rest = divmod(rest, 60_000)
    seconds, fraction = divmod(rest, 1000)
    if fraction:
        return f"{_day(day)}{_MINUTES[minute]}{seconds:02}.{fraction:03}Z"
    return f"{_day(day)}{_MINUTES[minute]}{seconds:02}Z"


@lru_cache(CACHED_VALUES)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).date().isoformat()


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


def _quoted(raw: bytes) -> str:
    try:
        return encode_basestring(raw.decode())
    except UnicodeDecodeError:
        raise NotCarriedError from None


def _binary(raw: bytes) -> str:
    subtype, content = raw[4], raw[_HEAD:]
    if subtype == OLD_BINARY:
        size, content = content[:4], content[4:]
        if len(size) < 4 or unpack_int32(size, 0)[0] != len(content):  # noqa: PLR2004 - of an int32
            raise NotCarriedError
    return f'{{"$binary":{{"base64":"{_base64(content)}","subType":"{subtype:02x}"}}}}'


_DECIMAL_BIAS: Final = 6176
_LARGE: Final = 0b11 << 61
"""Set in a decimal that is infinite, no number, or has more than 34 digits."""
_MAX_COEFFICIENT: Final = 10**34 - 1
_SMALLEST_PLAIN: Final = -6
"""https://github.com/mongodb/specifications/blob/master/source/bson-decimal128/decimal128.md#to-string-representation"""
_unpack_decimal = struct.Struct("<QQ").unpack


def _decimal(raw: bytes) -> str:
    # Money, mostly: the driver's own text of one takes 40 µs.
    low, high = _unpack_decimal(raw)
    exponent = (high >> 49 & 0x3FFF) - _DECIMAL_BIAS
    coefficient = (high & 0x1_FFFF_FFFF_FFFF) << 64 | low
    digits = str(coefficient)
    plain = exponent <= 0 and exponent + len(digits) - 1 >= _SMALLEST_PLAIN
    if high & _LARGE == _LARGE or not plain or coefficient > _MAX_COEFFICIENT:
        return _rare_decimal(raw)
    if exponent:
        digits = digits.rjust(1 - exponent, "0")
        digits = f"{digits[:exponent]}.{digits[exponent:]}"
    return f'{{"$numberDecimal":"{"-" if high >> 63 else ""}{digits}"}}'


@lru_cache(CACHED_VALUES)
def _rare_decimal(raw: bytes) -> str:
    value = Decimal128.from_bid(raw)
    text = str(value)
    # Not-a-number with a payload, and numbers of more than 34 digits, which count as zero, look like others.
    if Decimal128(text).bid != raw:
        raise NotCarriedError
    return f'{{"$numberDecimal":"{text}"}}'


def _regular_expression(raw: bytes) -> str:
    pattern, options, _ = raw.split(b"\0")
    letters = options.decode("latin-1")
    if letters != "".join(sorted(REGEX_OPTIONS.intersection(letters))):
        raise NotCarriedError
    return f'{{"$regularExpression":{{"pattern":{_quoted(pattern)},"options":"{letters}"}}}}'


def _timestamp(raw: bytes) -> str:
    increment, seconds = struct.unpack("<II", raw)
    return f'{{"$timestamp":{{"t":{seconds},"i":{increment}}}}}'


def _db_pointer(raw: bytes) -> str:
    namespace, target = raw[4 : -OBJECT_ID_SIZE - 1], raw[-OBJECT_ID_SIZE:]
    return f'{{"$dbPointer":{{"$ref":{_quoted(namespace)},"$id":{{"$oid":"{target.hex()}"}}}}}}'


_RENDERERS: Final[dict[int, Callable[[bytes], str]]] = {
    Kind.BINARY: _binary,
    Kind.DECIMAL128: _decimal,
    Kind.TIMESTAMP: _timestamp,
    Kind.REGULAR_EXPRESSION: _regular_expression,
    Kind.CODE: lambda raw: f'{{"$code":{_quoted(raw[4:-1])}}}',
    Kind.SYMBOL: lambda raw: f'{{"$symbol":{_quoted(raw[4:-1])}}}',
    Kind.DB_POINTER: _db_pointer,
    Kind.UNDEFINED: lambda _: '{"$undefined":true}',
    Kind.MIN_KEY: lambda _: '{"$minKey":1}',
    Kind.MAX_KEY: lambda _: '{"$maxKey":1}',
}
