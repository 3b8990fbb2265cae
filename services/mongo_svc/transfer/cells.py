"""Values of documents as cells of a CSV file, and back."""

from __future__ import annotations

import json
import math
import re
import struct
import uuid
from collections.abc import Callable
from typing import Any

import bson
from bson import Binary, Decimal128, ObjectId
from bson.binary import UUID_SUBTYPE
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Mode, Value
from services.mongo_svc.ejson.rendering import LAST_ISO, iso
from services.runtime.errors import StudioError

LOSSLESS: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_MS,
)
"""Dates of any year; what isn't text is shown as far as it can be."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""https://owasp.org/www-community/attacks/CSV_Injection"""

_UUID_BYTES = 16


def text(value: object, *, guard: bool) -> str:  # noqa: PLR0911  a table of types, the usual ones first
    """A value as a cell: texts as they are, other types as people write them, documents and arrays as JSON.

    Args:
        value: as `bson` decodes it with `LOSSLESS`; None also for a field that isn't there.
        guard: write a quote before what a spreadsheet would take for a formula.
    """
    if isinstance(value, str):
        return f"'{value}" if guard and value.startswith(FORMULA) else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, (ObjectId, Decimal128)):
        return str(value)
    if isinstance(value, Binary) and value.subtype == UUID_SUBTYPE and len(value) == _UUID_BYTES:
        return str(uuid.UUID(bytes=bytes(value)))
    if isinstance(value, DatetimeMS) and 0 <= int(value) <= LAST_ISO:
        return iso(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    shown = _extended(value)
    return _unwrapped(shown) if isinstance(value, (float, DatetimeMS)) else shown


def _extended(value: object) -> str:
    (element,) = ejson.elements(bson.encode({"": value}, codec_options=LOSSLESS))
    return ejson.dumps_value(element.value, Mode.RELAXED).decode()


def _unwrapped(shown: str) -> str:
    """`{"$date":"…"}` without what is around it; the same of doubles that JSON has no number for."""
    value = json.loads(shown)
    while isinstance(value, dict):
        (value,) = value.values()
    return value if isinstance(value, str) else shown


class CellError(Exception):
    """A cell that is none of its column's type; the text says of which."""


_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)")
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_BOOLEANS = {"true": b"\x01", "false": b"\x00", "1": b"\x01", "0": b"\x00"}
_MAX_INTEGER_DIGITS = 19

_DOUBLE, _STRING, _BOOLEAN, _NULL, _INT32, _INT64 = 0x01, 0x02, 0x08, 0x0A, 0x10, 0x12
NULL = Value(_NULL, b"")


def string(cell: str) -> Value:
    """A text.

    Raises:
        CellError: it can't be UTF-8.
    """
    try:
        raw = cell.encode()
    except UnicodeEncodeError:
        raise CellError("is not UTF-8") from None
    return Value(_STRING, struct.pack("<i", len(raw) + 1) + raw + b"\0")


def _integer(cell: str, low: int, high: int, what: str) -> int:
    if not _INTEGER.fullmatch(cell) or len(cell) > _MAX_INTEGER_DIGITS + 1:
        raise CellError(f"is no {what}")
    number = int(cell)
    if not low <= number <= high:
        raise CellError(f"is too large for {what}")
    return number


def _int32(cell: str) -> Value:
    return Value(_INT32, struct.pack("<i", _integer(cell, -(2**31), 2**31 - 1, "int32")))


def _int64(cell: str) -> Value:
    return Value(_INT64, struct.pack("<q", _integer(cell, -(2**63), 2**63 - 1, "int64")))


def _double(cell: str) -> Value:
    if not _NUMBER.fullmatch(cell) and cell not in {"NaN", "Infinity", "-Infinity"}:
        raise CellError("is no double")
    return Value(_DOUBLE, struct.pack("<d", float(cell)))


def _boolean(cell: str) -> Value:
    raw = _BOOLEANS.get(cell.lower())
    if raw is None:
        raise CellError("is neither true nor false")
    return Value(_BOOLEAN, raw)


def _date(cell: str) -> Value:
    return _wrapped("$date", f"{cell}T00:00:00Z" if _DATE.fullmatch(cell) else cell, "date")


def _decimal(cell: str) -> Value:
    return _wrapped("$numberDecimal", cell, "decimal")


def _object_id(cell: str) -> Value:
    return _wrapped("$oid", cell, "objectId")


def _wrapped(name: str, cell: str, what: str) -> Value:
    try:
        return ejson.loads_value(json.dumps({name: cell}).encode())
    except StudioError:
        raise CellError(f"is no {what}") from None


def _json(cell: str) -> Value:
    try:
        return ejson.loads_value(cell.encode())
    except (StudioError, UnicodeEncodeError):
        raise CellError("is no Extended JSON") from None


def _auto(cell: str) -> Value:
    first = cell[:1]
    if first in "-0123456789" and first:
        return _like_a_number(cell)
    if cell in {"true", "false"}:
        return _boolean(cell)
    if first in "{[" and first:
        try:
            return _json(cell)
        except CellError:
            return string(cell)
    if _OBJECT_ID.fullmatch(cell):
        return _object_id(cell)
    return string(cell)


def _like_a_number(cell: str) -> Value:
    """Numbers as JSON writes them: what begins with `0` (a postal code) or is too long (an account) stays a text."""
    if _INTEGER.fullmatch(cell):
        if len(cell) <= _MAX_INTEGER_DIGITS + 1 and cell != "-0":
            number = int(cell)
            if -(2**31) <= number < 2**31:
                return Value(_INT32, struct.pack("<i", number))
            if -(2**63) <= number < 2**63:
                return Value(_INT64, struct.pack("<q", number))
    elif _NUMBER.fullmatch(cell):
        return _double(cell)
    elif _TIME.fullmatch(cell):
        try:
            return _date(cell)
        except CellError:
            return string(cell)
    return _object_id(cell) if _OBJECT_ID.fullmatch(cell) else string(cell)


TYPES: dict[str, Callable[[str], Value]] = {
    "auto": _auto,
    "string": string,
    "int32": _int32,
    "int64": _int64,
    "double": _double,
    "decimal": _decimal,
    "bool": _boolean,
    "date": _date,
    "objectid": _object_id,
    "json": _json,
}
"""What reads a cell, by the lower-case name of its column's type."""
