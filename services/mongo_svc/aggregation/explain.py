"""Asks the server how it runs a query, and makes of the answer a tree, a verdict and a proposal. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson
from services.mongo_svc.aggregation import plans, verdict
from services.mongo_svc.aggregation.plans import Plan
from services.mongo_svc.aggregation.verdict import Asked, Reason
from services.mongo_svc.client import PLAIN, MongoClient

DEFAULT_VERBOSITY = "executionStats"
_OUR_OWN = frozenset(
    {"$clusterTime", "operationTime", "$gleStats", "lastCommittedOpTime", "$configServerState"}
)
"""Fields of every answer, which tell nothing of the query."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to explain."""

    database: str
    """Name of the database; empty for the connection's."""
    command: Mapping[str, Any]
    """The command that would run it, its name first."""
    asked: Asked
    """What an index could serve of it."""
    verbosity: str = DEFAULT_VERBOSITY
    """`queryPlanner`, `executionStats` or `allPlansExecution`."""
    timeout_s: float | None = None
    """Seconds that the server may take; None for the default."""


@dataclass(frozen=True, slots=True)
class Explained:
    """How the server runs it."""

    plan: Plan
    """The plan as a tree."""
    reasons: Sequence[Reason]
    """What is to be said about it, worst first."""
    suggested: Mapping[str, object]
    """Keys of an index to think about; empty for none."""
    raw: bytes
    """The server's answer, BSON."""


async def explain(client: MongoClient, question: Question) -> Explained:
    """Explains a query.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await client.raw_command(
        question.database,
        {"explain": dict(question.command), "verbosity": question.verbosity},
        timeout_s=question.timeout_s,
    )
    raw = ejson.build(
        field
        for field in ejson.elements(bytes(answer.raw))
        if field.name.decode("utf-8", "replace") not in _OUR_OWN
    )
    plan = plans.read(_plain(raw))
    reasons = verdict.judge(plan, question.asked)
    return Explained(plan, reasons, verdict.suggest(plan, question.asked, reasons), raw)


def asked_of(condition: bytes, sort: bytes = b"") -> Asked:
    """What an index could serve of a find and its like.

    Args:
        condition: BSON of the filter; nothing for all documents.
        sort: BSON of the sort; nothing for none.
    """
    ways = _plain(sort) if sort else {}
    return Asked(
        _plain(condition) if condition else {}, [(name, _way(value)) for name, value in ways.items()]
    )


def asked_by(stages: Sequence[bytes]) -> Asked:
    """The same of a pipeline: what its beginning filters and sorts by."""
    conditions: list[Any] = []
    for stage in stages:
        ((name, spec),) = _plain(stage).items()
        if name == "$match" and isinstance(spec, dict):
            conditions.append(spec)
        elif name == "$sort" and isinstance(spec, dict):
            return Asked(
                {"$and": conditions} if conditions else {}, [(key, _way(v)) for key, v in spec.items()]
            )
        else:
            break
    return Asked({"$and": conditions} if conditions else {})


def _plain(document: bytes) -> dict[str, Any]:
    return dict(bson.decode(document, PLAIN))


def _way(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def array(raw: bytes) -> list[RawBSONDocument]:
    """The documents of a BSON array, for a command."""
    return [RawBSONDocument(field.raw) for field in ejson.elements(raw)]
