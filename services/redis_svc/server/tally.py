"""The figures of a memory analysis, as they grow: totals, types, expiry, namespaces, the largest and longest keys.

Holds no more at the end than in the middle, whatever the keyspace.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from dataclasses import dataclass
from itertools import repeat

from services.redis_svc.key_details import Keys
from services.redis_svc.server.prefixes import Prefixes, Sum

UNKNOWN = -1
TOP = 50
"""Keys in each list of the most."""
NAMESPACES = 100
MAX_TYPES = 100
"""Types told apart; a server with modules has a few dozen."""
MAX_NAME_BYTES = 1024
"""Bytes kept of the name of a key in a list: names may be of any size."""
OTHER_TYPES = "others"

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_BOUNDS = (_MINUTE_MS, _HOUR_MS, _DAY_MS, 7 * _DAY_MS, 30 * _DAY_MS)
EXPIRY = ("1m", "1h", "1d", "7d", "30d", "later", "never")
"""Labels of the buckets of times to live: at most so long."""
_NEVER = len(EXPIRY) - 1


@dataclass(slots=True)
class TypeSum(Sum):
    """Keys of a type."""

    length: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Ranked:
    """A key in a list of the most."""

    value: int
    """What it is ranked by."""
    name: bytes
    """Its beginning, where it is long."""
    name_length: int
    type: str
    memory: int
    length: int


class Top:
    """The keys of highest value.

    Args:
        size: how many.
    """

    def __init__(self, size: int = TOP) -> None:
        self._size = size
        self._heap: list[Ranked] = []
        self.floor = 0
        """What a key has to exceed to come in."""

    def add(self, value: int, name: bytes, type_: str, memory: int, length: int) -> None:
        """Takes a key in; its value exceeds the floor."""
        ranked = Ranked(value, name[:MAX_NAME_BYTES], len(name), type_, memory, length)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, ranked)
            if len(self._heap) < self._size:
                return
        else:
            heapq.heappushpop(self._heap, ranked)
        self.floor = self._heap[0].value

    def ranked(self) -> list[Ranked]:
        """The highest first."""
        return sorted(self._heap, reverse=True)


class Tally:
    """The figures.

    Args:
        separator: what separates the parts of names.
    """

    def __init__(self, separator: bytes = b":") -> None:
        self.scanned = 0
        """Keys looked at, about."""
        self.total = UNKNOWN
        """Keys there are."""
        self.analyzed = 0
        self.memory = 0
        self.knows_memory = False
        """Whether the server tells what any key takes."""
        self.truncated = False
        self.done = False
        self.elapsed_s = 0.0
        self.largest = Top()
        self.longest = Top()
        self.types: dict[str, TypeSum] = {}
        self.expiry = [Sum() for _ in EXPIRY]
        self.prefixes = Prefixes(separator)

    def add(self, keys: Keys) -> None:
        """Counts some keys."""
        memory_column = keys.memory or repeat(UNKNOWN)
        lengths = keys.lengths or repeat(UNKNOWN)
        add_prefix, largest, longest = self.prefixes.add, self.largest, self.longest
        total = 0
        for name, type_, ttl, told, length in zip(
            keys.names, keys.types, keys.ttls, memory_column, lengths, strict=False
        ):
            memory = max(told, 0)
            total += memory
            of_type = self.types.get(type_) or self._new_type(type_)
            of_type.keys += 1
            of_type.memory += memory
            if length > 0:
                of_type.length += length
            bucket = self.expiry[bisect_left(_BOUNDS, ttl) if ttl >= 0 else _NEVER]
            bucket.keys += 1
            bucket.memory += memory
            add_prefix(name, memory)
            if memory > largest.floor:
                largest.add(memory, name, type_, told, length)
            if length > longest.floor and type_ != "string":
                longest.add(length, name, type_, told, length)
        self.analyzed += len(keys.names)
        self.memory += total
        self.knows_memory = self.knows_memory or total > 0

    def _new_type(self, type_: str) -> TypeSum:
        if len(self.types) >= MAX_TYPES:
            type_ = OTHER_TYPES
        return self.types.setdefault(type_, TypeSum())
