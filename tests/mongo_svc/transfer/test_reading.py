"""Where rows begin and end, however the file is cut into pieces on its way."""

from __future__ import annotations

import gzip
import itertools
import json

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mongo_svc import ejson
from services.mongo_svc.transfer.bounds import Bounds
from services.mongo_svc.transfer.reading import Format, Reader, Row
from services.mongo_svc.transfer.splitting import BsonDocuments, Documents, Lines, Piece, Splitter
from services.runtime.errors import StudioError

AT_MOST = 1000


def pieces(splitter: Splitter, *parts: bytes) -> list[Piece]:
    return [piece for part in parts for piece in splitter.feed(part)] + list(splitter.end())


def rows(content: bytes, format_: str, **options: object) -> list[Row]:
    reader = Reader(Format(format_, **options), Bounds(row_bytes=AT_MOST))  # type: ignore[arg-type]  # as given
    # One byte at a time: every cut there can be.
    found = [row for byte in content for row in reader.feed(bytes([byte]))]
    return found + list(reader.end())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet='a"\\{}[],\n é😀'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\{]'), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(alphabet='k"\\}['), VALUES, max_size=3), max_size=5)


@given(
    objects=OBJECTS,
    as_array=st.booleans(),
    indent=st.sampled_from([None, 1]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_objects_come_out_as_they_went_in(
    objects: list[dict[str, object]], cuts: list[int], indent: int | None, *, as_array: bool
) -> None:
    texts = [json.dumps(each, indent=indent, ensure_ascii=False) for each in objects]
    content = (f"[{', '.join(texts)}]" if as_array else "\n".join(texts)).encode()
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    parts = [content[begin:end] for begin, end in itertools.pairwise(places)]
    found = pieces(Documents(100_000), *parts)
    assert [piece.content.decode() for piece in found] == texts
    assert [piece.row for piece in found] == list(range(1, len(texts) + 1))


@given(documents=st.lists(st.binary(max_size=50), max_size=5), size=st.integers(1, 30))
def test_bson_comes_out_as_it_went_in(documents: list[bytes], size: int) -> None:
    encoded = [bson.encode({"v": each}) for each in documents]
    content = b"".join(encoded)
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    assert [piece.content for piece in pieces(BsonDocuments(), *parts)] == encoded


def test_lines_are_counted_through_blank_ones_and_quotes() -> None:
    found = pieces(Lines(AT_MOST, quoted=True), b'a,b\r\n\r\n"1\n', b'""2",', b"3\nx")
    assert [(piece.row, piece.line, piece.content) for piece in found] == [
        (1, 1, b"a,b"),
        (2, 3, b'"1\n""2",3'),
        (3, 5, b"x"),
    ]


def test_lines_of_objects_are_counted() -> None:
    found = pieces(Documents(AT_MOST), b'[\n{"a":\n1},\n\n', b'{"b": 2}\n]')
    assert [(piece.row, piece.line) for piece in found] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("splitter", "content", "sentence"),
    [
        (Documents(AT_MOST), b'[{"a": 1}, ]', "stands where the array can't go on"),
        (Documents(AT_MOST), b"[{} {}]", "stands where the array can't go on"),
        (Documents(AT_MOST), b"[] []", "stands behind the array, in line 1"),
        (Documents(AT_MOST), b"[1]", "stands where the array can't go on"),
        (Documents(AT_MOST), b'{"a": "', "The file ends inside of row 1"),
        (
            Documents(AT_MOST),
            b'{"a": "' + b"x" * AT_MOST,
            "Row 1, which begins in line 1, is longer than 1000",
        ),
        (Lines(AT_MOST), b"x" * (AT_MOST + 1), "is longer than 1000 bytes"),
        (Lines(AT_MOST, quoted=True), b'a\n"b\nc', "Row 2, which begins in line 2, has a quote"),
        (BsonDocuments(), b"\x04\0\0\0\0", "is no BSON document"),
        (BsonDocuments(), b"\x06\0\0\0\0", "The file ends inside of row 1"),
    ],
)
def test_what_can_not_go_on_says_where(splitter: Splitter, content: bytes, sentence: str) -> None:
    with pytest.raises(StudioError, match=sentence):
        pieces(splitter, content)


def test_rows_are_read_each_by_itself() -> None:
    found = rows(b'\xef\xbb\xbf{"a": 1}\n{"a": }\n{"a": 3}\n', "ndjson")
    assert [row.number for row in found] == [1, 2, 3]
    assert found[0].document == bson.encode({"a": 1})
    assert isinstance(found[1].document, StudioError)
    assert found[2].document == bson.encode({"a": 3})


def test_gzip_is_told_by_its_first_bytes_also_of_several_members() -> None:
    packed = gzip.compress(b'{"a": 1}\n') + gzip.compress(b'\n{"a": 2}')
    assert [row.document for row in rows(packed, "json")] == [bson.encode({"a": 1}), bson.encode({"a": 2})]


def test_rows_that_were_done_are_not_even_read() -> None:
    found = rows(b'{"a": 1}{"a": broken}{"a": 3}', "json", skip_rows=2)
    assert [(row.number, row.document) for row in found] == [(3, bson.encode({"a": 3}))]


def test_cells_have_the_types_that_they_look_like_or_are_said_to_have() -> None:
    header = "int,long,huge,zip,float,flag,date,oid,json,text,blank,a.b,a.c,money\n"
    row = (
        "-5,9007199254740993,92233720368547758070,01234,1.50,true,2024-02-29T10:00:00Z,"
        '65a1b2c3d4e5f60718293a4b,"{""x"":[1]}",hello,,7,NULL,1.10\n'
    )
    found = rows(
        (header + row).encode(), "csv", types={"a.b": "string", "money": "decimal"}, null_text="NULL"
    )
    (document,) = (row.document for row in found)
    assert isinstance(document, bytes)
    assert json.loads(ejson.dumps(document, ejson.Mode.CANONICAL)) == {
        "int": {"$numberInt": "-5"},
        "long": {"$numberLong": "9007199254740993"},
        "huge": "92233720368547758070",
        "zip": "01234",
        "float": {"$numberDouble": "1.5"},
        "flag": True,
        "date": {"$date": {"$numberLong": "1709200800000"}},
        "oid": {"$oid": "65a1b2c3d4e5f60718293a4b"},
        "json": {"x": [{"$numberInt": "1"}]},
        "text": "hello",
        "blank": "",
        "a": {"b": "7", "c": None},
        "money": {"$numberDecimal": "1.10"},
    }


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"a\n1x\n", {"types": {"a": "int32"}}, "Column 'a': '1x' is no int32."),
        (b"a\n3000000000\n", {"types": {"a": "int32"}}, "is too large for int32"),
        (b"a\nmaybe\n", {"types": {"a": "bool"}}, "is neither true nor false"),
        (b"a\n2024-13-01\n", {"types": {"a": "date"}}, "is no date"),
        (b"a,b\n1\n", {}, "The row has 1 cells, the file 2 columns."),
        (b"a\n\xff\n", {}, "is not UTF-8"),
        (b'a\n"x"y\n', {}, "is no CSV"),
    ],
)
def test_a_cell_that_is_wrong_names_its_column(
    content: bytes, options: dict[str, object], sentence: str
) -> None:
    (row,) = rows(content, "csv", **options)
    assert isinstance(row.document, StudioError)
    assert sentence in row.document.message


def test_columns_need_names_that_documents_can_have() -> None:
    for content in (b"\xff\n1\n", b"a.\n1\n", b"a\0\n1\n"):
        with pytest.raises(StudioError, match="has no usable name"):
            rows(content, "csv")


def test_blank_cells_can_be_left_out() -> None:
    (row,) = rows(b"a,b.c,d\n,,1\n", "csv", ignore_blanks=True)
    assert row.document == bson.encode({"d": 1})
