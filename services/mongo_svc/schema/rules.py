"""Takes validation rules apart into single ones, to ask the server which of them a document breaks.

The server judges, not this code: each clause is a query of its own, with the same meaning as in the rules as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from services.mongo_svc import ejson, terms
from services.mongo_svc.ejson import Element, Value
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.schema.bounds import MAX_CLAUSES

Wrap = Callable[[bytes], bytes]
"""Puts a schema where it stood in the whole."""

_ANNOTATIONS: Final = frozenset({b"title", b"description", b"exclusiveMinimum", b"exclusiveMaximum"})
"""They ask for nothing by themselves."""
_WITH: Final[dict[bytes, tuple[bytes, ...]]] = {
    b"minimum": (b"exclusiveMinimum",),
    b"maximum": (b"exclusiveMaximum",),
    b"additionalProperties": (b"properties", b"patternProperties"),
    b"additionalItems": (b"items",),
}
"""What a keyword means depends on these beside it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A single rule."""

    path: str
    """The field that it is about: `address.city`; empty for the document as a whole."""
    rule: str
    """Its name: `bsonType`."""
    wanted: Value
    """What it asks for."""
    query: bytes
    """BSON: a query that documents match which keep it."""


def clauses(validator: bytes) -> list[Clause]:
    """The single rules of a validator, as many as are bounded."""
    return list(islice(_of_query(validator), MAX_CLAUSES))


def _of_query(query: bytes) -> Iterator[Clause]:
    for element in ejson.elements(query):
        if element.name == b"$jsonSchema" and element.kind == Kind.DOCUMENT:
            yield from _of_schema(element.raw, _as_query, "")
        elif element.name == b"$and" and element.kind == Kind.ARRAY:
            for each in ejson.elements(element.raw):
                if each.kind == Kind.DOCUMENT:
                    yield from _of_query(each.raw)
        else:
            name = element.name.decode("utf-8", "replace")
            is_field = not name.startswith("$")
            yield Clause(
                path=name if is_field else "",
                rule="query" if is_field else name,
                wanted=element.value,
                query=ejson.build([element]),
            )


def _as_query(schema: bytes) -> bytes:
    return _holding(b"$jsonSchema", schema)


def _of_schema(schema: bytes, wrap: Wrap, path: str) -> Iterator[Clause]:
    keywords = {element.name: element for element in ejson.elements(schema)}
    for name, element in keywords.items():
        if name in _ANNOTATIONS:
            continue
        if name == b"properties" and element.kind == Kind.DOCUMENT:
            yield from _of_properties(element.raw, wrap, path)
        elif name == b"items" and element.kind == Kind.DOCUMENT:
            yield from _of_schema(element.raw, _inside(wrap, b"items"), f"{path}[]")
        elif name == b"required" and element.kind == Kind.ARRAY:
            yield from _of_required(element.raw, wrap, path)
        else:
            beside = [_beside(keywords[each]) for each in _WITH.get(name, ()) if each in keywords]
            yield Clause(
                path, name.decode("utf-8", "replace"), element.value, wrap(ejson.build([element, *beside]))
            )


def _of_properties(properties: bytes, wrap: Wrap, path: str) -> Iterator[Clause]:
    for element in ejson.elements(properties):
        if element.kind == Kind.DOCUMENT:
            inside = _inside(_inside(wrap, b"properties"), element.name)
            yield from _of_schema(element.raw, inside, _joined(path, element.name))


def _of_required(names: bytes, wrap: Wrap, path: str) -> Iterator[Clause]:
    for element in ejson.elements(names):
        only = ejson.build([Element(element.kind, b"0", element.raw)])
        schema = ejson.build([Element(Kind.ARRAY, b"required", only)])
        name = element.raw[4:-1] if element.kind == Kind.STRING else b""
        yield Clause(_joined(path, name), "required", element.value, wrap(schema))


def _beside(element: Element) -> Element:
    """What a keyword depends on, without what that asks for itself."""
    if element.name not in (b"properties", b"patternProperties"):
        return element
    empty = [Element(Kind.DOCUMENT, each.name, terms.EMPTY) for each in ejson.elements(element.raw)]
    return Element(Kind.DOCUMENT, element.name, ejson.build(empty))


def _inside(wrap: Wrap, name: bytes) -> Wrap:
    return lambda schema: wrap(_holding(name, schema))


def _holding(name: bytes, document: bytes) -> bytes:
    return ejson.build([Element(Kind.DOCUMENT, name, document)])


def _joined(path: str, name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return f"{path}.{text}" if path else text
