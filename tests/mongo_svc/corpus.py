"""Documents of every type and edge of BSON, written by hand: what must come back as it went in."""

from __future__ import annotations

import struct

from services.mongo_svc import ejson
from services.mongo_svc.ejson.layout import Kind

OID = bytes.fromhex("65f0c0ffee00000000000001")


def document(*fields: tuple[int, bytes, bytes]) -> bytes:
    """A document of its fields: type, name, raw value."""
    return ejson.build(fields)


def string(text: str | bytes) -> bytes:
    """The raw value of a text."""
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<i", len(raw) + 1) + raw + b"\0"


def double(value: float) -> bytes:
    """The raw value of a double."""
    return struct.pack("<d", value)


def int64(value: int) -> bytes:
    """The raw value of a whole number of 64 bits."""
    return struct.pack("<q", value)


def int32(value: int) -> bytes:
    """The raw value of a whole number of 32 bits."""
    return struct.pack("<i", value)


def binary(subtype: int, content: bytes) -> bytes:
    """The raw value of bytes."""
    return struct.pack("<i", len(content)) + bytes([subtype]) + content


def decimal(digits: int, exponent: int = 0, sign: int = 0) -> bytes:
    """The raw value of a decimal."""
    return (digits | (exponent + 6176) << 113 | sign << 127).to_bytes(16, "little")


def code_with_scope(code: str, scope: bytes) -> bytes:
    """The raw value of code with its variables."""
    body = string(code) + scope
    return struct.pack("<i", len(body) + 4) + body


def nested(levels: int) -> bytes:
    """A document with so many more in it."""
    inner = document()
    for _ in range(levels):
        inner = document((Kind.DOCUMENT, b"d", inner))
    return inner


