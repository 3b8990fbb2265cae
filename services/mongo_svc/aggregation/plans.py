"""A server's answer to `explain` as one tree, whatever ran it: classic engine, SBE, express path, pipeline, shards.

The shapes: https://www.mongodb.com/docs/manual/reference/explain-results/. What a server leaves out stays unknown;
nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.mongo_svc.aggregation.bounds import MAX_PLAN_STAGES

UNKNOWN = -1.0
Document = Mapping[str, Any]

_INPUTS = ("inputStage", "outerStage", "innerStage", "thenStage", "elseStage", "queryPlan")
_MANY_INPUTS = ("inputStages", "shards")
_SBE_READS = frozenset({"scan", "seek", "fetch"})
_MEMORY = ("peakTrackedMemBytes", "totalDataSizeSorted", "memUsage", "maxUsedMemBytes", "totalMemUsage")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a plan; -1 for a number that is not known."""

    name: str
    index_name: str = ""
    index_keys: Document | None = None
    direction: str = ""
    index_bounds: Document | None = None
    filter: Document | None = None
    sort: Document | None = None
    returned: float = UNKNOWN
    documents: float = UNKNOWN
    """Documents that it read itself."""
    keys: float = UNKNOWN
    """Keys that it read itself."""
    elapsed_ms: float = UNKNOWN
    memory_bytes: float = UNKNOWN
    used_disk: bool = False
    collection_scans: float = 0
    """Times that it read all of another collection (`$lookup`)."""
    shard: str = ""
    number: int = -1
    """By which SBE's own stages refer to it."""
    children: tuple[Stage, ...] = ()

    def walk(self) -> Iterator[Stage]:
        """It and all below it, it first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is run."""

    top: Stage | None
    """The stage that gives the result; None where the server tells no plan."""
    returned: float = UNKNOWN
    documents: float = UNKNOWN
    keys: float = UNKNOWN
    elapsed_ms: float = UNKNOWN
    rejected: int = 0
    """Plans that were not taken."""
    namespace: str = ""
    executed: bool = False
    """It was run, not only planned."""
    failure: str = ""
    """Why running it ended early."""

    def stages(self) -> Iterator[Stage]:
        """All stages, the top first."""
        return self.top.walk() if self.top else iter(())


def read(answer: Document) -> Plan:
    """The plan in a server's answer."""
    budget = _Budget(MAX_PLAN_STAGES)
    shards = answer.get("shards")
    if isinstance(shards, dict):
        return _sharded_pipeline(answer, shards, budget)
    if isinstance(answer.get("stages"), list):
        return _pipeline(answer["stages"], budget)
    if isinstance(answer.get("queryPlanner"), dict):
        return _query(answer, budget)
    return Plan(None)


@dataclass(slots=True)
class _Budget:
    """Stages that may still be taken apart."""

    left: int

    def take(self) -> bool:
        self.left -= 1
        return self.left >= 0


def _query(answer: Document, budget: _Budget) -> Plan:
    """What `find` and its like answer, and `$cursor` inside a pipeline."""
    planner: Document = answer["queryPlanner"]
    stats: Document = answer.get("executionStats") or {}
    winning = planner.get("winningPlan")
    top = None
    if isinstance(winning, dict) and winning:
        tree = winning.get("queryPlan")
        top = _stage(tree if isinstance(tree, dict) else winning, budget, "")
        executed = stats.get("executionStages")
        if isinstance(executed, dict):
            top = _Overlay(executed).on(top)
    return Plan(
        top,
        returned=_number(stats, "nReturned"),
        documents=_number(stats, "totalDocsExamined"),
        keys=_number(stats, "totalKeysExamined"),
        elapsed_ms=_number(stats, "executionTimeMillis"),
        rejected=_rejected(planner, winning),
        namespace=str(planner.get("namespace", "")),
        executed=bool(stats),
        failure=_failure(stats),
    )


def _failure(stats: Document) -> str:
    if stats.get("executionSuccess", True):
        return ""
    return str(stats.get("errorMessage") or "The server did not say why.")


def _rejected(planner: Document, winning: object) -> int:
    found = planner.get("rejectedPlans")
    count = len(found) if isinstance(found, list) else 0
    shards = winning.get("shards") if isinstance(winning, dict) else None
    for shard in shards if isinstance(shards, list) else ():
        if isinstance(shard, dict) and isinstance(shard.get("rejectedPlans"), list):
            count += len(shard["rejectedPlans"])
    return count


