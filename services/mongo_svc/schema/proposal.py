"""Validation rules that all documents of a sample keep, as a `$jsonSchema`.

https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bson

from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.schema import bounds
from services.mongo_svc.schema.tally import ITEMS, TYPES, Field, Path, Tally
from services.mongo_svc.schema.values import TypeTally

_NUMBERS = frozenset({Kind.DOUBLE, Kind.INT32, Kind.INT64, Kind.DECIMAL128})


@dataclass(frozen=True, slots=True)
class Wanted:
    """How strict the rules are to be."""

    with_bounds: bool = False
    """Bounds of numbers and lengths as well: they hold for the sample, and perhaps for nothing else."""
    no_other_fields: bool = False
    """Refuse fields that no document of the sample has."""


def propose(tally: Tally, wanted: Wanted) -> bytes:
    """The rules, BSON: `{"$jsonSchema": …}`."""
    schema = {"bsonType": "object", **_object(tally, (), tally.documents, wanted)}
    return bytes(bson.encode({"$jsonSchema": schema}))


def _object(tally: Tally, path: Path, parents: int, wanted: Wanted) -> dict[str, Any]:
    fields = [each for each in tally.children(path) if not each.is_items and _can_be_named(each)]
    found: dict[str, Any] = {}
    required = [each.path[-1] for each in fields if each.count == parents]
    if required:
        found["required"] = required
    if fields:
        found["properties"] = {each.path[-1]: _field(tally, each, wanted) for each in fields}
    if wanted.no_other_fields and not tally.truncated:
        found["additionalProperties"] = False
    return found


def _can_be_named(field: Field) -> bool:
    """A name that can't be read can't be written into rules."""
    return "\ufffd" not in field.path[-1] and len(field.path[-1]) < bounds.MAX_NAME


def _field(tally: Tally, field: Field, wanted: Wanted) -> dict[str, Any]:
    kinds = sorted(field.types, key=lambda kind: -field.types[kind].count)
    names = [TYPES[kind] for kind in kinds]
    found: dict[str, Any] = {"bsonType": names[0] if len(names) == 1 else names}
    for kind, values in field.types.items():
        if kind == Kind.DOCUMENT:
            found |= _object(tally, field.path, values.count, wanted)
        elif kind == Kind.ARRAY:
            items = next((each for each in tally.children(field.path) if each.path[-1] == ITEMS), None)
            if items is not None:
                found["items"] = _field(tally, items, wanted)
    if len(kinds) == 1 and (choices := _choices(field.types[kinds[0]])):
        found["enum"] = choices
    elif wanted.with_bounds and field.path != ("_id",):  # the next document has another one
        found |= _bounds(field)
    return found


def _choices(values: TypeTally) -> list[str]:
    """The texts that a field has, where they are few and come again and again."""
    few = 0 < len(values.values) <= bounds.MAX_ENUM and not values.distinct_truncated
    if values.kind != Kind.STRING or not few or values.count < bounds.MIN_ENUM_USE * len(values.values):
        return []
    try:
        return sorted(raw[4:-1].decode() for raw in values.values)
    except UnicodeDecodeError:
        return []


def _bounds(field: Field) -> dict[str, Any]:
    found: dict[str, Any] = {}
    numbers = [each.range for kind, each in field.types.items() if kind in _NUMBERS and each.range.count]
    if numbers:
        found["minimum"] = _whole(min(each.min for each in numbers))
        found["maximum"] = _whole(max(each.max for each in numbers))
    for kind, shortest, longest in (
        (Kind.STRING, "minLength", "maxLength"),
        (Kind.ARRAY, "minItems", "maxItems"),
    ):
        if kind in field.types and field.types[kind].lengths.count:
            found[shortest] = int(field.types[kind].lengths.min)
            found[longest] = int(field.types[kind].lengths.max)
    return found


def _whole(number: float) -> float:
    return int(number) if number.is_integer() and abs(number) < 2**63 else number
