"""From the bytes of a JSON or YAML document to dictionaries, lists and text, within bounds.

YAML is read by its events, not by a loader: aliases and merges of a few lines can stand for billions of values, and
tags for objects. Of YAML 1.2's core schema `true`, `false` and `null` matter here; all other scalars are text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from services.bun_proxy.discovery import bounds

_CONSTANTS: dict[str, bool | None] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip
_MERGE = "<<"
_CLAIM_CHARS = 4096
"""Somewhere in so many characters a document says what it is, broken or not."""


class UnreadableError(Exception):
    """The text is no document, or more of one than is read.

    Args:
        why: the end of a sentence.
        is_other: it is something else altogether, a web page say: not a document that is broken.
    """

    def __init__(self, why: str, *, is_other: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.is_other = is_other


def parse(body: bytes) -> Any:  # noqa: ANN401  what a document holds
    """The document. Takes time: not for the event loop.

    Raises:
        UnreadableError: it is none, too deep, or has too many values.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("is not UTF-8", is_other=True) from None
    start = text.lstrip()[:1]
    if not start or start == "<":
        raise UnreadableError("is empty" if not start else "is a web page, not JSON or YAML", is_other=True)
    try:
        return _json(text) if start in "{[" else _yaml(text)
    except UnreadableError as error:
        error.is_other = not any(name in text[:_CLAIM_CHARS] for name in ("openapi", "swagger"))
        raise


def _json(text: str) -> Any:  # noqa: ANN401  as `parse`
    if sum(map(text.count, "{[,:")) > bounds.NODES:
        _too_many()
    try:
        return json.loads(text)
    except RecursionError:
        _too_deep()
    except ValueError as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableError(f"is not valid JSON{where}") from None


def _yaml(text: str) -> Any:  # noqa: ANN401  as `parse`
    # Brings 2 MB along, for the few APIs that write YAML.
    import yaml  # noqa: PLC0415

    try:
        return _Builder(yaml, yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise UnreadableError(f"is not valid YAML{where}") from None


class _Builder:
    """Puts values together from the parser's events."""

    def __init__(self, yaml: Any, events: Iterator[Any]) -> None:  # noqa: ANN401  a module, loaded late
        self._yaml = yaml
        self._events = events
        self._anchors: dict[str, Any] = {}
        self._left = bounds.NODES

    def document(self) -> Any:  # noqa: ANN401  as `parse`
        for event in self._events:
            if not isinstance(event, (self._yaml.StreamStartEvent, self._yaml.DocumentStartEvent)):
                if isinstance(event, self._yaml.StreamEndEvent):
                    break
                return self._value(event, bounds.DEPTH)
        raise UnreadableError("is empty")

    def _value(self, event: Any, depth: int) -> Any:  # noqa: ANN401  as `parse`
        self._spend(1)
        if isinstance(event, self._yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise UnreadableError(f"names {event.anchor[:40]!r} inside itself, or nowhere")
            return self._anchors[event.anchor]
        if isinstance(event, self._yaml.ScalarEvent):
            value: Any = event.value
            if not event.style and event.value in _CONSTANTS and event.tag is None:
                value = _CONSTANTS[event.value]
        else:
            if depth == 0:
                _too_deep()
            is_list = isinstance(event, self._yaml.SequenceStartEvent)
            value = self._list(depth - 1) if is_list else self._mapping(depth - 1)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _list(self, depth: int) -> list[Any]:
        found = []
        while not isinstance(event := next(self._events), self._yaml.SequenceEndEvent):
            found.append(self._value(event, depth))
        return found

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Any] = []
        while not isinstance(event := next(self._events), self._yaml.MappingEndEvent):
            if not isinstance(event, self._yaml.ScalarEvent):
                raise UnreadableError(f"has a key that is no text in line {event.start_mark.line + 1}")
            value = self._value(next(self._events), depth)
            if event.value == _MERGE and not event.style:
                given = value if isinstance(value, list) else [value]
                self._spend(len(given))
                merged += given
            else:
                found[event.value] = value
        for each in merged:  # https://yaml.org/type/merge.html
            if not isinstance(each, dict):
                raise UnreadableError("merges what is no mapping")
            self._spend(len(each))
            for name, value in each.items():
                found.setdefault(name, value)
        return found

    def _spend(self, values: int) -> None:
        """Counts values, those that are merged each time: what is copied is work, however short its text."""
        self._left -= values
        if self._left < 0:
            _too_many()


def _too_many() -> NoReturn:
    raise UnreadableError(f"has more than {bounds.NODES} values")


def _too_deep() -> NoReturn:
    raise UnreadableError(f"is nested deeper than {bounds.DEPTH} levels")