def _stage(found: Document, budget: _Budget, shard: str) -> Stage:
    """A stage of `winningPlan`, or of `executionStages`, with those below it."""
    shard = str(found.get("shardName", shard))
    if "stage" not in found and isinstance(found.get("winningPlan"), dict):
        return _stage(_unwrapped(found["winningPlan"]), budget, shard)
    if "stage" not in found and isinstance(found.get("executionStages"), dict):
        return _stage(found["executionStages"], budget, shard)
    children = [_stage(each, budget, shard) for each in _inputs(found) if budget.take()]
    keys = found.get("keyPattern")
    bounds = found.get("indexBounds")
    condition = found.get("filter")
    sort = found.get("sortPattern")
    return Stage(
        name=str(found.get("stage", "")),
        number=found["planNodeId"] if isinstance(found.get("planNodeId"), int) else -1,
        index_name=str(found.get("indexName", "")),
        index_keys=keys if isinstance(keys, dict) else None,  # a text where the express path has run it
        direction=str(found.get("direction", "")),
        index_bounds=bounds if isinstance(bounds, dict) else None,
        filter=condition if isinstance(condition, dict) else None,
        sort=sort if isinstance(sort, dict) else None,
        shard=shard,
        children=tuple(children),
        **_counts(found),
    )


def _unwrapped(winning: Document) -> Document:
    tree = winning.get("queryPlan")
    return tree if isinstance(tree, dict) else winning


def _counts(found: Document) -> dict[str, Any]:
    return {
        "returned": _number(found, "nReturned"),
        "documents": _number(found, "docsExamined", "totalDocsExamined"),
        "keys": _number(found, "keysExamined", "totalKeysExamined"),
        "elapsed_ms": _number(found, "executionTimeMillisEstimate", "executionTimeMillis"),
        "memory_bytes": _number(found, *_MEMORY),
        "used_disk": bool(found.get("usedDisk")) or _number(found, "spills") > 0,
    }


def _inputs(found: Document) -> Iterator[Document]:
    for name in _INPUTS:
        if isinstance(found.get(name), dict):
            yield found[name]
    for name in _MANY_INPUTS:
        each = found.get(name)
        yield from (one for one in each if isinstance(one, dict)) if isinstance(each, list) else ()


class _Overlay:
    """What running it counted, put on the plan's stages.

    The classic engine's tree has the plan's names in the plan's order, so they pair one by one. SBE runs stages of its
    own, in lower case, each with the number of the plan's stage that it serves.
    """

    def __init__(self, executed: Document) -> None:
        self._nodes = list(_flat(executed))
        self._by_number: dict[int, list[Document]] = {}
        for node in self._nodes:
            name, number = str(node.get("stage", "")), node.get("planNodeId")
            if name == name.lower() and isinstance(number, int):
                self._by_number.setdefault(number, []).append(node)

    def on(self, stage: Stage) -> Stage:
        """The stage and those below it, with what was counted."""
        if self._by_number:
            counts = self._of_sbe(self._by_number.get(stage.number, []))
        else:
            at = next((i for i, node in enumerate(self._nodes) if node.get("stage") == stage.name), None)
            counts = {} if at is None else _counts(self._nodes.pop(at))
        known = {name: value for name, value in counts.items() if value != UNKNOWN}
        return replace(stage, **known, children=tuple(map(self.on, stage.children)))

    @staticmethod
    def _of_sbe(nodes: Sequence[Document]) -> dict[str, Any]:
        if not nodes:
            return {}
        # The outermost of them comes first; only stages that read say what they have read.
        counts = _counts(nodes[0])
        reads = [node for node in nodes if node.get("stage") in _SBE_READS]
        return {
            **counts,
            "documents": _sum(_number(node, "numReads") for node in reads),
            "keys": _sum(_number(node, "keysExamined") for node in nodes if "keysExamined" in node),
            "used_disk": any(_counts(node)["used_disk"] for node in nodes),
            "memory_bytes": max(_counts(node)["memory_bytes"] for node in nodes),
        }


