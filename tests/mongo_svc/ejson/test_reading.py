"""What a user sends: numbers, the forms of wrappers, and every mistake with its place."""

from __future__ import annotations

import base64
import struct

import pytest

from services.mongo_svc.ejson import Mode, dumps, loads, loads_value
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ErrorReason

from .documents import nested, string


def refusal(text: str | bytes) -> str:
    """The sentence with which a text is refused."""
    with pytest.raises(StudioError) as caught:
        loads(text.encode() if isinstance(text, str) else text)
    assert caught.value.reason == ErrorReason.ERROR_REASON_INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize(
    ("number", "canonical"),
    [
        ("2147483647", '{"$numberInt":"2147483647"}'),
        ("2147483648", '{"$numberLong":"2147483648"}'),
        ("-2147483649", '{"$numberLong":"-2147483649"}'),
        ("9223372036854775807", '{"$numberLong":"9223372036854775807"}'),
        ("-0", '{"$numberInt":"0"}'),
        ("-0.0", '{"$numberDouble":"-0.0"}'),
        ("1.0", '{"$numberDouble":"1.0"}'),
        ("1e5", '{"$numberDouble":"100000.0"}'),
    ],
)
def test_a_number_takes_the_smallest_type_that_holds_it(number: str, canonical: str) -> None:
    assert dumps(loads(f'{{"a":{number}}}'.encode()), Mode.CANONICAL) == f'{{"a":{canonical}}}'.encode()


ALSO_READ = {
    '{"$uuid":"C8EDABC3-f738-4ca3-b68d-ab92a91478a3"}': (
        '{"$binary":{"base64":"yO2rw/c4TKO2jauSqRR4ow==","subType":"04"}}'
    ),
    '{"$binary":"AQ==","$type":"5"}': '{"$binary":{"base64":"AQ==","subType":"05"}}',
    '{"$binary":{"subType":"0","base64":""}}': '{"$binary":{"base64":"","subType":"00"}}',
    '{"$scope":{},"$code":"f"}': '{"$code":"f","$scope":{}}',
    '{"$timestamp":{"i":1,"t":2}}': '{"$timestamp":{"t":2,"i":1}}',
    '{"$regularExpression":{"options":"xi","pattern":"a"}}': '{"$regularExpression":{"pattern":"a","options":"ix"}}',
    '{"$oid":"65F0C0FFEE00000000000001"}': '{"$oid":"65f0c0ffee00000000000001"}',
    '{"$numberDouble":"1"}': '{"$numberDouble":"1.0"}',
    '{"$numberDecimal":"+1.50e3"}': '{"$numberDecimal":"1.50E+3"}',
    '{"$numberDecimal":"-inf"}': '{"$numberDecimal":"-Infinity"}',
    '{"$date":1500}': '{"$date":{"$numberLong":"1500"}}',
    '{"$date":"1970-01-01T00:00:01.5Z"}': '{"$date":{"$numberLong":"1500"}}',
    '{"$date":"1970-01-01T00:00:01.500000000Z"}': '{"$date":{"$numberLong":"1500"}}',
    '{"$date":"1970-01-01t01:00:00+01:00"}': '{"$date":{"$numberLong":"0"}}',
    '{"$date":"1969-12-31T20:30:00-0330"}': '{"$date":{"$numberLong":"0"}}',
    '{"$date":"1970-01-01T05:00:00+05"}': '{"$date":{"$numberLong":"0"}}',
    '{"$date":"0001-01-01T00:00:00+23:59"}': '{"$date":{"$numberLong":"-62135683140000"}}',
}


@pytest.mark.parametrize(("text", "canonical"), ALSO_READ.items())
def test_other_forms_of_wrappers_are_read(text: str, canonical: str) -> None:
    assert dumps(loads(f'{{"a":{text}}}'.encode()), Mode.CANONICAL) == f'{{"a":{canonical}}}'.encode()


