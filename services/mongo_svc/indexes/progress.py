"""How far the builds of indexes are, as the server's list of its operations tells.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/currentOp/#active-indexing-operations.
A build runs in a thread of the server's own, so that seeing it takes the right to see others' operations (`inprog`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from services.mongo_svc.catalog.bounds import BOUNDS, SHORTEST_S
from services.mongo_svc.client import Document, MongoClient
from services.mongo_svc.introspection import ask
from services.runtime import context as call

UNKNOWN = -1.0


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is."""

    message: str = ""
    """What the server is doing, in its words; empty where it does not say."""
    done: float = UNKNOWN
    """Documents or keys done; -1 where it does not say."""
    total: float = UNKNOWN
    """Of how many; -1 where it does not say."""


async def of_builds(
    client: MongoClient, database: str, collection: str, timeout_s: float = BOUNDS.ask_s
) -> Mapping[str, BuildProgress] | None:
    """How far the builds on a collection are, by the names of the indexes; None where the server does not say.

    That is nobody's error: some users may not see operations, some servers answer nothing else while they build.
    """
    wanted = {
        "$match": {
            "command.createIndexes": collection,
            "$or": [
                {"command.$db": database},
                {"ns": {"$in": [f"{database}.$cmd", f"{database}.{collection}"]}},
            ],
        }
    }
    stage = {"$currentOp": {"allUsers": True, "idleConnections": False}}
    with pymongo.timeout(max(SHORTEST_S, call.remaining_s(timeout_s))):
        try:
            return of_operations(await ask(client, "admin", 1, stage, wanted))
        except PyMongoError:
            return None


def of_operations(operations: Iterable[Document]) -> dict[str, BuildProgress]:
    """The same from the server's list.

    Several operations stand for one build: the command that waits for it, and one on each shard that builds. Those
    that tell a progress are added up.
    """
    found: dict[str, BuildProgress] = {}
    for operation in operations:
        told = _of_operation(operation)
        for index in operation["command"].get("indexes", ()):
            name = str(index.get("name", ""))
            known = found.get(name)
            if known is None or known.total < 0:
                found[name] = told if known is None or told.total >= 0 or told.message else known
            elif told.total >= 0:
                found[name] = BuildProgress(known.message, known.done + told.done, known.total + told.total)
    return found


def _of_operation(operation: Mapping[str, Any]) -> BuildProgress:
    told = operation.get("progress")
    # "Index Build: scanning collection Index Build: scanning collection: 52/100 52%": figures have their own fields.
    message = str(operation.get("msg", "")).partition(" Index Build:")[0]
    if not isinstance(told, dict):
        return BuildProgress(message)
    return BuildProgress(message, float(told.get("done", UNKNOWN)), float(told.get("total", UNKNOWN)))
