"""Validation rules taken apart: each clause asks the server for one rule, with its meaning in the whole."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from services.mongo_svc.schema import rules
from services.mongo_svc.schema.bounds import MAX_CLAUSES


def clauses(validator: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(each.path, each.rule, bson.decode(each.query)) for each in rules.clauses(bson.encode(validator))]


def schema(**keywords: object) -> dict[str, Any]:
    return {"$jsonSchema": keywords}


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"title": "t", "description": "d"}, []),
        ({"bsonType": "object"}, [("", "bsonType", schema(bsonType="object"))]),
        (
            {"required": ["a", "b"]},
            [("a", "required", schema(required=["a"])), ("b", "required", schema(required=["b"]))],
        ),
        (
            {"properties": {"a": {"properties": {"b": {"bsonType": "int", "minimum": 1}}}}},
            [
                ("a.b", "bsonType", schema(properties={"a": {"properties": {"b": {"bsonType": "int"}}}})),
                ("a.b", "minimum", schema(properties={"a": {"properties": {"b": {"minimum": 1}}}})),
            ],
        ),
        (
            {"minimum": 1, "exclusiveMinimum": True},
            [("", "minimum", schema(minimum=1, exclusiveMinimum=True))],
        ),
        (
            {"properties": {"a": {"items": {"bsonType": "int"}}}},
            [("a[]", "bsonType", schema(properties={"a": {"items": {"bsonType": "int"}}}))],
        ),
        (
            {"properties": {"a": {}}, "patternProperties": {"^x": {}}, "additionalProperties": False},
            [
                ("", "patternProperties", schema(patternProperties={"^x": {}})),
                (
                    "",
                    "additionalProperties",
                    schema(additionalProperties=False, properties={"a": {}}, patternProperties={"^x": {}}),
                ),
            ],
        ),
    ],
)
def test_a_schema_becomes_its_single_rules(
    keywords: dict[str, Any], expected: list[tuple[str, str, dict[str, Any]]]
) -> None:
    assert clauses(schema(**keywords)) == expected


def test_queries_beside_a_schema_are_rules_too() -> None:
    validator = {"a": {"$gt": 1}, "$and": [{"b": 1}, {"$or": [{"c": 1}]}]}
    assert clauses(validator) == [
        ("a", "query", {"a": {"$gt": 1}}),
        ("b", "query", {"b": 1}),
        ("", "$or", {"$or": [{"c": 1}]}),
    ]


def test_rules_are_bounded() -> None:
    many = {f"p{n}": {"bsonType": "int"} for n in range(1000)}
    assert len(clauses(schema(properties=many))) == MAX_CLAUSES
