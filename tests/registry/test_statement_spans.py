"""What traces say of a statement: what it does, to which tables."""

from __future__ import annotations

import pytest

from services.registry.store.statement_spans import summary


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT d.id FROM platform.databases d WHERE d.name = 'value'", "SELECT platform.databases"),
        ("\n insert INTO platform.api_keys VALUES (%(id)s)", "INSERT platform.api_keys"),
        ("UPDATE platform.databases SET name = %(n)s", "UPDATE platform.databases"),
        (
            "SELECT 1 FROM platform.a JOIN platform.b ON true JOIN platform.a ON true",
            "SELECT platform.a platform.b",
        ),
        ("SELECT pg_notify('x', 'FROM elsewhere')", "SELECT"),
        ("", "statement"),
    ],
)
def test_a_summary(statement: str, expected: str) -> None:
    assert summary(statement) == expected
