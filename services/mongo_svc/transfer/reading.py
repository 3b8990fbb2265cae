"""From the bytes of a body to documents: unpacked, taken apart into rows, each read by itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.mongo_svc import ejson
from services.mongo_svc.transfer.bounds import MAX_DOCUMENT_BYTES, Bounds
from services.mongo_svc.transfer.columns import RowReader
from services.mongo_svc.transfer.packing import MAGIC, Unpacker
from services.mongo_svc.transfer.splitting import BsonDocuments, Documents, Lines, Piece, Splitter
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is to be read."""

    name: str
    """`json`, `ndjson`, `csv` or `bson`."""
    skip_rows: int = 0
    """Rows at the beginning that are left out, unread."""
    delimiter: str = ","
    """Between the cells of a CSV file."""
    columns: Sequence[str] = field(default=())
    """Names of the columns of a CSV file whose first line is a row."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Types of columns of a CSV file by their names."""
    ignore_blanks: bool = False
    """Leave fields out whose cell is empty."""
    null_text: str = ""
    """The text of a cell that is null; empty for none."""
    with_rows: bool = False
    """Rows come with their bytes in the file."""


class Row(NamedTuple):
    """A row of a file."""

    number: int
    """From 1; the line with the columns' names is none."""
    line: int
    """Where it begins, from 1; 0 in BSON."""
    document: bytes | StudioError
    """BSON, or why there is none."""
    content: bytes = b""
    """Its bytes in the file, where they are wanted and few enough to be repeated."""


class _Head:
    """Holds the beginning of a file back until so many bytes of it are there."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """These bytes with what was held before them, or nothing yet."""
        if self._size:
            self._held += data
            return b"" if len(self._held) < self._size else self.take()
        return data

    def take(self) -> bytes:
        """What is held; nothing is from now on."""
        held, self._held, self._size = self._held, b"", 0
        return held


class Reader:
    """Reads one file.

    Args:
        format_: how.
        bounds: how much of it is kept.
    """

    def __init__(self, format_: Format, bounds: Bounds) -> None:
        self._format = format_
        self._bounds = bounds
        self._packed_head = _Head(len(MAGIC))
        self._head = _Head(0 if format_.name == "bson" else len(_BOM))
        self._unpacker: Unpacker | None = None
        self._begun = self._plain_begun = False
        self._offset = 0
        self._read_row: Callable[[bytes], bytes]
        self._splitter: Splitter
        match format_.name:
            case "bson":
                self._splitter, self._read_row = BsonDocuments(), _checked
            case "csv":
                self._splitter, self._read_row = Lines(bounds.row_bytes, quoted=True), self._csv_document
            case "ndjson":
                self._splitter, self._read_row = Lines(bounds.row_bytes), ejson.loads
            case _:
                self._splitter, self._read_row = Documents(bounds.row_bytes), ejson.loads
        self._columns: RowReader | None = None
        if format_.columns:
            self._name_columns(format_.columns)

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows that end in these bytes.

        Raises:
            StudioError: INVALID_ARGUMENT where no further row can be read.
        """
        yield from self._unpacked(self._packed_head.feed(data))

    def end(self) -> Iterator[Row]:
        """The rows that end with the file.

        Raises:
            StudioError: INVALID_ARGUMENT where it is cut off.
        """
        yield from self._unpacked(self._packed_head.take())
        if self._unpacker is not None:
            self._unpacker.end()
        yield from self._plain(self._head.take())
        yield from self._rows(self._splitter.end())

    def _unpacked(self, data: bytes) -> Iterator[Row]:
        if data and not self._begun:
            self._begun = True
            if data.startswith(MAGIC):
                self._unpacker = Unpacker(self._bounds.unpacked_bytes)
        for part in [data] if self._unpacker is None else self._unpacker.unpack(data):
            yield from self._plain(self._head.feed(part))

    def _plain(self, data: bytes) -> Iterator[Row]:
        if data and not self._plain_begun:
            self._plain_begun = True
            if self._format.name != "bson":
                data = data.removeprefix(_BOM)
        if data:
            yield from self._rows(self._splitter.feed(data))

    def _rows(self, pieces: Iterator[Piece]) -> Iterator[Row]:
        for piece in pieces:
            if self._format.name == "csv" and self._columns is None:
                self._name_columns(self._cells(piece.content))
                self._offset = 1
                continue
            number = piece.row - self._offset
            if number <= self._format.skip_rows:
                continue
            is_kept = self._format.with_rows and len(piece.content) <= self._bounds.failed_row_bytes
            kept = piece.content if is_kept else b""
            yield Row(number, piece.line, self._document(piece.content), kept)

    def _document(self, content: bytes) -> bytes | StudioError:
        try:
            document = self._read_row(content)
        except StudioError as error:
            return error
        if len(document) > MAX_DOCUMENT_BYTES:
            return StudioError(
                ERROR_REASON_INVALID_ARGUMENT, f"The document has more than {MAX_DOCUMENT_BYTES} bytes."
            )
        return document

    def _name_columns(self, names: Sequence[str]) -> None:
        if len(names) > self._bounds.columns:
            raise invalid_argument("columns", f"are more than {self._bounds.columns}")
        wanted = self._format
        self._columns = RowReader(
            names, wanted.types, ignore_blanks=wanted.ignore_blanks, null_text=wanted.null_text
        )

    def _csv_document(self, content: bytes) -> bytes:
        if self._columns is None:
            raise RuntimeError("a row came before the columns were known")
        return self._columns.document(self._cells(content))

    def _cells(self, content: bytes) -> list[str]:
        try:
            # What isn't UTF-8 is kept as it is, for the column that holds it to refuse.
            text = content.decode("utf-8", "surrogateescape")
            return next(csv.reader([text], delimiter=self._format.delimiter, strict=True))
        except csv.Error as error:
            raise StudioError(ERROR_REASON_INVALID_ARGUMENT, f"The row is no CSV: {error}.") from None


def _checked(document: bytes) -> bytes:
    ejson.check(document)
    return document


# Of the module as a whole, and 128 KiB where nobody says otherwise. A cell is in a row, which has a bound.
csv.field_size_limit(Bounds().row_bytes)
