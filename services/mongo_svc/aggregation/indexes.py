"""Which index would serve a query: fields compared for equality, then the sort, then ranges.

https://www.mongodb.com/docs/manual/tutorial/equality-sort-range-guideline/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.mongo_svc.aggregation.bounds import FEW_CHOICES, MAX_INDEX_FIELDS

Document = Mapping[str, Any]

_EQUAL = frozenset({"$eq", "$all"})
_RANGE = frozenset({"$gt", "$gte", "$lt", "$lte", "$in", "$type", "$exists", "$mod"})


@dataclass(slots=True)
class Fields:
    """The fields of a filter by what an index can do for them."""

    equal: dict[str, None] = field(default_factory=dict)
    ranges: dict[str, None] = field(default_factory=dict)


def propose(condition: Document, sort: Sequence[tuple[str, object]]) -> dict[str, object]:
    """The keys of an index that would serve a query; empty where none would.

    Args:
        condition: the filter.
        sort: names and directions.
    """
    found = Fields()
    _read(condition, "", found)
    keys: dict[str, object] = dict.fromkeys(found.equal, 1)
    directions = [(name, way) for name, way in sort if way in (1, -1)]
    if len(directions) == len(sort):  # one by text score or the like comes from no index
        for name, way in directions:
            keys.setdefault(name, way)
    for name in found.ranges:
        keys.setdefault(name, 1)
    keys = dict(list(keys.items())[:MAX_INDEX_FIELDS])
    # Every collection has this one, and what it finds is found.
    return {} if not keys or next(iter(keys)) == "_id" else keys


def serves(index: Document, keys: Mapping[str, object]) -> bool:
    """Whether an index begins with these keys, so that proposing it would help nobody."""
    mine = list(index.items())[: len(keys)]
    return mine == list(keys.items()) or mine == [
        (name, -way if isinstance(way, int) else way) for name, way in keys.items()
    ]


def _read(condition: Document, prefix: str, found: Fields) -> None:
    for name, value in condition.items():
        if name == "$and":
            for each in value if isinstance(value, list) else ():
                if isinstance(each, dict):
                    _read(each, prefix, found)
        elif not name.startswith("$"):  # each branch of an `$or` needs an index of its own
            _read_field(f"{prefix}{name}", value, found)


def _read_field(path: str, value: object, found: Fields) -> None:
    operators = dict(_operators(value))
    if not operators:
        found.equal[path] = None
        return
    for name, operand in operators.items():
        if name in _EQUAL or (name == "$in" and isinstance(operand, list) and len(operand) <= FEW_CHOICES):
            found.equal[path] = None
        elif name in _RANGE or (name == "$regex" and _is_prefix(operand)):
            found.ranges[path] = None
        elif name == "$elemMatch" and isinstance(operand, dict):
            if any(each.startswith("$") for each in operand):
                _read_field(path, operand, found)
            else:
                _read(operand, f"{path}.", found)


def _operators(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((name, operand) for name, operand in value.items() if name.startswith("$"))


def _is_prefix(pattern: object) -> bool:
    text = pattern if isinstance(pattern, str) else getattr(pattern, "pattern", "")
    return isinstance(text, str) and text.startswith("^")
