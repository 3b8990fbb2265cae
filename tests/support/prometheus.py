"""What is scraped and what is asked of it: metrics by name, and the names and labels in PromQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

ADDED = {"job": "", "instance": ""}
"""Labels that Prometheus adds to whatever it scrapes."""
VARIABLES = {"$__rate_interval": "5m", "$job": ".*"}
"""Grafana's, and values that stand for them."""


@dataclass
class Family:
    """One metric, over all that was scraped."""

    type: str
    help: str
    labels: dict[str, set[str]] = field(default_factory=dict)
    """Values seen, by label."""
    samples: int = 0


@dataclass(frozen=True)
class Selector:
    """A metric that an expression asks for."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator and value."""


def families(texts: Mapping[str, str]) -> dict[str, Family]:
    """What jobs' `/metrics` say, by name; a counter's is with `_total`, as one asks for it."""
    found: dict[str, Family] = {}
    for text in texts.values():
        for each in text_string_to_metric_families(text):
            name = each.name
            # The parser gives counters the names of OpenMetrics, whatever they are called.
            if each.type == "counter" and f"# TYPE {name}_total counter" in text:
                name += "_total"
            family = found.setdefault(name, Family(each.type, each.documentation))
            assert family.type == each.type, f"{name} is of two types"
            for sample in each.samples:
                family.samples += 1
                for label, value in sample.labels.items():
                    if label not in {"le", "quantile"}:
                        family.labels.setdefault(label, set()).add(value)
    return found


def series(family: str, type_: str) -> set[str]:
    """The names under which a family is asked for."""
    if type_ == "histogram":
        return {f"{family}_bucket", f"{family}_sum", f"{family}_count"}
    return {family}


def parsed(expression: str) -> Any:  # noqa: ANN401  the parser has no types
    """The syntax tree of an expression, Grafana's variables in it filled in.

    Raises:
        ValueError: it is none.
    """
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return promql_parser.parse(expression)


def selectors(tree: Any) -> Iterator[Selector]:  # noqa: ANN401  as above
    """Every metric that it asks for."""
    for each in _nodes(tree):
        if type(each).__name__ == "VectorSelector":
            matchers = tuple((m.name, str(m.op).rpartition(".")[2], m.value) for m in each.matchers.matchers)
            yield Selector(each.name, matchers)


def groupings(tree: Any) -> Iterator[tuple[set[str], list[Selector]]]:  # noqa: ANN401  as above
    """The labels by which it aggregates or joins, and the metrics that must have them."""
    for each in _nodes(tree):
        labels = getattr(getattr(each, "modifier", None), "labels", None)
        matching = getattr(getattr(each, "modifier", None), "matching", None)
        labels = labels or getattr(matching, "labels", None)
        if labels:
            yield set(labels), list(selectors(each))


def _nodes(tree: Any) -> Iterator[Any]:  # noqa: ANN401  as above
    yield tree
    for name in ("lhs", "rhs", "expr", "vector_selector"):
        child = getattr(tree, name, None)
        if child is not None:
            yield from _nodes(child)
    for child in getattr(tree, "args", None) or ():
        yield from _nodes(child)