WRONG_WRAPPERS = {
    '{"$oid":"65f0"}': 'a.$oid: must be 24 hexadecimal digits, not "65f0"',
    '{"$oid":" 5f0c0ffee0000000000000 1"}': "a.$oid: must be 24",
    '{"$oid":"\uff165f0c0ffee00000000000001"}': "a.$oid: must be 24",
    '{"$oid":7}': "a.$oid: must be a string, not 7",
    '{"$oid":"65f0c0ffee00000000000001","b":1}': 'a.$oid: can\'t stand beside "b"',
    '{"$symbol":null}': "a.$symbol: must be a string, not null",
    '{"$numberInt":"2147483648"}': "a.$numberInt: must be an integer of 32 bits",
    '{"$numberInt":"1.5"}': "a.$numberInt: must be an integer of 32 bits",
    '{"$numberInt":"007"}': "a.$numberInt: must be an integer of 32 bits",
    '{"$numberInt":7}': "a.$numberInt: must be a string, not 7",
    '{"$numberInt":"\u0667"}': "a.$numberInt: must be an integer of 32 bits",
    '{"$numberLong":"9223372036854775808"}': "a.$numberLong: must be an integer of 64 bits",
    '{"$numberLong":""}': "a.$numberLong: must be an integer of 64 bits",
    '{"$numberDouble":"x"}': 'a.$numberDouble: must be a number, NaN, Infinity or -Infinity in a string, not "x"',
    '{"$numberDouble":"1_0"}': "a.$numberDouble: must be a number",
    '{"$numberDouble":"1e999"}': "a.$numberDouble: is beyond the range of a double",
    '{"$numberDecimal":"1_0"}': "a.$numberDecimal: must be a decimal number",
    '{"$numberDecimal":"NaN1"}': "a.$numberDecimal: must be a decimal number",
    '{"$numberDecimal":"1234567890123456789012345678901234.5"}': "a.$numberDecimal: does not fit into 34 digits",
    '{"$numberDecimal":"1e99999999999999999999"}': "a.$numberDecimal: does not fit",
    '{"$binary":{"base64":"AQ","subType":"00"}}': "a.$binary.base64: must be base64",
    '{"$binary":{"base64":"A Q==","subType":"00"}}': "a.$binary.base64: must be base64",
    '{"$binary":{"base64":"AQ==AQ==","subType":"00"}}': "a.$binary.base64: must be base64",
    '{"$binary":{"base64":"A-_=","subType":"00"}}': "a.$binary.base64: must be base64",
    '{"$binary":{"base64":"","subType":"123"}}': "a.$binary.subType: must be one or two hexadecimal digits",
    '{"$binary":{"base64":"","subType":0}}': "a.$binary.subType: must be a string, not 0",
    '{"$binary":{"base64":""}}': "a.$binary.subType: is missing",
    '{"$binary":{"base64":"","subType":"00","x":1}}': "a.$binary.x: does not belong there",
    '{"$binary":{"base64":"","base64":"","subType":"00"}}': "a.$binary: repeats a name",
    '{"$binary":""}': "a.$binary.$type: is missing",
    '{"$uuid":"c8edabc3f7384ca3b68dab92a91478a3"}': "a.$uuid: must be a UUID with its hyphens",
    '{"$code":1}': "a.$code: must be a string, not 1",
    '{"$code":"f","$scope":[]}': "a.$scope: must be an object, not an array",
    '{"$code":"f","$scope":{"$oid":"65f0c0ffee00000000000001"}}': "a.$scope: must stand for a document",
    '{"$code":"f","$scope":{"b":{"$minKey":2}}}': "a.$scope.b.$minKey: must be 1, not 2",
    '{"$code":"f","other":{}}': "a.other: does not belong there",
    '{"$scope":{}}': "a.$code: is missing",
    '{"$timestamp":{"t":-1,"i":0}}': "a.$timestamp.t: must be an integer from 0 to 4294967295, not -1",
    '{"$timestamp":{"t":1,"i":4294967296}}': "a.$timestamp.i: must be an integer from 0 to 4294967295",
    '{"$timestamp":{"t":true,"i":0}}': "a.$timestamp.t: must be an integer from 0 to 4294967295, not true",
    '{"$timestamp":5}': "a.$timestamp: must be an object with t and i, not 5",
    '{"$regularExpression":{"pattern":"a","options":"ig"}}': "a.$regularExpression.options: must be some of ilmsux",
    '{"$regularExpression":{"pattern":"a","options":"ii"}}': "a.$regularExpression.options: must be some of",
    '{"$regularExpression":{"pattern":"a\\u0000","options":""}}': "a.$regularExpression.pattern: can't hold a NUL",
    '{"$regularExpression":{"pattern":"a"}}': "a.$regularExpression.options: is missing",
    '{"$dbPointer":{"$ref":"c","$id":"x"}}': 'a.$dbPointer.$id: must be an ObjectId, not "x"',
    '{"$dbPointer":{"$ref":"c","$id":{"$oid":"x"}}}': "a.$dbPointer.$id.$oid: must be 24 hexadecimal digits",
    '{"$date":"2024-05-17"}': "a.$date: must be a time like 2024-05-17T08:30:00.250Z",
    '{"$date":"2024-05-17T08:30:00"}': "a.$date: must be a time like",
    '{"$date":"2024-02-30T00:00:00Z"}': "a.$date: is no time that exists",
    '{"$date":"2024-05-17T23:59:60Z"}': "a.$date: is no time that exists",
    '{"$date":"2024-05-17T00:00:00+24:00"}': "a.$date: has an offset beyond 23:59",
    '{"$date":"2024-05-17T00:00:00.0001Z"}': "a.$date: has a fraction finer than the millisecond",
    '{"$date":1.5}': "a.$date: must be text, integer milliseconds or",
    '{"$date":true}': "a.$date: must be text, integer milliseconds or",
    '{"$date":{"$numberLong":"x"}}': "a.$date.$numberLong: must be an integer of 64 bits",
    '{"$date":{"$numberInt":"1"}}': "a.$date.$numberInt: does not belong there",
    '{"$minKey":true}': "a.$minKey: must be 1, not true",
    '{"$maxKey":1.0}': "a.$maxKey: must be 1, not 1.0",
    '{"$undefined":1}': "a.$undefined: must be true, not 1",
    '{"$bson":{"type":"02","base64":"AQ=="}}': "a.$bson.base64: is cut off",
    '{"$bson":{"type":"20","base64":""}}': "a.$bson.base64: has a type that BSON doesn't have, 0x20",
    '{"$bson":{"type":"0a","base64":"AQ=="}}': "a.$bson.base64: has bytes after its end",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG_WRAPPERS.items())
