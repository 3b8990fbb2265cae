"""How BSON lies in memory: where values end, which types there are, documents apart and together.

https://bsonspec.org/spec.html. Checked is what MongoDB's servers check of documents that they are sent: lengths,
terminators, types, booleans, depth. Text need not be UTF-8, and the names in an array are not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from services.mongo_svc.ejson.bounds import MAX_DEPTH
from services.mongo_svc.ejson.problems import ContentError


class Kind(IntEnum):
    """The types of BSON by the byte that stands before a name."""

    DOUBLE = 0x01
    STRING = 0x02
    DOCUMENT = 0x03
    ARRAY = 0x04
    BINARY = 0x05
    UNDEFINED = 0x06
    OBJECT_ID = 0x07
    BOOLEAN = 0x08
    DATE = 0x09
    NULL = 0x0A
    REGULAR_EXPRESSION = 0x0B
    DB_POINTER = 0x0C
    CODE = 0x0D
    SYMBOL = 0x0E
    CODE_WITH_SCOPE = 0x0F
    INT32 = 0x10
    TIMESTAMP = 0x11
    INT64 = 0x12
    DECIMAL128 = 0x13
    MAX_KEY = 0x7F
    MIN_KEY = 0xFF


class Value(NamedTuple):
    """A value without a name."""

    kind: int
    """Its type byte, one of `Kind`."""
    raw: bytes
    """Its bytes as they stand in a document."""


class Element(NamedTuple):
    """A field of a document."""

    kind: int
    """Its type byte, one of `Kind`."""
    name: bytes
    """Its name as it stands in the document: UTF-8, where the one who wrote it kept the rules."""
    raw: bytes
    """The bytes of its value."""

    @property
    def value(self) -> Value:
        """The value without the name."""
        return Value(self.kind, self.raw)


BYTE: Final = tuple(bytes([each]) for each in range(256))
"""A byte by its number."""
MIN_DOCUMENT: Final = 5
"""Bytes of an empty document."""
_MIN_CODE_WITH_SCOPE: Final = 4 + 5 + MIN_DOCUMENT
OBJECT_ID_SIZE: Final = 12
_FIXED: Final[dict[int, int]] = {
    Kind.DOUBLE: 8,
    Kind.UNDEFINED: 0,
    Kind.OBJECT_ID: OBJECT_ID_SIZE,
    Kind.DATE: 8,
    Kind.NULL: 0,
    Kind.INT32: 4,
    Kind.TIMESTAMP: 8,
    Kind.INT64: 8,
    Kind.DECIMAL128: 16,
    Kind.MAX_KEY: 0,
    Kind.MIN_KEY: 0,
}
pack_int32: Final[Callable[[int], bytes]] = struct.Struct("<i").pack
unpack_int32: Final[Callable[[bytes, int], tuple[int]]] = struct.Struct("<i").unpack_from


def too_deep() -> ContentError:
    """The error for documents and arrays in too many others."""
    return ContentError(f"is nested deeper than {MAX_DEPTH} levels")


def value_end(data: bytes, kind: int, start: int, limit: int) -> int:
    """Where the value that begins at `start` ends; documents in it are not looked into.

    Raises:
        ContentError: it is malformed, or would end after `limit`.
    """
    size = _FIXED.get(kind)
    if size is None:
        measure = _ENDS.get(kind)
        if measure is None:
            raise ContentError(f"has a type that BSON doesn't have, 0x{kind:02x}")
        return measure(data, start, limit)
    if start + size > limit:
        raise ContentError("is cut off")
    return start + size


def document_end(data: bytes, start: int, limit: int) -> int:
    """Where the document that begins at `start` ends, by its length and its terminator.

    Raises:
        ContentError: it is malformed, or would end after `limit`.
    """
    size = _size(data, start, limit)
    end = start + size
    if size < MIN_DOCUMENT or end > limit or data[end - 1]:
        raise ContentError("is not a BSON document: its length is wrong")
    return end


def _boolean_end(data: bytes, start: int, limit: int) -> int:
    if start >= limit or data[start] > 1:
        raise ContentError("is a boolean that is neither true nor false")
    return start + 1


def _binary_end(data: bytes, start: int, limit: int) -> int:
    size = _size(data, start, limit)
    end = start + 5 + size
    if size < 0 or end > limit:
        raise ContentError("is binary data of a wrong length")
    return end


def _regular_expression_end(data: bytes, start: int, limit: int) -> int:
    return name_end(data, name_end(data, start, limit) + 1, limit) + 1


def _db_pointer_end(data: bytes, start: int, limit: int) -> int:
    end = _string_end(data, start, limit) + OBJECT_ID_SIZE
    if end > limit:
        raise ContentError("is cut off")
    return end


def _code_with_scope_end(data: bytes, start: int, limit: int) -> int:
    size = _size(data, start, limit)
    end = start + size
    if size < _MIN_CODE_WITH_SCOPE or end > limit:
        raise ContentError("is code of a wrong length")
    if document_end(data, _string_end(data, start + 4, end), end) != end:
        raise ContentError("is code whose parts don't fill its length")
    return end


def _string_end(data: bytes, start: int, limit: int) -> int:
    size = _size(data, start, limit)
    end = start + 4 + size
    if size < 1 or end > limit or data[end - 1]:
        raise ContentError("is a string of a wrong length")
    return end


def _size(data: bytes, start: int, limit: int) -> int:
    if start + 4 > limit:
        raise ContentError("is cut off")
    return unpack_int32(data, start)[0]


def name_end(data: bytes, start: int, limit: int) -> int:
    """Where the text that begins at `start` and ends with a NUL has its NUL.

    Raises:
        ContentError: there is none before `limit`.
    """
    end = data.find(0, start, limit)
    if end < 0:
        raise ContentError("has a name or an expression without an end")
    return end


_ENDS: Final[dict[int, Callable[[bytes, int, int], int]]] = {
    Kind.STRING: _string_end,
    Kind.DOCUMENT: document_end,
    Kind.ARRAY: document_end,
    Kind.BINARY: _binary_end,
    Kind.BOOLEAN: _boolean_end,
    Kind.REGULAR_EXPRESSION: _regular_expression_end,
    Kind.DB_POINTER: _db_pointer_end,
    Kind.CODE: _string_end,
    Kind.SYMBOL: _string_end,
    Kind.CODE_WITH_SCOPE: _code_with_scope_end,
}
_NESTED: Final = frozenset([0x03, 0x04])
_CODE_WITH_SCOPE: Final = 0x0F


def check_value(kind: int, data: bytes, start: int, limit: int, depth: int) -> int:
    """Checks a value and all in it.

    Args:
        kind: its type byte.
        data: what it lies in.
        start: where it begins.
        limit: where it has to end at the latest.
        depth: how many documents and arrays it lies in.

    Returns:
        Where it ends.

    Raises:
        ContentError: it is malformed, or nested too deeply.
    """
    end = value_end(data, kind, start, limit)
    if kind in _NESTED:
        _check_fields(data, start, end, depth + 1)
    elif kind == _CODE_WITH_SCOPE:
        _check_fields(data, _string_end(data, start + 4, end), end, depth + 1)
    return end


def _check_fields(data: bytes, start: int, end: int, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise too_deep()
    position, last = start + 4, end - 1
    while position < last:
        kind = data[position]
        stop = name_end(data, position + 1, last)
        try:
            position = check_value(kind, data, stop + 1, last, depth)
        except ContentError as problem:
            problem.within(data[position + 1 : stop])
            raise


def check_document(document: bytes) -> None:
    """Checks that the bytes are one document, and all in it.

    Raises:
        ContentError: they are not.
    """
    try:
        end = check_value(Kind.DOCUMENT, document, 0, len(document), 0)
    except RecursionError:
        # The levels are counted, but the caller may have used up most of the stack.
        raise too_deep() from None
    if end != len(document):
        raise ContentError("is followed by bytes that don't belong to it")


def check(document: bytes, *, what: str = "the document") -> None:
    """Checks BSON that a user sent.

    Raises:
        StudioError: INVALID_ARGUMENT where it is malformed or nested too deeply.
    """
    try:
        check_document(document)
    except ContentError as problem:
        raise problem.as_user_error(what) from None


def elements(document: bytes, *, what: str = "the document") -> Iterator[Element]:
    """The fields of a document in their order; documents in it are not looked into.

    Raises:
        StudioError: DB_PROTOCOL_ERROR where it is malformed, once what comes before was handed out.
    """
    name = b""
    try:
        limit = document_end(document, 0, len(document)) - 1
        position = 4
        while position < limit:
            kind = document[position]
            stop = name_end(document, position + 1, limit)
            name = document[position + 1 : stop]
            position = value_end(document, kind, stop + 1, limit)
            yield Element(kind, name, document[stop + 1 : position])
    except ContentError as problem:
        if name:
            problem.within(name)
        raise problem.as_engine_error(what) from None


def build(fields: Iterable[tuple[int, bytes, bytes]]) -> bytes:
    """A document of fields, which may be `Element`s: type byte, name, bytes of the value.

    Raises:
        ValueError: a name holds a NUL.
    """
    parts: list[bytes] = []
    for kind, name, raw in fields:
        if 0 in name:
            raise ValueError("the name of a field can't hold a NUL")
        parts += (BYTE[kind], name, b"\0", raw)
    body = b"".join(parts)
    return b"%b%b\0" % (pack_int32(len(body) + MIN_DOCUMENT), body)


def split(batch: bytes) -> list[bytes]:
    """Documents that stand one after the other, as PyMongo's `find_raw_batches` gives them.

    Raises:
        StudioError: DB_PROTOCOL_ERROR where the lengths don't add up.
    """
    documents = []
    position, limit = 0, len(batch)
    try:
        while position < limit:
            end = document_end(batch, position, limit)
            documents.append(batch[position:end])
            position = end
    except ContentError as problem:
        problem.within(len(documents))
        raise problem.as_engine_error("the batch") from None
    return documents
