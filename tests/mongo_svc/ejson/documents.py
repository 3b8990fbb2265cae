"""BSON written by hand, independent of the code under test; and generated documents of every type."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from hypothesis import strategies as st

Typed: TypeAlias = tuple[str, bytes]

KINDS = {
    "double": 0x01,
    "string": 0x02,
    "document": 0x03,
    "array": 0x04,
    "binary": 0x05,
    "undefined": 0x06,
    "objectId": 0x07,
    "boolean": 0x08,
    "date": 0x09,
    "null": 0x0A,
    "regex": 0x0B,
    "dbPointer": 0x0C,
    "code": 0x0D,
    "symbol": 0x0E,
    "codeWithScope": 0x0F,
    "int32": 0x10,
    "timestamp": 0x11,
    "int64": 0x12,
    "decimal": 0x13,
    "maxKey": 0x7F,
    "minKey": 0xFF,
}


def field(name: str | bytes, kind: str, raw: bytes = b"") -> bytes:
    return bytes([KINDS[kind]]) + (name if isinstance(name, bytes) else name.encode()) + b"\0" + raw


def document(*fields: bytes) -> bytes:
    body = b"".join(fields)
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def a(kind: str, raw: bytes = b"") -> bytes:
    """A document whose one field `a` has this value."""
    return document(field("a", kind, raw))


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<i", len(raw) + 1) + raw + b"\0"


def binary(subtype: int, content: bytes) -> bytes:
    return struct.pack("<i", len(content)) + bytes([subtype]) + content


def array(*values: tuple[str, bytes]) -> bytes:
    return document(*(field(str(index), *value) for index, value in enumerate(values)))


def code_with_scope(code: str | bytes, scope: bytes) -> bytes:
    body = string(code) + scope
    return struct.pack("<i", len(body) + 4) + body


def nested(levels: int, kind: str = "document") -> bytes:
    """A document of so many levels, the outermost included."""
    inner = document()
    for _ in range(levels - 1):
        inner = document(field("0", kind, inner))
    return inner


def packed(layout: str) -> Callable[..., bytes]:
    return struct.Struct(layout).pack


def _documents(names: st.SearchStrategy[bytes], values: st.SearchStrategy[Typed]) -> st.SearchStrategy[bytes]:
    fields = st.builds(lambda name, value: field(name, *value), names, values)
    return st.lists(fields, max_size=5).map(lambda each: document(*each))


def _typed(kinds: str, raw: st.SearchStrategy[bytes]) -> st.SearchStrategy[Typed]:
    return st.tuples(st.sampled_from(kinds.split()), raw)


def _nested(
    names: st.SearchStrategy[bytes], texts: st.SearchStrategy[bytes], scalars: st.SearchStrategy[Typed]
) -> st.SearchStrategy[bytes]:
    values = st.recursive(
        scalars,
        lambda inner: st.one_of(
            _typed("document", _documents(names, inner)),
            _typed("array", st.lists(inner, max_size=4).map(lambda each: array(*each))),
            _typed("codeWithScope", st.builds(code_with_scope, texts, _documents(names, inner))),
        ),
        max_leaves=12,
    )
    return _documents(names, values)


_characters = st.characters(exclude_categories=["Cs"])
_texts = st.text(_characters, max_size=12).map(str.encode)
_cstrings = _texts.map(lambda raw: raw.replace(b"\0", b""))
_names = st.one_of(
    st.sampled_from(["_id", "", "$type", "$ref", "a.b", "0", "ü", '"', "x" * 80]).map(str.encode),
    _cstrings.map(lambda raw: raw.lstrip(b"$")),
)
_contents = st.binary(max_size=9)
_object_ids = st.binary(min_size=12, max_size=12)
_int64s = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([7, 2**53, 2**53 + 1, -(2**53), -(2**53) - 1]),
    st.integers(0, 253_402_300_800_000),  # as dates: the years that relaxed text writes plainly
).map(packed("<q"))
_decimals = st.builds(
    lambda digits, exponent: (digits | exponent << 113).to_bytes(16, "little"),
    st.integers(0, 10**34 - 1),
    st.integers(0, 12287),
)
_regex_options = st.sets(st.sampled_from("ilmsux")).map(lambda letters: "".join(sorted(letters)).encode())
_scalars = st.one_of(
    _typed("double", st.floats(allow_nan=False).map(packed("<d"))),
    _typed("string code symbol", _texts.map(string)),
    _typed("binary", st.builds(binary, st.integers(0, 255).filter(lambda subtype: subtype != 2), _contents)),
    _typed("binary", _contents.map(lambda raw: binary(2, struct.pack("<i", len(raw)) + raw))),
    _typed("undefined null minKey maxKey", st.just(b"")),
    _typed("objectId", _object_ids),
    _typed("boolean", st.sampled_from([b"\0", b"\1"])),
    _typed("date int64", _int64s),
    _typed("timestamp", st.binary(min_size=8, max_size=8)),
    _typed(
        "regex",
        st.builds(lambda pattern, letters: b"%b\0%b\0" % (pattern, letters), _cstrings, _regex_options),
    ),
    _typed("dbPointer", st.builds(lambda text, target: string(text) + target, _texts, _object_ids)),
    _typed("int32", st.integers(-(2**31), 2**31 - 1).map(packed("<i"))),
    _typed("decimal", _decimals),
)
plain_documents = _nested(_names, _texts, _scalars)
"""Documents of every type that Extended JSON carries as it is."""

_any_bytes = st.binary(max_size=6)
_odd_scalars = st.one_of(
    _scalars,
    _typed("double", st.binary(min_size=8, max_size=8)),
    _typed("string code symbol", _any_bytes.map(string)),
    _typed("binary", st.builds(binary, st.just(2), _contents)),
    _typed("regex", st.sampled_from([b"a\0mi\0", b"a\0ii\0", b"\xff\0\0"])),
    _typed("decimal", st.binary(min_size=16, max_size=16)),
    _typed("array", plain_documents),
)
odd_documents = _nested(
    st.one_of(_names, st.sampled_from([b"$oid", b"$bson", b"$code", b"$scope", b"$date", b"\xff"])),
    st.one_of(_texts, _any_bytes),
    _odd_scalars,
)
"""Documents with what Extended JSON can't carry in them."""