def test_a_wrapper_with_wrong_content_is_refused(text: str, sentence: str) -> None:
    assert sentence in refusal(f'{{"a":{text}}}')


NO_JSON = {
    b"": "The document: is empty",
    b" ": "is not JSON",
    b"[]": "The document: must be a JSON object",
    b"7": "The document: must be a JSON object",
    b'{"$oid":"65f0c0ffee00000000000001"}': "must be a JSON object that stands for a document",
    b'{"a":1} x': "is not JSON: Extra data at line 1, column 9",
    b'{"a":1,}': "is not JSON",
    b"{'a':1}": "is not JSON",
    b'{"a":01}': "is not JSON",
    b'{"a":.5}': "is not JSON",
    b'{"a":"\t"}': "is not JSON: Invalid control character at line 1",
    b'\xef\xbb\xbf{"a":1}': "byte order mark",
    b'{"a":"\xff"}': "is not UTF-8 at byte 6",
    b'{"a":"\xed\xa0\x80"}': "is not UTF-8",
    '{"a":1}'.encode("utf-16"): "is not UTF-8",
    b'{"a":NaN}': 'a: is no JSON: write {"$numberDouble": "NaN"}',
    b'{"a":[0,-Infinity]}': 'a[1]: is no JSON: write {"$numberDouble": "-Infinity"}',
    b'{"a":"\\ud800"}': "a: holds half of a surrogate pair",
    b'{"a":{"$symbol":"\\udc00"}}': "a.$symbol: holds half of a surrogate pair",
    b'{"a":{"$code":"\\udc00"}}': "a: holds half of a surrogate pair",
    b'{"\\ud800":1}': "\\ud800: holds half of a surrogate pair",
    b'{"a":{"b\\u0000c":1}}': "a.b\\x00c: is a name that holds a NUL",
    b'{"a":9223372036854775808}': "a: is an integer beyond 64 bits",
    b'{"a":-9223372036854775809}': "a: is an integer beyond 64 bits",
    b'{"a":1' + b"0" * 5000 + b"}": "holds an integer beyond 64 bits",
    b'{"a":1e999}': "a: is a number beyond the range of a double",
}