VALUES: dict[str, tuple[int, bytes]] = {
    "double": (Kind.DOUBLE, double(0.1)),
    "integral double": (Kind.DOUBLE, double(5)),
    "large double": (Kind.DOUBLE, double(1.7976931348623157e308)),
    "smallest double": (Kind.DOUBLE, double(5e-324)),
    "negative zero": (Kind.DOUBLE, double(-0.0)),
    "NaN": (Kind.DOUBLE, double(float("nan"))),
    "infinity": (Kind.DOUBLE, double(float("inf"))),
    "negative infinity": (Kind.DOUBLE, double(float("-inf"))),
    "text": (Kind.STRING, string('Grüße "🌍"\n\\')),
    "empty text": (Kind.STRING, string("")),
    "text with NUL": (Kind.STRING, string("a\0b")),
    "text of a number": (Kind.STRING, string("5")),
    "text that is not UTF-8": (Kind.STRING, string(b"\xff\xfe")),
    "empty document": (Kind.DOCUMENT, document()),
    "order of names": (Kind.DOCUMENT, document((Kind.INT32, b"b", int32(1)), (Kind.INT32, b"a", int32(2)))),
    "repeated names": (Kind.DOCUMENT, document((Kind.INT32, b"a", int32(1)), (Kind.INT32, b"a", int32(2)))),
    "names with dots and dollars": (
        Kind.DOCUMENT,
        document((Kind.INT32, b"a.b", int32(1)), (Kind.INT32, b"x$y", int32(2)), (Kind.INT32, b"", int32(3))),
    ),
    "name of an operator": (Kind.DOCUMENT, document((Kind.INT32, b"$set", int32(1)))),
    "look-alike of an ObjectId": (Kind.DOCUMENT, document((Kind.STRING, b"$oid", string("x")))),
    "look-alike of a date": (Kind.DOCUMENT, document((Kind.INT32, b"$date", int32(1)))),
    "DBRef": (
        Kind.DOCUMENT,
        document((Kind.STRING, b"$ref", string("c")), (Kind.OBJECT_ID, b"$id", OID)),
    ),
    "array": (
        Kind.ARRAY,
        document((Kind.INT32, b"0", int32(1)), (Kind.NULL, b"1", b""), (Kind.ARRAY, b"2", document())),
    ),
    "empty array": (Kind.ARRAY, document()),
    "bytes": (Kind.BINARY, binary(0, b"\0\xff")),
    "no bytes": (Kind.BINARY, binary(0, b"")),
    "bytes of the old kind": (Kind.BINARY, binary(2, struct.pack("<i", 2) + b"xy")),
    "UUID of the old kind": (Kind.BINARY, binary(3, bytes(range(16)))),
    "UUID": (Kind.BINARY, binary(4, bytes(range(16)))),
    "MD5": (Kind.BINARY, binary(5, bytes(range(16)))),
    "bytes of a user's kind": (Kind.BINARY, binary(0x80, b"x")),
    "undefined": (Kind.UNDEFINED, b""),
    "ObjectId": (Kind.OBJECT_ID, OID),
    "true": (Kind.BOOLEAN, b"\1"),
    "false": (Kind.BOOLEAN, b"\0"),
    "date": (Kind.DATE, int64(1_700_000_000_123)),
    "date of whole seconds": (Kind.DATE, int64(1_700_000_000_000)),
    "date before 1970": (Kind.DATE, int64(-1)),
    "date after 9999": (Kind.DATE, int64(253_402_300_800_000)),
    "first date": (Kind.DATE, int64(-(2**63))),
    "null": (Kind.NULL, b""),
    "regular expression": (Kind.REGULAR_EXPRESSION, b"^a/b\0im\0"),
    "DBPointer": (Kind.DB_POINTER, string("db.c") + OID),
    "code": (Kind.CODE, string("f()")),
    "symbol": (Kind.SYMBOL, string("s")),
    "code with a scope": (
        Kind.CODE_WITH_SCOPE,
        code_with_scope("f(x)", document((Kind.INT64, b"x", int64(1)))),
    ),
    "32-bit integer": (Kind.INT32, int32(-(2**31))),
    "timestamp": (Kind.TIMESTAMP, struct.pack("<II", 2, 1)),
    "small 64-bit integer": (Kind.INT64, int64(5)),
    "64-bit integer beyond 2^53": (Kind.INT64, int64(2**53 + 1)),
    "largest 64-bit integer": (Kind.INT64, int64(2**63 - 1)),
    "decimal": (Kind.DECIMAL128, decimal(12345, -2)),
    "decimal with trailing zeros": (Kind.DECIMAL128, decimal(1000, -3)),
    "negative decimal zero": (Kind.DECIMAL128, decimal(0, 0, 1)),
    "decimal NaN": (Kind.DECIMAL128, b"\0" * 15 + b"\x7c"),
    "decimal infinity": (Kind.DECIMAL128, b"\0" * 15 + b"\x78"),
    "smallest key": (Kind.MIN_KEY, b""),
    "largest key": (Kind.MAX_KEY, b""),
    "deep nesting": (Kind.DOCUMENT, nested(90)),
}
"""Values by what they are."""

CORPUS: dict[str, bytes] = {
    name: document(
        (Kind.INT32, b"_id", int32(1)), (kind, b"v", raw), (Kind.ARRAY, b"w", document((kind, b"0", raw)))
    )
    for name, (kind, raw) in VALUES.items()
} | {
    "names of the outermost level": document(
        (Kind.INT32, b"_id", int32(1)),
        (Kind.INT32, b"$a", int32(1)),
        (Kind.INT32, b"a.b", int32(2)),
        (Kind.INT32, b"", int32(3)),
    ),
    "repeated names of the outermost level": document(
        (Kind.INT32, b"_id", int32(1)), (Kind.INT32, b"a", int32(1)), (Kind.INT32, b"a", int32(2))
    ),
}
"""Documents whose `_id` is 1, by what is in them."""

IDS: dict[str, tuple[int, bytes]] = {
    name: value
    for name, value in VALUES.items()
    if value[0] not in {Kind.ARRAY, Kind.REGULAR_EXPRESSION, Kind.UNDEFINED}
    and name
    not in {"name of an operator", "look-alike of an ObjectId", "look-alike of a date", "repeated names"}
}
"""Values that an `_id` may be."""
