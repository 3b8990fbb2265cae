"""What a database holds: what Extended JSON can't carry, what is no BSON, and batches with such documents in them."""

from __future__ import annotations

import base64
import struct

import pytest

from services.mongo_svc.ejson import Mode, Value, check, dumps, dumps_many, dumps_value, loads
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ErrorReason

from .documents import KINDS, a, array, binary, code_with_scope, document, field, nested, string


def packed(kind: str, raw: bytes) -> str:
    return f'{{"$bson":{{"type":"{KINDS[kind]:02x}","base64":"{base64.b64encode(raw).decode()}"}}}}'


LOOK_ALIKE = document(field("$oid", "string", string("x")))
BAD_NAME = document(field(b"\xff", "null"))

NOT_CARRIED = {
    "a document that looks like a wrapper": ("document", LOOK_ALIKE),
    "a document that looks like our own wrapper": ("document", document(field("$bson", "null"))),
    "a document with the name of a wrapper behind others": (
        "document",
        document(field("b", "null"), field("$date", "null")),
    ),
    "a document that looks like a scope": ("document", document(field("$scope", "null"))),
    "a document with a name that is not UTF-8": ("document", BAD_NAME),
    "an array whose names are not its positions": ("array", document(field("1", "null"))),
    "an array without names": ("array", document(field("", "null"), field("", "null"))),
    "a string that is not UTF-8": ("string", string(b"\xff")),
    "a string with an overlong NUL": ("string", string(b"\xc0\x80")),
    "a string with half a surrogate pair": ("string", string(b"\xed\xa0\x80")),
    "a symbol that is not UTF-8": ("symbol", string(b"\xff")),
    "code that is not UTF-8": ("code", string(b"\xff")),
    "code with a scope that looks like a wrapper": ("codeWithScope", code_with_scope("f", BAD_NAME)),
    "a DBPointer that is not UTF-8": ("dbPointer", string(b"\xff") + bytes(12)),
    "a regular expression with options out of order": ("regex", b"a\0mi\0"),
    "a regular expression with an unknown option": ("regex", b"a\0g\0"),
    "a regular expression that is not UTF-8": ("regex", b"\xff\0\0"),
    "old binary data whose lengths disagree": ("binary", binary(2, b"\5\0\0\0a")),
    "old binary data without its second length": ("binary", binary(2, b"a")),
    "a NaN with bits of its own": ("double", struct.pack("<Q", 0x7FF8000000000001)),
    "a negative NaN": ("double", struct.pack("<Q", 0xFFF8000000000000)),
    "a decimal NaN with a payload": ("decimal", b"\1" + b"\0" * 14 + b"\x7c"),
    "a decimal of more than 34 digits": ("decimal", b"\xff" * 14 + b"\x41\x30"),
}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("kind", "raw"), NOT_CARRIED.values(), ids=NOT_CARRIED)
def test_what_extended_json_cannot_carry_is_written_as_bytes_and_read_back(
    mode: Mode, kind: str, raw: bytes
) -> None:
    bson = document(field("before", "null"), field("a", kind, raw), field("after", "null"))
    text = dumps(bson, mode).decode()
    assert text == f'{{"before":null,"a":{packed(kind, raw)},"after":null}}'
    assert loads(text.encode()) == bson


def test_only_the_smallest_level_is_written_as_bytes() -> None:
    bson = a("document", document(field("b", "document", LOOK_ALIKE), field("c", "null")))
    assert dumps(bson, Mode.RELAXED).decode() == f'{{"a":{{"b":{packed("document", LOOK_ALIKE)},"c":null}}}}'
    scope = code_with_scope("f", document(field("x", "document", LOOK_ALIKE)))
    assert (
        dumps(a("codeWithScope", scope), Mode.RELAXED).decode()
        == f'{{"a":{{"$code":"f","$scope":{{"x":{packed("document", LOOK_ALIKE)}}}}}}}'
    )


@pytest.mark.parametrize("bson", [LOOK_ALIKE, BAD_NAME])
def test_a_whole_document_may_have_to_be_written_as_bytes(bson: bytes) -> None:
    assert dumps(bson, Mode.RELAXED).decode() == packed("document", bson)
    assert loads(dumps(bson, Mode.RELAXED)) == bson


