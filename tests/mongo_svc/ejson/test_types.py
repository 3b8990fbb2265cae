"""Each type of BSON, in both forms: bytes written by hand against the text that the specification gives them."""

from __future__ import annotations

import struct

import pytest

from services.mongo_svc.ejson import Mode, Value, dumps, dumps_value, loads, loads_value

from .documents import KINDS, a, array, binary, code_with_scope, document, field, string


def date(milliseconds: int) -> bytes:
    return a("date", struct.pack("<q", milliseconds))


def double(value: float) -> bytes:
    return a("double", struct.pack("<d", value))


def int64(value: int) -> bytes:
    return a("int64", struct.pack("<q", value))


def decimal(digits: int, exponent: int, sign: int = 0) -> bytes:
    return a("decimal", (digits | (exponent + 6176) << 113 | sign << 127).to_bytes(16, "little"))


OID = bytes.fromhex("65f0c0ffee00000000000001")

SAME = {
    "an ObjectId": (a("objectId", OID), '{"$oid":"65f0c0ffee00000000000001"}'),
    "a string": (a("string", string("Grüße 🌍")), '"Grüße 🌍"'),
    "a string of JSON's own signs": (a("string", string('"\\\n\t\x1f/')), '"\\"\\\\\\n\\t\\u001f/"'),
    "a string with a NUL": (a("string", string("a\0b")), '"a\\u0000b"'),
    "a symbol": (a("symbol", string("s")), '{"$symbol":"s"}'),
    "true": (a("boolean", b"\1"), "true"),
    "false": (a("boolean", b"\0"), "false"),
    "null": (a("null"), "null"),
    "undefined": (a("undefined"), '{"$undefined":true}'),
    "the smallest key": (a("minKey"), '{"$minKey":1}'),
    "the largest key": (a("maxKey"), '{"$maxKey":1}'),
    "an empty document": (a("document", document()), "{}"),
    "an empty array": (a("array", document()), "[]"),
    "an array of arrays": (
        a("array", array(("null", b""), ("array", array(("null", b""))))),
        "[null,[null]]",
    ),
    "binary data": (a("binary", binary(0x80, b"\xff\0")), '{"$binary":{"base64":"/wA=","subType":"80"}}'),
    "no binary data": (a("binary", binary(0, b"")), '{"$binary":{"base64":"","subType":"00"}}'),
    "a UUID": (
        a("binary", binary(4, bytes.fromhex("c8edabc3f7384ca3b68dab92a91478a3"))),
        '{"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}}',
    ),
    "binary data of the old kind, whose second length is not content": (
        a("binary", binary(2, b"\2\0\0\0\xff\xff")),
        '{"$binary":{"base64":"//8=","subType":"02"}}',
    ),
    "code": (a("code", string("f()")), '{"$code":"f()"}'),
    "code with a scope": (
        a("codeWithScope", code_with_scope("f(x)", document(field("x", "null")))),
        '{"$code":"f(x)","$scope":{"x":null}}',
    ),
    "a timestamp": (
        a("timestamp", struct.pack("<II", 1, 4_294_967_295)),
        '{"$timestamp":{"t":4294967295,"i":1}}',
    ),
    "a regular expression": (
        a("regex", b"^a/\0im\0"),
        '{"$regularExpression":{"pattern":"^a/","options":"im"}}',
    ),
    "a DBPointer": (
        a("dbPointer", string("db.c") + OID),
        '{"$dbPointer":{"$ref":"db.c","$id":{"$oid":"65f0c0ffee00000000000001"}}}',
    ),
    "a DBRef, which is a document": (
        a("document", document(field("$ref", "string", string("c")), field("$id", "null"))),
        '{"$ref":"c","$id":null}',
    ),
    "query operators, which are documents": (
        a(
            "document",
            document(field("$regex", "string", string("^a")), field("$options", "string", string("i"))),
        ),
        '{"$regex":"^a","$options":"i"}',
    ),
    "the $type operator": (
        a("document", document(field("$type", "string", string("int")))),
        '{"$type":"int"}',
    ),
    "infinity": (double(float("inf")), '{"$numberDouble":"Infinity"}'),
    "negative infinity": (double(float("-inf")), '{"$numberDouble":"-Infinity"}'),
    "not a number": (double(float("nan")), '{"$numberDouble":"NaN"}'),
    "a decimal": (decimal(12345, -1), '{"$numberDecimal":"1234.5"}'),
    "a decimal with trailing zeros": (decimal(1000, -2), '{"$numberDecimal":"10.00"}'),
    "a decimal with an exponent": (decimal(1, 3), '{"$numberDecimal":"1E+3"}'),
    "a negative decimal zero": (decimal(0, 0, 1), '{"$numberDecimal":"-0"}'),
    "the largest decimal": (
        decimal(10**34 - 1, 6111),
        '{"$numberDecimal":"9.999999999999999999999999999999999E+6144"}',
    ),
    "an infinite decimal": (a("decimal", b"\0" * 15 + b"\x78"), '{"$numberDecimal":"Infinity"}'),
    "a decimal that is no number": (a("decimal", b"\0" * 15 + b"\x7c"), '{"$numberDecimal":"NaN"}'),
    "a 64-bit integer beyond what JavaScript holds": (int64(2**53 + 1), '{"$numberLong":"9007199254740993"}'),
    "the smallest 64-bit integer": (int64(-(2**63)), '{"$numberLong":"-9223372036854775808"}'),
    "a date before 1970": (date(-1), '{"$date":{"$numberLong":"-1"}}'),
    "a date after 9999": (date(253_402_300_800_000), '{"$date":{"$numberLong":"253402300800000"}}'),
}
"""Values with the same text in both forms, and back from it."""

