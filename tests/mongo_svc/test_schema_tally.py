"""What is summed up of documents, and that it stays bounded."""

from __future__ import annotations

import struct
from typing import Any

import bson
import pytest
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef

from services.mongo_svc.schema import bounds, proposal
from services.mongo_svc.schema.tally import TYPES, Field, Tally
from services.mongo_svc.schema.values import TypeTally


def raw(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def tally_of(*documents: dict[str, Any] | bytes) -> Tally:
    tally = Tally()
    for document in documents:
        tally.add(document if isinstance(document, bytes) else bson.encode(document))
    return tally


def field(tally: Tally, *path: str) -> Field:
    return next(each for each, _ in tally.fields() if each.path == path)


def only_type(tally: Tally, *path: str) -> TypeTally:
    (found,) = field(tally, *path).types.values()
    return found


def test_every_type_has_the_name_that_the_servers_give_it() -> None:
    scoped = Code("x", {"a": 1})
    old = [b"\x06undefined\0", b"\x0esymbol\0\x02\0\0\0s\0", b"\x0cdbPointer\0\x02\0\0\0c\0" + bytes(12)]
    new = bson.encode(
        {
            "double": 1.5, "string": "x", "object": DBRef("c", 1), "array": [], "binData": Binary(b"x"),
            "objectId": ObjectId(), "bool": True, "date": DatetimeMS(2**55), "null": None, "regex": Regex("x"),
            "javascript": Code("x"), "javascriptWithScope": scoped, "int": 1, "timestamp": Timestamp(1, 1),
            "long": Int64(1), "decimal": Decimal128("NaN"), "minKey": MinKey(), "maxKey": MaxKey(),
        }
    )  # fmt: skip
    tally = tally_of(raw(*old, new[4:-1]))

    tops = {each.path[0]: [TYPES[kind] for kind in each.types] for each in tally.children(())}
    assert tops == {name: [name] for name in TYPES.values()}


def test_a_name_that_comes_twice_is_one_field_with_both_types() -> None:
    document = raw(b"\x10a\0\x01\0\0\0", b"\x02a\0\x02\0\0\0x\0", b"\x0aa\0")
    found = field(tally_of(document, {"a": 1}), "a")
    assert (found.count, found.repeated, found.values) == (2, 1, 4)
    assert {TYPES[kind] for kind in found.types} == {"int", "string", "null"}


def test_names_and_texts_that_are_no_utf8_are_counted() -> None:
    document = raw(b"\x10\xff\0\x01\0\0\0", b"\x02s\0\x02\0\0\0\xff\0")
    tally = tally_of(document)
    assert field(tally, "\ufffd").count == 1
    assert only_type(tally, "s").lengths.max == 1
    assert proposal.propose(tally, proposal.Wanted())  # rules can't name it


def test_numbers_that_are_none_do_not_spoil_the_range() -> None:
    found = tally_of(*({"n": n} for n in (float("nan"), float("inf"), 1.0, 3.0)))
    values = only_type(found, "n")
    assert (values.count, values.range.min, values.range.max, values.range.mean) == (4, 1.0, 3.0, 2.0)
    assert sum(count for _, count in values.histogram()) == 2


def test_the_largest_numbers_make_a_histogram() -> None:
    values = only_type(tally_of({"n": -1.7e308}, {"n": 1.7e308}), "n")
    assert [count for _, count in values.histogram()] == [1, *[0] * 18, 1]
    assert -1.7e308 <= values.range.mean <= 1.7e308


@pytest.mark.parametrize(
    ("document", "truncated"),
    [
        ({f"f{n}": 1 for n in range(bounds.MAX_FIELDS + 1)}, True),
        ({"a": list(range(bounds.MAX_ITEMS + 1))}, True),
        ({"a": [[1] * 1000] * 30}, True),
        ({"a": [1] * bounds.MAX_ITEMS}, False),
    ],
)
def test_what_exceeds_a_bound_is_left_out_and_said(document: dict[str, Any], truncated: bool) -> None:  # noqa: FBT001
    tally = tally_of(document)
    assert tally.truncated is truncated
    assert sum(1 for _ in tally.fields()) <= bounds.MAX_FIELDS


def test_depth_is_bounded() -> None:
    document: dict[str, Any] = {}
    for _ in range(150):
        document = {"d": document}
    tally = tally_of(document)
    assert (sum(1 for _ in tally.fields()), tally.truncated) == (bounds.MAX_DEPTH, True)


def test_long_and_many_values_are_not_kept() -> None:
    tally = tally_of(*({"n": n, "s": "x" * 500} for n in range(bounds.MAX_DISTINCT + 50)))
    numbers, texts = only_type(tally, "n"), only_type(tally, "s")
    assert (len(numbers.values), numbers.distinct_truncated) == (bounds.MAX_DISTINCT, True)
    assert (len(texts.values), texts.distinct_truncated) == (0, True)


def test_arrays_that_are_not_all_points_have_no_place_on_the_earth() -> None:
    assert only_type(tally_of({"p": [7.4, 46.9]}, {"p": [8, 47]}), "p").is_geo
    assert not only_type(tally_of({"p": [7.4, 46.9]}, {"p": [1, 2, 3]}), "p").is_geo
    assert not only_type(tally_of({"p": [200, 5]}), "p").is_geo
    assert only_type(tally_of({"p": {"type": "Point", "coordinates": [7.4, 46.9]}}), "p").is_geo
    assert not only_type(tally_of({"p": {"type": "LineString", "coordinates": [7.4, 46.9]}}), "p").is_geo
