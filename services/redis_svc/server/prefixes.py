"""Sums by the first part of keys' names, in bounded memory however many first parts there are.

At most `CAPACITY` prefixes are held. When there is one more, the smaller half goes into one sum for all others and
room is made for new ones. SCAN returns keys in the order of their hashes, so that a prefix with a large share is seen
early and often and stays; what is lost is what small ones had when they went. Sums over everything stay exact. (The
idea is lossy counting: Manku and Motwani, "Approximate Frequency Counts over Data Streams", 2002.)
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

CAPACITY = 4096
"""Prefixes held at a time."""
MAX_PREFIX_BYTES = 256
"""A longer first part is no namespace; its keys count as others."""


@dataclass(slots=True)
class Sum:
    """Keys whose names begin alike."""

    keys: int = 0
    memory: int = 0


class Prefixes:
    """The sums.

    Args:
        separator: what separates the parts of names.
        capacity: prefixes to hold.
    """

    def __init__(self, separator: bytes, capacity: int = CAPACITY) -> None:
        self._separator = separator
        self._capacity = capacity
        self._sums: dict[bytes, Sum] = {}
        self._others = Sum()

    def add(self, name: bytes, memory: int) -> None:
        """Counts a key: under its first part with the separator, or under the empty prefix where it has one part."""
        separator = self._separator
        at = name.find(separator)
        prefix = name[: at + len(separator)] if at >= 0 else b""
        found = self._sums.get(prefix)
        if found is None:
            found = self._others if len(prefix) > MAX_PREFIX_BYTES else self._new(prefix)
        found.keys += 1
        found.memory += memory

    def largest(self, count: int) -> tuple[list[tuple[bytes, Sum]], Sum]:
        """The largest prefixes, and the sum of all others."""
        shown = heapq.nlargest(count, self._sums.items(), key=_size)
        keys, memory = self._others.keys, self._others.memory
        if len(shown) < len(self._sums):
            keys += sum(each.keys for each in self._sums.values()) - sum(each.keys for _, each in shown)
            memory += sum(each.memory for each in self._sums.values()) - sum(each.memory for _, each in shown)
        return shown, Sum(keys, memory)

    def _new(self, prefix: bytes) -> Sum:
        if len(self._sums) >= self._capacity:
            shown, others = self.largest(self._capacity // 2)
            self._sums, self._others = dict(shown), others
        found = self._sums[prefix] = Sum()
        return found


def _size(item: tuple[bytes, Sum]) -> tuple[int, int, bytes]:
    return item[1].memory, item[1].keys, item[0]
