"""Where the rows of a file begin and end, found while it arrives: no more is kept than the row that isn't whole yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from services.mongo_svc.transfer.bounds import MAX_DOCUMENT_BYTES
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT

_BSON_SLACK = 16 * 1024
"""Bytes that servers allow on top of 16 MiB for what they store themselves; a dump may hold such documents."""
_MIN_BSON = 5


class Piece(NamedTuple):
    """A row as it stands in the file."""

    row: int
    """Its number, from 1."""
    line: int
    """Number of the line where it begins, from 1; 0 where there are no lines."""
    content: bytes
    """Its bytes."""


class Splitter(Protocol):
    """Takes a file apart."""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The rows that end in these bytes.

        Raises:
            StudioError: INVALID_ARGUMENT where no further row can be told.
        """

    def end(self) -> Iterator[Piece]:
        """Says that nothing more comes; the last row, where nothing stands behind it.

        Raises:
            StudioError: INVALID_ARGUMENT where the file is cut off.
        """


class Lines:
    """A row a line, blank ones left out: NDJSON.

    With `quoted` also CSV, where a row goes on behind a line that leaves a quote open.

    Args:
        at_most: bytes of a row.
        quoted: lines may end inside of quotes.
    """

    def __init__(self, at_most: int, *, quoted: bool = False) -> None:
        self._at_most = at_most
        self._quoted = quoted
        self._buffer = bytearray()
        self._row = 0
        self._line = 1
        self._seen = 0
        self._open = False
        self._lines_inside = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The rows that end in these bytes."""
        buffer = self._buffer
        buffer += data
        begin = 0
        while (end := buffer.find(b"\n", self._seen)) >= 0:
            if self._quoted and buffer.count(b'"', self._seen, end) & 1:
                self._open = not self._open
            self._seen = end + 1
            if self._open:
                self._lines_inside += 1
                continue
            yield from self._piece(bytes(buffer[begin:end]))
            begin = end + 1
        if self._quoted and buffer.count(b'"', self._seen) & 1:
            self._open = not self._open
        del buffer[:begin]
        self._seen = len(buffer)
        if len(buffer) > self._at_most:
            raise _too_long(
                self._row + 1, self._line, self._at_most, "a quote may be missing" if self._open else ""
            )

    def end(self) -> Iterator[Piece]:
        """The last line, where no newline ends it."""
        if self._open:
            raise StudioError(
                ERROR_REASON_INVALID_ARGUMENT,
                f"Row {self._row + 1}, which begins in line {self._line}, has a quote that is never closed.",
            )
        last = bytes(self._buffer)
        self._buffer.clear()
        yield from self._piece(last)

    def _piece(self, content: bytes) -> Iterator[Piece]:
        line = self._line
        self._line += 1 + self._lines_inside
        self._lines_inside = 0
        content = content.removesuffix(b"\r")
        if content.strip():
            self._row += 1
            yield Piece(self._row, line, content)


class Documents:
    """JSON objects: the elements of one array, or one behind the other.

    Only strings and brackets are looked at; whether an object is right is told when it is read.

    Args:
        at_most: bytes of a row.
    """

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._buffer = bytearray()
        self._place = "begin"
        self._seen = 0
        self._depth = 0
        self._in_string = False
        self._row = 0
        self._line = 1

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The objects that end in these bytes."""
        buffer = self._buffer
        buffer += data
        while True:
            if not self._depth and not self._find_begin():
                break
            if not self._find_end():
                break
            content = bytes(buffer[: self._seen])
            del buffer[: self._seen]
            self._seen = 0
            line = self._line
            self._line += content.count(b"\n")
            self._row += 1
            yield Piece(self._row, line, content)
        if len(buffer) > self._at_most:
            raise _too_long(self._row + 1, self._line, self._at_most, "a quote or a bracket may be missing")

    def end(self) -> Iterator[Piece]:
        """Nothing more: an object ends by itself."""
        if self._depth:
            raise StudioError(
                ERROR_REASON_INVALID_ARGUMENT,
                f"The file ends inside of row {self._row + 1}, which begins in line {self._line}.",
            )
        if self._place in _ARRAY_PLACES:
            raise StudioError(
                ERROR_REASON_INVALID_ARGUMENT,
                f"The array ends behind row {self._row} without a closing bracket.",
            )
        return iter(())

    def _find_begin(self) -> bool:
        """Leaves out what stands between objects; whether one begins."""
        buffer = self._buffer
        at, length = 0, len(buffer)
        found = False
        while not found:
            at = _end(_SPACE, buffer, at)
            if at == length:
                break
            byte = buffer[at]
            place = _NEXT.get((self._place, byte))
            if place is None:
                raise self._out_of_place(byte, self._line + buffer.count(b"\n", 0, at))
            self._place = place
            found = byte == _OPEN
            at += 0 if found else 1
        self._line += buffer.count(b"\n", 0, at)
        del buffer[:at]
        if found:
            self._depth, self._seen = 1, 1
        return found

    def _find_end(self) -> bool:
        """Goes on through an object; whether it ends."""
        buffer = self._buffer
        at, length, depth = self._seen, len(buffer), self._depth
        while depth:
            # A match must not outlive this method: a buffer can't shrink while there is one of it.
            found = (_IN_STRING if self._in_string else _OUTSIDE).search(buffer, at)
            if found is None:
                at = length
                break
            at, after = found.span()
            byte = buffer[at]
            if byte == _BACKSLASH:
                if after == length:
                    break  # in the middle of an escape
                after += 1
            elif byte == _QUOTE:
                self._in_string = not self._in_string and after - at == 1
            else:
                depth += 1 if byte in _OPENING else -1
            at = after
        self._seen, self._depth = at, depth
        return not depth

    def _out_of_place(self, byte: int, line: int) -> StudioError:
        shown = ascii(chr(byte))
        if self._place == "end":
            message = f"Something stands behind the array, in line {line}: {shown}."
        elif self._place in _ARRAY_PLACES:
            message = (
                f"Behind row {self._row}, in line {line}, {shown} stands where the array can't go on with it."
            )
        else:
            message = f"Row {self._row + 1}, in line {line}, is no JSON object: it begins with {shown}."
        return StudioError(ERROR_REASON_INVALID_ARGUMENT, message)


