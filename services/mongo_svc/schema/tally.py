"""Sums up the fields of documents, on their bytes: types, presence, values. Bounded whatever the documents hold.

Names are not merged: a document may have one twice, and a name that is not UTF-8 counts with marks in place of what
can't be read. Types have the names of `$type` (https://www.mongodb.com/docs/manual/reference/operator/query/type/).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.mongo_svc import ejson
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.schema import bounds
from services.mongo_svc.schema.values import TypeTally

Path = tuple[str, ...]

ITEMS = "[]"
"""In a path, stands for the items of an array. A field of this name looks the same, and is counted with them."""

TYPES: dict[int, str] = {
    Kind.DOUBLE: "double",
    Kind.STRING: "string",
    Kind.DOCUMENT: "object",
    Kind.ARRAY: "array",
    Kind.BINARY: "binData",
    Kind.UNDEFINED: "undefined",
    Kind.OBJECT_ID: "objectId",
    Kind.BOOLEAN: "bool",
    Kind.DATE: "date",
    Kind.NULL: "null",
    Kind.REGULAR_EXPRESSION: "regex",
    Kind.DB_POINTER: "dbPointer",
    Kind.CODE: "javascript",
    Kind.SYMBOL: "symbol",
    Kind.CODE_WITH_SCOPE: "javascriptWithScope",
    Kind.INT32: "int",
    Kind.TIMESTAMP: "timestamp",
    Kind.INT64: "long",
    Kind.DECIMAL128: "decimal",
    Kind.MAX_KEY: "maxKey",
    Kind.MIN_KEY: "minKey",
}


@dataclass(slots=True)
class Field:
    """A field, or the items of the arrays in one."""

    path: Path
    """Names from the outermost document on, `ITEMS` for a level of items."""
    count: int = 0
    """Documents around it that have it; of items, the items."""
    repeated: int = 0
    """Documents around it that have it more than once."""
    types: dict[int, TypeTally] = field(default_factory=dict)
    """Its values by their type byte."""
    parents: int = 0
    """Documents that are its values, which may have the fields below it."""

    @property
    def is_items(self) -> bool:
        """It stands for the items of an array."""
        return bool(self.path) and self.path[-1] == ITEMS

    @property
    def values(self) -> int:
        """Values of all types."""
        return sum(each.count for each in self.types.values())


@dataclass(slots=True)
class Budget:
    """What may still be kept."""

    numbers: int = bounds.MAX_NUMBERS
    value_bytes: int = bounds.MAX_VALUES_BYTES


class Tally:
    """The fields of all documents that were added."""

    def __init__(self) -> None:
        self.documents = 0
        """Documents that were added."""
        self.truncated = False
        """A bound was reached, so that something was left out."""
        self._root = Field(())
        self._fields: dict[Path, Field] = {}
        self._children: dict[Path, list[Path]] = {}
        self._budget = Budget()
        self._left = 0

    def add(self, document: bytes) -> None:
        """Adds a document.

        Raises:
            StudioError: DB_PROTOCOL_ERROR where it is no BSON.
        """
        self.documents += 1
        self._left = bounds.MAX_DOCUMENT_VALUES
        self._document(self._root, document)

    def fields(self) -> Iterator[tuple[Field, int]]:
        """Each field with the number of documents that could have it, a field before those inside it."""
        return self._below(self._root)

    def children(self, parent: Path) -> Iterator[Field]:
        """The fields directly below a path; the empty one is the document itself."""
        return (self._fields[path] for path in self._children.get(parent, ()))

    def _below(self, parent: Field) -> Iterator[tuple[Field, int]]:
        for each in self.children(parent.path):
            yield each, each.count if each.is_items else parent.parents
            yield from self._below(each)

    def _document(self, parent: Field, document: bytes) -> int:
        parent.parents += 1
        seen: dict[bytes, bool] = {}
        size = 0
        for element in ejson.elements(document):
            if not self._take():
                break
            size += 1
            found = self._field(parent.path, element.name.decode("utf-8", "replace")[: bounds.MAX_NAME])
            if found is None:
                continue
            if element.name not in seen:
                seen[element.name] = False
                found.count += 1
            elif not seen[element.name]:
                seen[element.name] = True
                found.repeated += 1
            self._value(found, element.kind, element.raw)
        return size

    def _array(self, parent: Field, array: bytes) -> int:
        size = 0
        for element in ejson.elements(array):
            if size >= bounds.MAX_ITEMS or not self._take():
                self.truncated = True
                break
            size += 1
            found = self._field(parent.path, ITEMS)
            if found is not None:
                found.count += 1
                self._value(found, element.kind, element.raw)
        return size

    def _value(self, found: Field, kind: int, raw: bytes) -> None:
        tally = found.types.get(kind)
        if tally is None:
            tally = found.types[kind] = TypeTally(kind, self._budget)
        if kind not in (Kind.DOCUMENT, Kind.ARRAY):
            tally.add(raw)
        elif len(found.path) >= bounds.MAX_DEPTH:
            self.truncated = True
            tally.count += 1
        else:
            into = self._document if kind == Kind.DOCUMENT else self._array
            tally.add_nested(into(found, raw), raw)

    def _field(self, parent: Path, name: str) -> Field | None:
        path = (*parent, name)
        found = self._fields.get(path)
        if found is None:
            if len(self._fields) >= bounds.MAX_FIELDS:
                self.truncated = True
                return None
            found = self._fields[path] = Field(path)
            self._children.setdefault(parent, []).append(path)
        return found

    def _take(self) -> bool:
        self._left -= 1
        if self._left < 0:
            self.truncated = True
        return self._left >= 0
