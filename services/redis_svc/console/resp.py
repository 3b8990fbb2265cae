"""Replies with their types, from the bytes of RESP2 or RESP3, cut to a bound while they are read.

hiredis, which reads replies everywhere else, makes a status and bytes the same thing, turns doubles into floats and
keeps whatever a reply holds. Here a reply of any size takes as much memory as is returned of it.
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a reply is, by the names of the contract's `Reply`."""

    NULL = "null"
    STATUS = "status"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    BULK = "bulk"
    LIST = "list"
    SET = "set"
    MAP = "map"
    ERROR = "error"


@dataclass(slots=True)
class Node:
    """A reply, or a part of one."""

    kind: Kind
    """What it is."""
    content: bytes = b""
    """Its bytes, or the beginning of them; of a number its digits, of a boolean `t` or `f`."""
    full_length: int = 0
    """How many bytes there are, where `content` is only the beginning."""
    items: list[Node] = field(default_factory=list)
    """Of a list, set or map; of a map keys and values in turn."""


@dataclass(slots=True)
class Budget:
    """What may still be kept."""

    elements: int
    """Nodes."""
    bytes: int
    """Bytes of all nodes."""
    bulk_bytes: int
    """Bytes of one node."""
    depth: int
    """Levels of nesting."""


class MalformedReplyError(Exception):
    """What the server sends is not the protocol."""


class _Open:
    """An aggregate whose elements are still to come; without `items` it is left out."""

    __slots__ = ("is_attribute", "items", "kind", "missing")

    def __init__(self, kind: Kind, missing: int, items: list[Node] | None, *, is_attribute: bool) -> None:
        self.kind = kind
        self.missing = missing
        self.items = items
        self.is_attribute = is_attribute


_SIMPLE = {
    b"+": Kind.STATUS,
    b"-": Kind.ERROR,
    b":": Kind.INTEGER,
    b"(": Kind.INTEGER,
    b",": Kind.NUMBER,
    b"#": Kind.BOOLEAN,
    b"_": Kind.NULL,
}
_SIZED = {b"$": Kind.BULK, b"=": Kind.BULK, b"!": Kind.ERROR}
_AGGREGATES = {b"*": Kind.LIST, b"~": Kind.SET, b">": Kind.LIST, b"%": Kind.MAP, b"|": Kind.MAP}
_VERBATIM_HEAD = 4
"""`txt:` before the text of a verbatim string."""
_MAX_LINE = 1 << 20
_ALWAYS_KEPT = 512
"""Bytes of a status, a number or an error that is a whole reply."""
_NULL: Final = -1


class Parser:
    """Reads replies.

    Args:
        budget: what may be kept of all replies together.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._buffer = bytearray()
        self._open: list[_Open] = []
        self._bulk: tuple[Kind, int, int] | None = (
            None  # kind, bytes that are still to come, bytes to drop in front
        )
        self._kept = bytearray()
        self._length = 0
        self.truncated = False
        """Something of the current reply was left out."""

    def spend(self, budget: Budget) -> None:
        """Keeps what comes from now on within another budget."""
        self._budget = budget

    def feed(self, data: bytes) -> None:
        """Takes in what came from the server."""
        self._buffer += data

    def next(self) -> tuple[Node, bool] | None:
        """The next reply and whether it was cut; None while it is not complete.

        Raises:
            MalformedReplyError: the server speaks something else.
        """
        while True:
            node = self._rest_of_bulk() if self._bulk is not None else self._line()
            if node is None:
                return None
            if node is _BEGUN:
                continue
            done = self._place(node)
            if done is not None:
                truncated, self.truncated = self.truncated, False
                return done, truncated

    def _line(self) -> Node | None:
        """Reads a line: a whole node, or the beginning of one."""
        buffer = self._buffer
        end = buffer.find(b"\r\n", 0, _MAX_LINE)
        if end < 0:
            if len(buffer) >= _MAX_LINE:
                raise MalformedReplyError
            return None
        mark, text = bytes(buffer[:1]), bytes(buffer[1:end])
        del buffer[: end + 2]
        if mark in _SIMPLE:
            kind = _SIMPLE[mark]
            return Node(kind, self._fitting(text), len(text))
        size = _size(text)
        if size == _NULL and mark in b"$*":
            return Node(Kind.NULL)
        if mark in _SIZED:
            self._bulk = (_SIZED[mark], size + 2, _VERBATIM_HEAD if mark == b"=" else 0)
            self._length = size - self._bulk[2]
            self._kept.clear()
            return _BEGUN
        if mark not in _AGGREGATES:
            raise MalformedReplyError
        return self._begin(_AGGREGATES[mark], size, is_attribute=mark == b"|")

    def _begin(self, kind: Kind, size: int, *, is_attribute: bool) -> Node:
        count = size * 2 if kind is Kind.MAP else size
        if not count:
            return _BEGUN if is_attribute else Node(kind)
        kept = len(self._open) < self._budget.depth and not is_attribute
        self._open.append(_Open(kind, count, [] if kept else None, is_attribute=is_attribute))
        return _BEGUN

    def _rest_of_bulk(self) -> Node | None:
        if self._bulk is None:
            raise MalformedReplyError
        kind, missing, skipped = self._bulk
        buffer = self._buffer
        taken = min(missing, len(buffer))
        if self._is_kept():
            room = min(self._budget.bytes, self._budget.bulk_bytes) - len(self._kept)
            # The last two bytes are the line's end, and the first ones may be a verbatim string's format.
            content = taken - max(0, 2 - (missing - taken))
            drop = min(skipped, content)
            self._kept += buffer[drop : min(content, drop + max(0, room))]
            skipped -= drop
        del buffer[:taken]
        self._bulk = (kind, missing - taken, skipped)
        if missing > taken:
            return None
        self._bulk = None
        content_bytes = bytes(self._kept)
        self._budget.bytes -= len(content_bytes)
        self._note_cut(content_bytes, self._length)
        return Node(kind, content_bytes, self._length)

    def _fitting(self, text: bytes) -> bytes:
        room = max(0, self._budget.bytes) if self._is_kept() else 0
        # That a command failed is told even where there is room for nothing else.
        kept = text[: room if self._open else max(room, _ALWAYS_KEPT)]
        self._budget.bytes -= len(kept)
        self._note_cut(kept, len(text))
        return kept

    def _note_cut(self, kept: bytes, length: int) -> None:
        # What an attribute tells is left out on purpose.
        if len(kept) < length and not any(each.is_attribute for each in self._open):
            self.truncated = True

    def _is_kept(self) -> bool:
        return self._budget.elements > 0 and (not self._open or self._open[-1].items is not None)

    def _place(self, node: Node) -> Node | None:
        """Puts a node into what it is part of; returns it once all it is part of is complete."""
        if self._open:
            self._budget.elements -= 1
        while self._open:
            parent = self._open[-1]
            if parent.items is not None and self._budget.elements >= 0:
                parent.items.append(node)
            elif not parent.is_attribute:
                self.truncated = True
            parent.missing -= 1
            if parent.missing:
                return None
            self._open.pop()
            if parent.is_attribute:
                return None  # tells something about the reply that follows
            items = parent.items or []
            if parent.kind is Kind.MAP and len(items) % 2:
                del items[-1]
            node = Node(parent.kind, items=items)
        return node


_BEGUN: Final = Node(Kind.NULL)
"""Says that the node goes on."""


def _size(text: bytes) -> int:
    try:
        size = int(text)
    except ValueError:
        raise MalformedReplyError from None
    if size < _NULL:
        raise MalformedReplyError
    return size