@pytest.mark.parametrize(("text", "sentence"), NO_JSON.items())
def test_what_is_not_strict_json_is_refused(text: bytes, sentence: str) -> None:
    assert sentence in refusal(text)


def test_an_error_names_the_place_and_hides_most_of_the_value() -> None:
    with pytest.raises(StudioError) as caught:
        loads(b'{"documents":[1,2,3,{"price":{"$numberInt":"a very secret value"}}]}', what="the body")
    assert caught.value.message == (
        'In the body, documents[3].price.$numberInt: must be an integer of 32 bits in a string, not "a very secre…".'
    )
    assert [violation.field for violation in caught.value.violations] == ["documents[3].price.$numberInt"]


def test_long_names_and_long_places_are_clipped_in_errors() -> None:
    text = refusal('{"a":' * 50 + f'{{"{"n" * 1000}":1e999}}' + "}" * 50)
    assert f"…{'a.' * 11}{'n' * 40}…: is a number" in text


def test_200_levels_are_read_and_201_are_not() -> None:
    def objects(levels: int) -> str:
        return '{"0":' * (levels - 1) + "{}" + "}" * (levels - 1)

    assert loads(objects(200).encode()) == nested(200)
    assert "nested deeper than 200 levels" in refusal(objects(201))
    assert "nested deeper than 200 levels" in refusal('{"a":' + "[" * 200 + "]" * 200 + "}")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"a":' + "[" * 100_000])
def test_a_hundred_thousand_brackets_are_refused(text: str) -> None:
    assert "nested deeper than 200 levels" in refusal(text)


def test_scopes_count_as_levels_and_so_do_those_in_bytes_of_our_own() -> None:
    scope = '{"a":{"$code":"","$scope":' * 199 + "{}" + "}}" * 199
    assert dumps(loads(scope.encode()), Mode.RELAXED) == scope.encode()
    assert "nested deeper" in refusal('{"a":{"$code":"","$scope":' * 200 + "{}" + "}}" * 200)
    inner = base64.b64encode(nested(100)).decode()
    around = '{"0":' * 99 + f'{{"0":{{"$bson":{{"type":"03","base64":"{inner}"}}}}}}' + "}" * 99
    assert loads(around.encode()) == nested(200)
    assert "nested deeper" in refusal(f'{{"0":{around}}}')


def test_the_name_of_a_wrapper_is_refused_behind_other_names() -> None:
    assert "a.$oid: can't stand behind other names" in refusal(
        '{"a":{"b":1,"$oid":"65f0c0ffee00000000000001"}}'
    )


def test_any_value_may_stand_alone_but_nothing_beside_it() -> None:
    assert loads_value(b' "x" ').raw == string("x")
    assert loads_value(b"1.5").raw == struct.pack("<d", 1.5)
    with pytest.raises(StudioError, match=r"^The value: is not JSON: Extra data"):
        loads_value(b"1 2")
