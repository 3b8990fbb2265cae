"""How documents become a file: JSON, NDJSON, CSV, BSON. Each writes what it is given and keeps nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Protocol

import bson

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Mode
from services.mongo_svc.transfer.cells import LOSSLESS
from services.mongo_svc.transfer.columns import RowWriter

ERROR = "$error"
"""The one field of what stands last in a file whose export failed. No stored field is called so by accident."""


class File(Protocol):
    """One format."""

    content_type: str
    """Its media type."""
    extension: str
    """How its files' names end."""

    def begin(self) -> bytes:
        """What stands before the documents."""

    def documents(self, documents: Sequence[bytes]) -> bytes:
        """These documents, behind those before."""

    def end(self) -> bytes:
        """What stands behind them."""

    def broken(self, message: str, code: str, *, retryable: bool) -> bytes:
        """What stands instead of the end where the export failed, so that the file can't be taken for a whole one."""


class Ndjson:
    """A document a line: https://github.com/ndjson/ndjson-spec."""

    content_type = "application/x-ndjson"
    extension = "ndjson"

    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def documents(self, documents: Sequence[bytes]) -> bytes:
        """A line each."""
        return b"".join(b"%b\n" % line for line in ejson.dumps_many(documents, self._mode))

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def broken(self, message: str, code: str, *, retryable: bool) -> bytes:
        """A line that says why."""
        return b"%b\n" % error_text(message, code, retryable=retryable)


class JsonArray:
    """One array, a document a line."""

    content_type = "application/json"
    extension = "json"

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._before = b"[\n"

    def begin(self) -> bytes:
        """Nothing: the bracket comes with the first document."""
        return b""

    def documents(self, documents: Sequence[bytes]) -> bytes:
        """Elements."""
        if not documents:
            return b""
        text = self._before + b",\n".join(ejson.dumps_many(documents, self._mode))
        self._before = b",\n"
        return text

    def end(self) -> bytes:
        """The closing bracket."""
        return b"[]\n" if self._before == b"[\n" else b"\n]\n"

    def broken(self, message: str, code: str, *, retryable: bool) -> bytes:
        """A last element, and no bracket behind it."""
        return self._before + error_text(message, code, retryable=retryable) + b"\n"


class Bson:
    """Documents one behind the other, as in the `.bson` file of a dump."""

    content_type = "application/bson"
    extension = "bson"

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def documents(self, documents: Sequence[bytes]) -> bytes:
        """The documents."""
        return b"".join(documents)

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def broken(self, message: str, code: str, *, retryable: bool) -> bytes:
        """A document that says why, without its last byte: as streams of raw documents end."""
        return bson.encode({ERROR: _error(message, code, retryable=retryable)})[:-1]


class Csv:
    """https://www.rfc-editor.org/rfc/rfc4180, in UTF-8.

    Args:
        fields: the columns.
        delimiter: what stands between cells.
        header: write the columns' names first.
        guard: see `cells.text`.
    """

    content_type = "text/csv; charset=utf-8"
    extension = "csv"

    def __init__(self, fields: Sequence[str], *, delimiter: str, header: bool, guard: bool) -> None:
        self._fields = fields
        self._header = header
        self._rows = RowWriter(fields, guard=guard)
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\r\n")

    def begin(self) -> bytes:
        """The columns' names."""
        if self._header:
            self._writer.writerow(self._fields)
        return self._taken()

    def documents(self, documents: Sequence[bytes]) -> bytes:
        """A row each."""
        decoded: list[dict[str, Any]] = [bson.decode(each, codec_options=LOSSLESS) for each in documents]
        self._writer.writerows(self._rows.row(each) for each in decoded)
        return self._taken()

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def broken(self, message: str, code: str, *, retryable: bool) -> bytes:
        """A cell whose quote is not closed."""
        text = error_text(message, code, retryable=retryable).replace(b'"', b'""')
        return b'"' + text + b"\r\n"

    def _taken(self) -> bytes:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode("utf-8", "replace")


def error_text(message: str, code: str, *, retryable: bool) -> bytes:
    """The error as a JSON object."""
    return json.dumps({ERROR: _error(message, code, retryable=retryable)}, ensure_ascii=False).encode()


def _error(message: str, code: str, *, retryable: bool) -> dict[str, object]:
    return {"message": message, "error_code": code, "retryable": retryable}