DIFFERENT = {
    "a 32-bit integer": (a("int32", struct.pack("<i", -7)), '{"$numberInt":"-7"}', "-7"),
    "a 64-bit integer that JavaScript holds": (
        int64(2**53),
        '{"$numberLong":"9007199254740992"}',
        str(2**53),
    ),
    "a double": (double(0.1), '{"$numberDouble":"0.1"}', "0.1"),
    "an integral double": (double(5), '{"$numberDouble":"5.0"}', "5.0"),
    "negative zero": (double(-0.0), '{"$numberDouble":"-0.0"}', "-0.0"),
    "a huge double": (
        double(1.7976931348623157e308),
        '{"$numberDouble":"1.7976931348623157e+308"}',
        "1.7976931348623157e+308",
    ),
    "a tiny double": (double(5e-324), '{"$numberDouble":"5e-324"}', "5e-324"),
    "a date": (
        date(1_715_934_600_000),
        '{"$date":{"$numberLong":"1715934600000"}}',
        '{"$date":"2024-05-17T08:30:00Z"}',
    ),
    "a date with milliseconds": (
        date(1_715_934_600_007),
        '{"$date":{"$numberLong":"1715934600007"}}',
        '{"$date":"2024-05-17T08:30:00.007Z"}',
    ),
    "the first plain date": (date(0), '{"$date":{"$numberLong":"0"}}', '{"$date":"1970-01-01T00:00:00Z"}'),
    "the last plain date": (
        date(253_402_300_799_999),
        '{"$date":{"$numberLong":"253402300799999"}}',
        '{"$date":"9999-12-31T23:59:59.999Z"}',
    ),
}
"""Values with a canonical and a relaxed text."""


@pytest.mark.parametrize(("bson", "text"), SAME.values(), ids=SAME)
def test_values_that_look_the_same_in_both_forms(bson: bytes, text: str) -> None:
    expected = f'{{"a":{text}}}'.encode()
    assert dumps(bson, Mode.CANONICAL) == dumps(bson, Mode.RELAXED) == expected
    assert loads(expected) == bson


@pytest.mark.parametrize(("bson", "canonical", "relaxed"), DIFFERENT.values(), ids=DIFFERENT)
def test_values_that_relaxed_text_writes_plainly(bson: bytes, canonical: str, relaxed: str) -> None:
    assert dumps(bson, Mode.CANONICAL) == f'{{"a":{canonical}}}'.encode()
    assert dumps(bson, Mode.RELAXED) == f'{{"a":{relaxed}}}'.encode()
    assert loads(f'{{"a":{canonical}}}'.encode()) == bson
    assert loads(f'{{"a":{relaxed}}}'.encode()) == bson


def test_a_small_64_bit_integer_is_read_back_from_relaxed_text_as_the_smaller_type() -> None:
    assert dumps(int64(7), Mode.RELAXED) == b'{"a":7}'
    assert loads(b'{"a":7}') == a("int32", struct.pack("<i", 7))


def test_order_and_repeated_names_stay() -> None:
    bson = document(field("b", "null"), field("a", "boolean", b"\1"), field("b", "minKey"), field("", "null"))
    text = b'{"b":null,"a":true,"b":{"$minKey":1},"":null}'
    assert dumps(bson, Mode.RELAXED) == text
    assert loads(text) == bson


@pytest.mark.parametrize(
    ("text", "kind", "raw"),
    [
        (b'{"$oid":"65f0c0ffee00000000000001"}', "objectId", OID),
        (b"7", "int32", struct.pack("<i", 7)),
        (b'"id"', "string", string("id")),
        (b'{"b":null}', "document", document(field("b", "null"))),
        (b"[null]", "array", array(("null", b""))),
        (b"null", "null", b""),
    ],
)
def test_values_alone_such_as_an_id(text: bytes, kind: str, raw: bytes) -> None:
    assert loads_value(text) == Value(KINDS[kind], raw)
    assert dumps_value(Value(KINDS[kind], raw), Mode.RELAXED) == text
