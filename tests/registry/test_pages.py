"""Cached pages: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.registry.cache import pages
from services.registry.store.rows import Database

SECRET = b"s" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def row(name: str, **fields: object) -> Database:
    values: dict[str, object] = {
        "id": "8f7c2b1e-0000-4000-8000-000000000001",
        "project_id": "1",
        "project_ref": "default",
        "project_name": "Größe",
        "organization_name": "",
        "organization_slug": "",
        "name": name,
        "type": "redis",
        "description": 'quotes " and \u2028',
        "host": "h",
        "port": 6379,
        "database_name": "0",
        "username": "",
        "config": {"a": [1, None, {"b": 1.5}]},
        "status": "active",
        "last_connected_at": None,
        "created_at": NOW,
        "updated_at": NOW,
        **fields,
    }
    return Database(**values)  # type: ignore[arg-type]  # of the right types, as the names say


def test_rows_survive_the_cache() -> None:
    rows = [row("a"), row("b", last_connected_at=NOW, config=None)]
    assert pages.decode(SECRET, "key", pages.encode(SECRET, "key", rows)) == rows
    assert pages.decode(SECRET, "key", pages.encode(SECRET, "key", [])) == []


def test_a_page_is_bound_to_its_key_its_secret_and_every_byte() -> None:
    page = pages.encode(SECRET, "key", [row("a")])
    assert pages.decode(SECRET, "other", page) is None
    assert pages.decode(b"t" * 32, "key", page) is None
    for index in range(len(page)):
        altered = page[:index] + bytes([page[index] ^ 1]) + page[index + 1 :]
        assert pages.decode(SECRET, "key", altered) is None


@pytest.mark.parametrize("length", range(40))
def test_a_page_that_was_cut_is_none(length: int) -> None:
    assert pages.decode(SECRET, "key", pages.encode(SECRET, "key", [row("a")])[:length]) is None