GOOD = a("document", document(field("b", "string", string("x"))))
CORRUPT = {
    "nothing": (b"", "is cut off"),
    "half of a document": (GOOD[:-3], "its length is wrong"),
    "a document and more": (GOOD + b"\0", "is followed by bytes"),
    "a length below the least": (b"\4\0\0\0\0", "its length is wrong"),
    "a negative length": (b"\xff\xff\xff\xff\0", "its length is wrong"),
    "no terminator": (GOOD[:-1] + b"\1", "its length is wrong"),
    "a name without an end": (document(b"\x0aabc"), "without an end"),
    "an unknown type": (document(b"\x20a\0"), "a: has a type that BSON doesn't have, 0x20"),
    "a terminator too early": (document(field("a", "null"), b"\0\0"), "a type that BSON doesn't have, 0x00"),
    "an integer cut off": (a("int32", b"\1\0\0"), "a: is cut off"),
    "a double cut off": (a("double", b"\1" * 7), "a: is cut off"),
    "a date cut off": (a("date", b"\1" * 7), "a: is cut off"),
    "an ObjectId cut off": (a("objectId", b"\1" * 11), "a: is cut off"),
    "a decimal cut off": (a("decimal", b"\1" * 15), "a: is cut off"),
    "a boolean of 2": (a("boolean", b"\2"), "a: is a boolean that is neither true nor false"),
    "a boolean missing": (a("boolean"), "a: is"),
    "a string too long": (a("string", struct.pack("<i", 9) + b"x\0"), "a: is a string of a wrong length"),
    "a string of no bytes": (a("string", struct.pack("<i", 0)), "a: is a string of a wrong length"),
    "a string without a terminator": (
        a("string", struct.pack("<i", 1) + b"x"),
        "a: is a string of a wrong length",
    ),
    "binary data too long": (
        a("binary", struct.pack("<i", 5) + b"\0x"),
        "a: is binary data of a wrong length",
    ),
    "a document in it too long": (a("document", b"\x09\0\0\0\0"), "wrong"),
    "a document in it without a terminator": (
        a("document", document()[:-1] + b"\1"),
        "a: has a wrong length",
    ),
    "a document in it, whose last field goes on after it": (
        a("document", document(b"\x10b\0\1")),
        "a.b: is cut off",
    ),
    "a regular expression without options": (a("regex", b"abc\0"), "without an end"),
    "a DBPointer cut off": (a("dbPointer", string("c") + bytes(11)), "a: is cut off"),
    "code whose lengths disagree": (
        a("codeWithScope", struct.pack("<i", 20) + string("abc") + document() + b"\0\0\0"),
        "a: is code whose parts don't fill its length",
    ),
    "code that is too short": (a("codeWithScope", struct.pack("<i", 4)), "a: is code of a wrong length"),
    "a fault behind a look-alike": (
        a("document", document(field("$oid", "boolean", b"\7"))),
        "a.$oid: is a boolean",
    ),
}


@pytest.mark.parametrize(("bson", "sentence"), CORRUPT.values(), ids=CORRUPT)
def test_bytes_that_are_no_document_are_an_error_of_the_database(bson: bytes, sentence: str) -> None:
    with pytest.raises(StudioError) as caught:
        dumps(bson, Mode.RELAXED)
    assert caught.value.reason == ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR
    assert sentence in caught.value.message


@pytest.mark.parametrize(("bson", "_"), CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_document_leaves_the_others_of_its_batch_readable(bson: bytes, _: str) -> None:
    good, bad, same = dumps_many([GOOD, bson, GOOD], Mode.RELAXED)
    assert good == same == b'{"a":{"b":"x"}}'
    assert bad.decode() == packed("document", bson)
    with pytest.raises(StudioError, match=r"\$bson\.base64"):
        loads(bad)


@pytest.mark.parametrize("kind", ["document", "array"])
def test_200_levels_are_written_and_201_are_not(kind: str) -> None:
    deep = nested(200, kind)
    assert loads(dumps(deep, Mode.RELAXED)) == deep
    with pytest.raises(StudioError, match="nested deeper than 200 levels"):
        dumps(nested(201, kind), Mode.RELAXED)


def test_scopes_count_as_levels() -> None:
    inner = document()
    for _ in range(199):
        inner = a("codeWithScope", code_with_scope("", inner))
    check(inner)
    assert loads(dumps(inner, Mode.RELAXED)) == inner
    deeper = a("codeWithScope", code_with_scope("", inner))
    for refuse in (check, dumps):
        with pytest.raises(StudioError, match="nested deeper than 200 levels"):
            refuse(deeper)


def test_long_arrays_keep_their_positions() -> None:
    bson = a("array", array(*[("null", b"")] * 1200))
    assert dumps(bson, Mode.RELAXED).decode() == f'{{"a":[{",".join(["null"] * 1200)}]}}'


def test_a_value_alone_is_written_as_in_a_document_and_checked() -> None:
    assert dumps_value(Value(KINDS["document"], LOOK_ALIKE), Mode.RELAXED).decode() == packed(
        "document", LOOK_ALIKE
    )
    with pytest.raises(StudioError, match="is followed by bytes") as caught:
        dumps_value(Value(KINDS["null"], b"x"), Mode.RELAXED)
    assert caught.value.reason == ErrorReason.ERROR_REASON_DB_PROTOCOL_ERROR
