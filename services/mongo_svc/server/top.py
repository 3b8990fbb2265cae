"""In which collections a server spends its time: https://www.mongodb.com/docs/manual/reference/command/top/ ."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.mongo_svc.client import MongoClient
from services.mongo_svc.server.asking import UNKNOWN, number

FIGURES: Mapping[str, str] = {
    "total": "total",
    "reads": "readLock",
    "writes": "writeLock",
    "queries": "queries",
    "getmores": "getmore",
    "inserts": "insert",
    "updates": "update",
    "removes": "remove",
    "commands": "commands",
}
"""Our names and the server's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A collection."""

    namespace: str
    """Database and collection."""
    figures: Mapping[str, tuple[float, float]]
    """Milliseconds and number of operations, by the keys of `FIGURES`."""


@dataclass(frozen=True, slots=True)
class Top:
    """Collections, the most time first."""

    entries: Sequence[Entry]
    has_more: bool


async def list_top(client: MongoClient, *, database: str, limit: int) -> Top:
    """The collections that took the most time.

    Args:
        client: the database.
        database: only of this one; empty for all.
        limit: of the answer.

    Raises:
        StudioError: as `MongoClient.command`: NOT_SUPPORTED on a `mongos`.
    """
    name = client.database_name(database) if database else ""
    answer = await client.command("admin", {"top": 1})
    found = parse(answer.get("totals", {}), name)
    return Top(heapq.nlargest(limit, found, key=lambda each: each.figures["total"]), len(found) > limit)


def parse(totals: Mapping[str, Any], database: str) -> list[Entry]:
    """The collections in an answer; of one database, where one is named."""
    return [
        Entry(namespace, {ours: _figure(each.get(theirs)) for ours, theirs in FIGURES.items()})
        for namespace, each in totals.items()
        if isinstance(each, Mapping) and (not database or namespace.startswith(f"{database}."))
    ]


def _figure(value: object) -> tuple[float, float]:
    micros = number(value, "time")
    return (UNKNOWN if micros == UNKNOWN else micros / 1000, number(value, "count"))
