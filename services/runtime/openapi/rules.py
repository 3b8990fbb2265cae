"""Rules of protovalidate as keywords of JSON Schema, as far as it has a keyword.

What it can't say (CEL, bytes instead of characters) is said by the description, or left to the answer 400. A keyword
never refuses what the service takes.
https://protovalidate.com/reference/rules/standard-rules/, https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.runtime.openapi.catalogue import JSON, Field

FORMATS = {
    "uuid": "uuid",
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
}
"""Rules that JSON Schema knows as a format of text."""

BASE64_BYTES, BASE64_CHARACTERS = 3, 4


def keywords(field: Field) -> JSON:
    """The keywords for a field's value; for a list or map those of the whole."""
    return _of(field.rules)


def item_keywords(field: Field) -> JSON:
    """The keywords for each element of a list."""
    return _of(field.rules.repeated.items) if field.rules.HasField("repeated") else {}


def map_keywords(field: Field) -> tuple[JSON, JSON]:
    """The keywords for the keys and the values of a map."""
    if not field.rules.HasField("map"):
        return {}, {}
    return _of(field.rules.map.keys), _of(field.rules.map.values)


def sentences(field: Field) -> list[str]:
    """What the field's own expressions demand, in words."""
    return [rule.message for rule in field.rules.cel if rule.message]


def _of(rules: Any) -> JSON:  # noqa: ANN401  buf.validate's messages have no types
    kind = rules.WhichOneof("type")
    if kind is None:
        return {}
    return _KINDS.get(kind, _number)(getattr(rules, kind))


def _text(rules: Any) -> JSON:  # noqa: ANN401  as above
    found: JSON = {}
    if rules.HasField("const"):
        found["const"] = rules.const
    if choices := list(getattr(rules, "in")):
        found["enum"] = choices
    shortest = rules.len or rules.min_len
    # A character has at least one byte: a bound in bytes is one in characters, too.
    longest = rules.len or rules.max_len or rules.max_bytes or rules.len_bytes
    if shortest:
        found["minLength"] = shortest
    if longest:
        found["maxLength"] = longest
    if rules.pattern:
        found["pattern"] = rules.pattern
    well_known = rules.WhichOneof("well_known")
    if well_known in FORMATS:
        found["format"] = FORMATS[well_known]
    return found


def _bytes(rules: Any) -> JSON:  # noqa: ANN401  as above
    found: JSON = {}
    if shortest := rules.len or rules.min_len:
        found["minLength"] = _base64_length(shortest, padded=False)
    if longest := rules.len or rules.max_len:
        found["maxLength"] = _base64_length(longest, padded=True)
    return found


def _base64_length(size: int, *, padded: bool) -> int:
    if padded:
        return -(-size // BASE64_BYTES) * BASE64_CHARACTERS
    return -(-size * BASE64_CHARACTERS // BASE64_BYTES)


def _number(rules: Any) -> JSON:  # noqa: ANN401  as above
    found: JSON = {}
    for rule, keyword in (
        ("const", "const"),
        ("gte", "minimum"),
        ("gt", "exclusiveMinimum"),
        ("lte", "maximum"),
        ("lt", "exclusiveMaximum"),
    ):
        if rules.HasField(rule):
            found[keyword] = _plain(getattr(rules, rule))
    if choices := list(getattr(rules, "in")):
        found["enum"] = choices
    return found


def _plain(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _list(rules: Any) -> JSON:  # noqa: ANN401  as above
    found: JSON = {}
    if rules.min_items:
        found["minItems"] = rules.min_items
    if rules.HasField("max_items"):
        found["maxItems"] = rules.max_items
    if rules.unique:
        found["uniqueItems"] = True
    return found


def _map(rules: Any) -> JSON:  # noqa: ANN401  as above
    found: JSON = {}
    if rules.min_pairs:
        found["minProperties"] = rules.min_pairs
    if rules.HasField("max_pairs"):
        found["maxProperties"] = rules.max_pairs
    return found


def _nothing(rules: Any) -> JSON:  # noqa: ANN401, ARG001  as above
    return {}


_KINDS: dict[str, Callable[[Any], JSON]] = {
    "string": _text,
    "bytes": _bytes,
    "repeated": _list,
    "map": _map,
    "bool": _nothing,
    "enum": _nothing,
    "any": _nothing,
    "duration": _nothing,
    "field_mask": _nothing,
    "timestamp": _nothing,
}