def _flat(executed: Document) -> Iterator[Document]:
    inner = executed.get("executionStages")
    if "stage" not in executed and isinstance(inner, dict):
        yield from _flat(inner)
        return
    yield executed
    for each in _inputs(executed):
        yield from _flat(each)


def _pipeline(stages: Sequence[Document], budget: _Budget, shard: str = "") -> Plan:
    """What `aggregate` answers where the pipeline's engine runs a part of it."""
    plan = Plan(None)
    top: Stage | None = None
    executed = False
    for each in stages:
        name = next((name for name in each if name.startswith("$")), "")
        if not name or not budget.take():
            continue
        spec = each[name]
        if name in ("$cursor", "$geoNearCursor") and isinstance(spec, dict) and "queryPlanner" in spec:
            plan = _query(spec, budget)
            top = replace(plan.top, shard=shard) if plan.top and shard else plan.top
            executed = plan.executed
            continue
        below = (top,) if top else ()
        top = _of_pipeline(name, spec, each, shard, below)
        executed = executed or top.returned != UNKNOWN
    last = top.returned if top else UNKNOWN
    documents, keys = plan.documents, plan.keys
    for stage in top.walk() if top else ():
        if stage.name == "$lookup" and stage.documents > 0:
            documents, keys = max(documents, 0) + stage.documents, max(keys, 0) + max(stage.keys, 0)
    return replace(
        plan,
        top=top,
        returned=last,
        documents=documents,
        keys=keys,
        elapsed_ms=max(plan.elapsed_ms, top.elapsed_ms if top else UNKNOWN),
        executed=executed,
    )


def _of_pipeline(name: str, spec: object, each: Document, shard: str, below: tuple[Stage, ...]) -> Stage:
    counts = _counts(each)
    memory = each.get("maxAccumulatorMemoryUsageBytes")
    if counts["memory_bytes"] == UNKNOWN and isinstance(memory, dict):
        numbers = [float(value) for value in memory.values() if isinstance(value, int | float)]
        counts["memory_bytes"] = sum(numbers) if numbers else UNKNOWN
    indexes = each.get("indexesUsed")
    sort = spec.get("sortKey", spec) if name == "$sort" and isinstance(spec, dict) else None
    return Stage(
        name=name,
        index_name=", ".join(map(str, indexes)) if isinstance(indexes, list) else "",
        filter=spec if name == "$match" and isinstance(spec, dict) else None,
        sort=sort if isinstance(sort, dict) else None,
        collection_scans=max(0.0, _number(each, "collectionScans")),
        shard=shard,
        children=below,
        **counts,
    )


def _sharded_pipeline(answer: Document, shards: Document, budget: _Budget) -> Plan:
    parts = []
    for name, each in shards.items():
        if isinstance(each, dict):
            inner = each.get("stages")
            plan = _pipeline(inner, budget, name) if isinstance(inner, list) else _query_or_none(each, budget)
            parts.append(plan if plan.top is None else replace(plan, top=replace(plan.top, shard=name)))
    split = answer.get("splitPipeline")
    merging = split.get("mergerPart") if isinstance(split, dict) else None
    top: Stage | None = Stage("SHARDS", children=tuple(part.top for part in parts if part.top))
    for each in merging if isinstance(merging, list) else ():
        name = next(iter(each), "") if isinstance(each, dict) else ""
        if name:
            top = _of_pipeline(name, each[name], {}, "", (top,) if top else ())
    first = parts[0] if parts else Plan(None)
    return Plan(
        top,
        documents=_sum(part.documents for part in parts),
        keys=_sum(part.keys for part in parts),
        elapsed_ms=max((part.elapsed_ms for part in parts), default=UNKNOWN),
        rejected=sum(part.rejected for part in parts),
        namespace=first.namespace,
        executed=any(part.executed for part in parts),
        failure=next((part.failure for part in parts if part.failure), ""),
    )


def _query_or_none(answer: Document, budget: _Budget) -> Plan:
    return _query(answer, budget) if isinstance(answer.get("queryPlanner"), dict) else Plan(None)


def _sum(numbers: Iterator[float]) -> float:
    known = [number for number in numbers if number != UNKNOWN]
    return sum(known) if known else UNKNOWN


def _number(found: Document, *names: str) -> float:
    for name in names:
        value = found.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return UNKNOWN
