"""Judges a plan: what is well, what costs more than it must, and which index would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.mongo_svc.aggregation import indexes
from services.mongo_svc.aggregation.bounds import BAD_RATIO, FEW_DOCUMENTS, WARN_RATIO
from services.mongo_svc.aggregation.plans import UNKNOWN, Plan, Stage

OK, WARN, BAD = "ok", "warn", "bad"
_ORDER = {BAD: 0, WARN: 1, OK: 2}

_SCANS = frozenset({"COLLSCAN", "TS_MODIFY"})
_BY_ID = frozenset({"IDHACK", "EXPRESS_IXSCAN", "EXPRESS_CLUSTERED_IXSCAN", "CLUSTERED_IXSCAN"})
_SORTS = frozenset({"SORT", "SORT_KEY_GENERATOR", "$sort"})
_INTERSECTIONS = frozenset({"AND_SORTED", "AND_HASH"})
_FETCHES = frozenset({"FETCH", *_SCANS, *_BY_ID})
_GATHERS = frozenset(
    {
        "$bucket",
        "$bucketAuto",
        "$count",
        "$facet",
        "$group",
        "$sortByCount",
        "BATCHED_DELETE",
        "COUNT",
        "DELETE",
        "GROUP",
        "UPDATE",
    }
)
"""They read many documents for one result, or for none: that is their purpose."""
_NOTHING = frozenset({"EOF", "NONEXISTENT_COLLECTION"})


@dataclass(frozen=True, slots=True)
class Reason:
    """Something seen in a plan."""

    level: str
    """`ok`, `warn` or `bad`."""
    code: str
    """A name for programs."""
    message: str
    """What it means."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The query, as far as an index could serve it."""

    filter: Mapping[str, Any]
    """Which documents."""
    sort: Sequence[tuple[str, object]] = ()
    """Names and directions."""


def judge(plan: Plan, asked: Asked) -> list[Reason]:
    """What is to be said about a plan, worst first."""
    return sorted(_reasons(plan, asked), key=lambda reason: _ORDER[reason.level])


def level(reasons: Sequence[Reason]) -> str:
    """That of the worst."""
    return min((reason.level for reason in reasons), key=_ORDER.__getitem__, default=OK)


def suggest(plan: Plan, asked: Asked, reasons: Sequence[Reason]) -> dict[str, object]:
    """The keys of an index to think about; empty where the plan gives no reason for one."""
    codes = {reason.code for reason in reasons if reason.level != OK}
    if not codes & {"COLLECTION_SCAN", "SORT_IN_MEMORY", "EXAMINED_TOO_MANY", "INDEX_INTERSECTION"}:
        return {}
    keys = indexes.propose(asked.filter, asked.sort)
    used = [stage.index_keys for stage in plan.stages() if stage.index_keys]
    return {} if any(indexes.serves(each, keys) for each in used) else keys


def _reasons(plan: Plan, asked: Asked) -> Iterator[Reason]:
    stages = list(plan.stages())
    names = {stage.name for stage in stages}
    if plan.failure:
        yield Reason(BAD, "STOPPED_EARLY", f"Running it ended early: {plan.failure[:300]}")
    if not stages or names <= _NOTHING | {""}:
        yield Reason(
            OK, "NO_PLAN", "There is nothing to read: no document can match, or there is no such collection."
        )
        return
    if not plan.executed:
        yield Reason(OK, "NOT_EXECUTED", "It was planned, not run: how much it reads is not known.")
    yield from _scans(plan, stages, asked)
    yield from _sorts(stages)
    yield from _indexes(stages, names)
    yield from _ratio(plan)
    if plan.rejected:
        yield Reason(OK, "REJECTED_PLANS", f"{plan.rejected} other plans were considered.")


def _scans(plan: Plan, stages: Sequence[Stage], asked: Asked) -> Iterator[Reason]:
    for stage in stages:
        if stage.collection_scans > 0:
            yield Reason(
                BAD if stage.collection_scans > 1 else WARN,
                "COLLECTION_SCAN",
                f"{stage.name} reads all of another collection, {_count(stage.collection_scans)} times: "
                "an index on its foreign field would serve it.",
            )
    if not any(stage.name in _SCANS for stage in stages):
        return
    read = plan.documents
    wants_few = bool(asked.filter)
    if not wants_few:
        yield Reason(
            OK, "COLLECTION_SCAN", "The collection is read in its own order, as no filter was given."
        )
    elif read == UNKNOWN or read > FEW_DOCUMENTS:
        number = "every document" if read == UNKNOWN else f"{_count(read)} documents"
        yield Reason(
            BAD, "COLLECTION_SCAN", f"No index serves the filter: {number} of the collection are read."
        )
    else:
        yield Reason(
            WARN,
            "COLLECTION_SCAN",
            f"No index serves the filter; with {_count(read)} documents that is still fast, and will not stay so.",
        )


def _sorts(stages: Sequence[Stage]) -> Iterator[Reason]:
    for stage in stages:
        if stage.used_disk:
            yield Reason(
                BAD, "SPILLED_TO_DISK", f"{stage.name} needed more memory than it may use, and wrote to disk."
            )
        if stage.name in _SORTS and _is_of_documents(stage):
            yield Reason(
                WARN,
                "SORT_IN_MEMORY",
                "The documents are sorted in memory before the first is returned: no index gives them in this order.",
            )


def _is_of_documents(sort: Stage) -> bool:
    """It sorts what the collection holds: what stages of a pipeline have made of it, no index could give in order."""
    below = (stage.name for child in sort.children for stage in child.walk())
    return all(not name.startswith("$") or name == "$match" for name in below)


def _indexes(stages: Sequence[Stage], names: set[str]) -> Iterator[Reason]:
    if names & _INTERSECTIONS:
        yield Reason(
            WARN,
            "INDEX_INTERSECTION",
            "Several indexes are intersected: one on all of these fields is faster.",
        )
    used = list(dict.fromkeys(stage.index_name for stage in stages if stage.index_name))
    if names & _BY_ID or used == ["_id_"]:
        yield Reason(OK, "ID_LOOKUP", "Documents are found by `_id`.")
    elif used:
        yield Reason(OK, "INDEX_USED", f"It uses the index {', '.join(used)}.")
    if used and not names & _FETCHES and not any(name.startswith("$lookup") for name in names):
        yield Reason(OK, "COVERED_QUERY", "The index alone answers it: no document is read.")


def _ratio(plan: Plan) -> Iterator[Reason]:
    if plan.returned == UNKNOWN or any(stage.name in _GATHERS for stage in plan.stages()):
        return
    read = max(plan.documents, plan.keys)
    ratio = read / max(plan.returned, 1)
    if ratio >= WARN_RATIO and read > WARN_RATIO:
        bad = ratio >= BAD_RATIO and read > FEW_DOCUMENTS
        what = "documents" if plan.documents >= plan.keys else "index keys"
        yield Reason(
            BAD if bad else WARN,
            "EXAMINED_TOO_MANY",
            f"{_count(read)} {what} are read for {_count(plan.returned)} that are returned.",
        )


def _count(number: float) -> str:
    return f"{int(number):,}"