class BsonDocuments:
    """BSON documents one behind the other, as in the `.bson` file of a dump."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._row = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The documents that end in these bytes."""
        buffer = self._buffer
        buffer += data
        begin = 0
        while len(buffer) - begin >= _MIN_BSON:
            size = int.from_bytes(buffer[begin : begin + 4], "little", signed=True)
            if not _MIN_BSON <= size <= MAX_DOCUMENT_BYTES + _BSON_SLACK:
                raise StudioError(
                    ERROR_REASON_INVALID_ARGUMENT,
                    f"Row {self._row + 1} is no BSON document: it would have {size} bytes.",
                )
            if len(buffer) - begin < size:
                break
            self._row += 1
            yield Piece(self._row, 0, bytes(buffer[begin : begin + size]))
            begin += size
        del buffer[:begin]

    def end(self) -> Iterator[Piece]:
        """Nothing more: a document ends by itself."""
        if self._buffer:
            raise StudioError(ERROR_REASON_INVALID_ARGUMENT, f"The file ends inside of row {self._row + 1}.")
        return iter(())


_QUOTE, _BACKSLASH, _OPEN = b'"\\{'
_OPENING = b"{["
# No possessive quantifiers: those of Python 3.11.2, which Debian 12 has, match wrongly.
_SPACE = re.compile(rb"[ \t\r\n]*")
_OUTSIDE = re.compile(rb'"[^"\\]*"|["{}\[\]]')
"""A whole string without escapes, the beginning of any other, or a bracket."""
_IN_STRING = re.compile(rb'["\\]')
_ARRAY_PLACES = frozenset({"first", "next", "after"})
# What may stand where, between objects: https://www.rfc-editor.org/rfc/rfc8259#section-5.
_NEXT = {
    ("begin", ord("[")): "first",
    ("begin", ord("{")): "sequence",
    ("sequence", ord("{")): "sequence",
    ("first", ord("{")): "after",
    ("first", ord("]")): "end",
    ("after", ord(",")): "next",
    ("after", ord("]")): "end",
    ("next", ord("{")): "after",
}


def _end(expression: re.Pattern[bytes], buffer: bytearray, at: int) -> int:
    """Where a match ends that may be empty. Not kept: a buffer can't shrink while there is a match of it."""
    match = expression.match(buffer, at)
    return match.end() if match else at


def _too_long(row: int, line: int, at_most: int, hint: str) -> StudioError:
    because = f": {hint}" if hint else ""
    return StudioError(
        ERROR_REASON_INVALID_ARGUMENT,
        f"Row {row}, which begins in line {line}, is longer than {at_most} bytes{because}.",
    )
