"""Asking for the sort key beside what was asked for, and taking it out of the answer again.

A position needs the values of the sort key, also where the projection leaves them out. Where the server can't give both
(`{"a.b": 1}` sorted by `a`, an expression in the place of a sort key), positions are counted instead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.mongo_svc import ejson, terms
from services.mongo_svc.ejson import Element
from services.mongo_svc.ejson.layout import Kind

_PLAIN = frozenset({Kind.DOUBLE, Kind.INT32, Kind.INT64, Kind.BOOLEAN})


@dataclass(frozen=True, slots=True)
class Adapted:
    """A projection that gives the sort key, too."""

    projection: bytes
    """What the server is asked for; empty for all."""
    extra: tuple[bytes, ...] = ()
    """Paths that were not asked for."""

    def strip(self, document: bytes) -> bytes:
        """The document as it was asked for."""
        return without(document, [path.split(b".") for path in self.extra]) if self.extra else document


def adapt(projection: bytes, paths: Iterable[bytes]) -> Adapted | None:
    """A projection that gives these paths whole, too; None where there is none.

    Args:
        projection: what the user asked for; empty for all.
        paths: what is needed.
    """
    if projection == terms.EMPTY:
        return Adapted(projection)
    fields = list(ejson.elements(projection))
    if any(each.name.endswith(b".$") for each in fields):
        return None  # by the position that the filter matched, and ours would be another filter
    extra: list[bytes] = []
    for path in paths:
        # The `_id` comes unless something is said of it.
        if path != b"_id" or _related(fields, path):
            adapted = _with_path(fields, path)
            if adapted is None:
                return None
            fields, more = adapted
            extra += more
    return Adapted(ejson.build(fields), tuple(extra))


def _related(fields: Sequence[Element], path: bytes) -> list[Element]:
    return [
        each
        for each in fields
        if each.name == path or each.name.startswith(path + b".") or path.startswith(each.name + b".")
    ]


def _with_path(fields: list[Element], path: bytes) -> tuple[list[Element], list[bytes]] | None:
    """The projection with the path, and what it gives too much."""
    related = _related(fields, path)
    if not all(_is_plain(each) for each in related):
        return None
    if related and not any(
        _is_on(each) for each in related
    ):  # left out: not by the server, but of what comes
        return [each for each in fields if each not in related], [each.name for each in related]
    if related:
        is_whole = len(related) == 1 and not related[0].name.startswith(path + b".")
        return (fields, []) if is_whole else None
    picks = _picks(fields)
    if picks is None:
        return None
    if not picks:
        return fields, []
    return [*fields, Element(Kind.INT32, path, terms.int32(1).raw)], [_outermost(fields, path)]


def _outermost(fields: Sequence[Element], path: bytes) -> bytes:
    """What comes with a path and would not without it: of `a.b` all of `a`, where nothing else of that is wanted."""
    names = path.split(b".")
    for length in range(1, len(names)):
        outer = b".".join(names[:length])
        if not any(each.name.startswith(outer + b".") for each in fields):
            return outer
    return path


def _picks(fields: Sequence[Element]) -> bool | None:
    """Whether a projection names the fields to give, not those to leave out; None where only the server knows."""
    plain = [each for each in fields if _is_plain(each)]
    others = [each for each in plain if each.name != b"_id"]
    if others:
        return any(_is_on(each) for each in others)
    return _is_on(plain[0]) if len(plain) == len(fields) == 1 else None


def _is_plain(element: Element) -> bool:
    return element.kind in _PLAIN


def _is_on(element: Element) -> bool:
    if element.kind == Kind.DOUBLE:
        return bool(struct.unpack("<d", element.raw)[0] != 0)
    return any(element.raw)


def without(document: bytes, paths: Sequence[Sequence[bytes]]) -> bytes:
    """A document without the fields at these paths, also those of documents in arrays."""
    kept = []
    for each in ejson.elements(document):
        below = [path[1:] for path in paths if path[0] == each.name]
        if not below:
            kept.append(each)
        elif all(below):
            kept.append(_below(each, below))
    return ejson.build(kept)


def _below(element: Element, paths: Sequence[Sequence[bytes]]) -> Element:
    if element.kind == Kind.DOCUMENT:
        return Element(element.kind, element.name, without(element.raw, paths))
    if element.kind == Kind.ARRAY:
        return Element(
            element.kind,
            element.name,
            ejson.build(_below(each, paths) for each in ejson.elements(element.raw)),
        )
    return element
