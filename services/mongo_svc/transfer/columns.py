"""Columns of a CSV file, dotted into documents: which there are, a document as a row, a row as a document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from services.mongo_svc import ejson
from services.mongo_svc.ejson import Value
from services.mongo_svc.transfer import cells
from services.mongo_svc.transfer.bounds import Bounds
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT

_DOCUMENT = 0x03
_MISSING = object()
_NO_UTF8 = re.compile("[\ud800-\udfff]")
"""What stands for a byte that was not UTF-8."""

Tree = dict[str, "Tree | int"]
"""Names of fields, to the number of a column or to the fields of a document."""


def found_in(documents: Iterable[Mapping[str, Any]], bounds: Bounds) -> list[str]:
    """The columns of these documents, in the order in which they are met; fields of documents in them are dotted.

    Raises:
        StudioError: INVALID_ARGUMENT where there are too many.
    """
    found: dict[str, None] = {}
    for document in documents:
        _collect(document, "", bounds.column_levels, found)
        if len(found) > bounds.columns:
            raise invalid_argument(
                "fields", f"must be given: the documents have more than {bounds.columns} fields"
            )
    # A field that is a document here and something else there is one column.
    return [name for name in found if not _is_inside(name, found)]


def _collect(document: Mapping[str, Any], prefix: str, levels: int, found: dict[str, None]) -> None:
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and levels > 1:
            _collect(value, f"{path}.", levels - 1, found)
        else:
            found[path] = None


def _is_inside(name: str, found: Mapping[str, None]) -> bool:
    end = name.find(".")
    while end >= 0:
        if name[:end] in found:
            return True
        end = name.find(".", end + 1)
    return False


class RowWriter:
    """Documents as rows.

    Args:
        fields: the columns.
        guard: write a quote before what a spreadsheet would take for a formula.
    """

    def __init__(self, fields: Sequence[str], *, guard: bool) -> None:
        self._paths = [(name, tuple(name.split("."))) for name in fields]
        self._guard = guard

    def row(self, document: Mapping[str, Any]) -> list[str]:
        """The cells of a document."""
        return [cells.text(_value(document, *path), guard=self._guard) for path in self._paths]


def _value(document: Mapping[str, Any], name: str, path: Sequence[str]) -> object:
    value: Any = document.get(name, _MISSING)  # also of a name that holds a dot itself
    if value is not _MISSING or len(path) == 1:
        return None if value is _MISSING else value
    value = document
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


class RowReader:
    """Rows as documents.

    Args:
        names: the columns.
        types: the type of a column by its name; those that are not named are `auto`.
        ignore_blanks: leave fields out whose cell is empty.
        null_text: the text of a cell that is null; empty for none.

    Raises:
        StudioError: INVALID_ARGUMENT where the columns make no document, or a type is none or of no column.
    """

    def __init__(
        self, names: Sequence[str], types: Mapping[str, str], *, ignore_blanks: bool, null_text: str
    ) -> None:
        self._tree = _tree(names)
        self._names = names
        self._ignore_blanks = ignore_blanks
        self._null_text = null_text
        for name, type_ in types.items():
            if name not in names:
                raise invalid_argument("types", f"the file has no column {name[:64]!r}")
            if type_.lower() not in cells.TYPES:
                raise invalid_argument(
                    "types", f"there is no type {type_[:64]!r}: one of {', '.join(cells.TYPES)}"
                )
        self._readers: list[Callable[[str], Value]] = [
            cells.TYPES[types.get(name, "auto").lower()] for name in names
        ]

    def document(self, row: Sequence[str]) -> bytes:
        """The document of a row.

        Raises:
            StudioError: INVALID_ARGUMENT, with the column that is wrong.
        """
        if len(row) != len(self._names):
            raise StudioError(
                ERROR_REASON_INVALID_ARGUMENT,
                f"The row has {len(row)} cells, the file {len(self._names)} columns.",
            )
        return self._build(self._tree, row) or ejson.build(())

    def _build(self, tree: Tree, row: Sequence[str]) -> bytes:
        fields: list[tuple[int, bytes, bytes]] = []
        for name, place in tree.items():
            if isinstance(place, int):
                value = self._value(place, row[place])
                if value is not None:
                    fields.append((value.kind, name.encode(), value.raw))
            elif inner := self._build(place, row):
                fields.append((_DOCUMENT, name.encode(), inner))
        return ejson.build(fields) if fields else b""

    def _value(self, place: int, cell: str) -> Value | None:
        if self._null_text and cell == self._null_text:
            return cells.NULL
        if not cell and self._ignore_blanks:
            return None
        try:
            return self._readers[place](cell)
        except cells.CellError as error:
            raise StudioError(
                ERROR_REASON_INVALID_ARGUMENT, f"Column {self._names[place][:64]!r}: {cell[:12]!r} {error}."
            ) from None


def _tree(names: Sequence[str]) -> Tree:
    root: Tree = {}
    for place, name in enumerate(names):
        *parents, last = name.split(".")
        tree: Tree | int = root
        for parent in parents:
            tree = tree.setdefault(parent, {}) if isinstance(tree, dict) else place
        if not isinstance(tree, dict) or last in tree:
            raise invalid_argument(
                "columns", f"{name[:64]!r} is there twice, or is a field and a document at once"
            )
        if "" in (last, *parents) or "\0" in name or _NO_UTF8.search(name):
            raise invalid_argument("columns", f"column {place + 1} has no usable name")
        tree[last] = place
    return root
