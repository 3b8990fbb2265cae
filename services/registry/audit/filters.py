"""Which events are asked for, and who may see which: as conditions of SQL.

A page is read from one index, from where it begins: that of the *lead*, the filter that leaves least. (From several,
merged, where a caller is limited to several projects.) What else is asked for is compared row by row, MAX_SCANNED rows
a page, so a search for what is rare takes several pages instead of an unbounded statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

MAX_SCANNED = 20_000
"""Rows that a page looks through: some ten milliseconds."""
MAX_BRANCHES = 16
"""Projects of a limited caller that are each read from their own index."""
OWN_KEYS = "registry.api_key."
"""Beginning of the actions by which somebody manages API keys: of no project, so seen by who did it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; empty leaves all."""

    actor: str = ""
    action: str = ""
    """With a dot at the end, a beginning."""
    database: str = ""
    project: str = ""
    effect: str = ""
    outcome: str = ""
    target: str = ""
    """Part of a name in the target, whatever its case."""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def texts(self) -> tuple[str, ...]:
        """All of it, for a token that holds for nothing else."""
        return tuple("" if each is None else str(each) for each in astuple(self))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see."""

    projects: frozenset[str] | None = None
    """Events of these projects alone; None for all events."""
    actor: str = ""
    """Beside them, what he himself did with API keys."""

    def texts(self) -> tuple[str, ...]:
        """All of it, as of `Filters`."""
        return ("all",) if self.projects is None else (self.actor, *sorted(self.projects))


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a query, and their parameters."""

    branches: Sequence[str]
    """Each is answered by an index, and no row fits two of them."""
    rest: str
    """What else must hold; empty for nothing."""
    parameters: dict[str, Any]

    @property
    def by_time_alone(self) -> bool:
        """No lead: the log is read in its order."""
        return self.branches == [_INDEXED[""]]


def conditions(filters: Filters, scope: Scope) -> Conditions:
    """The filters and the scope, apart by how they are looked for."""
    found, parameters = _filters(filters), _parameters(filters, scope)
    lead = next((name for name in _LEADS if name in found), "")
    branches = [_INDEXED[lead]]
    rest = [condition for name, condition in found.items() if name != lead]
    if scope.projects is not None:
        projects = parameters["projects"]
        narrow = lead in ("request_id", "database")
        if filters.project or narrow or len(projects) > MAX_BRANCHES:
            rest.append(f"({_IN_PROJECTS} OR {_OWN_KEYS})")
        else:
            for number, project in enumerate(projects):
                parameters[f"project_{number}"] = project
            numbers = range(len(projects))
            branches = [
                *(f"project_ref = %(project_{number})s AND project_ref <> ''" for number in numbers),
                f"{_OWN_KEYS} AND NOT {_IN_PROJECTS}",
            ]
            rest = list(found.values())
    return Conditions(branches, " AND ".join(rest), parameters)


# `%%` is psycopg's way to write `%`. The second halves let the planner see that a partial index has the row.
_OWN_KEYS = f"(actor = %(own)s AND action LIKE '{OWN_KEYS}%%')"
_IN_PROJECTS = "(project_ref = ANY(%(projects)s))"
_INDEXED = {
    "": "true",
    "request_id": "request_id = %(request_id)s AND request_id <> ''",
    "database": "database_id = %(database)s AND database_id <> ''",
    "actor": "actor = %(actor)s",
    "outcome": "outcome = %(outcome)s AND outcome <> 'ok'",
    "effect": "effect = %(effect)s AND effect <> 'reads'",
    "action": "action = %(action)s",
    "project": "project_ref = %(project)s AND project_ref <> ''",
    "area": "split_part(action, '.', 1) = %(area)s",
}
_LEADS = ("request_id", "database", "actor", "outcome", "effect", "action", "project", "area")
_TARGET = (
    "EXISTS (SELECT FROM json_each_text(target) AS name"
    " WHERE strpos(lower(name.value), lower(%(target)s)) > 0)"
)


def _filters(filters: Filters) -> dict[str, str]:
    """The condition of each filter that is set, by name; a name of `_LEADS` where an index answers it."""
    found = {
        name: f"{column} = %({name})s"
        for name, column in (
            ("request_id", "request_id"),
            ("database", "database_id"),
            ("actor", "actor"),
            ("project", "project_ref"),
        )
        if getattr(filters, name)
    }
    if filters.outcome:
        found["outcome" if filters.outcome != "ok" else "is ok"] = "outcome = %(outcome)s"
    if filters.effect:
        found["effect" if filters.effect != "reads" else "reads"] = "effect = %(effect)s"
    if filters.action.endswith("."):
        found["area"] = "split_part(action, '.', 1) = %(area)s"
        if filters.action.count(".") > 1:
            found["beginning"] = "starts_with(action, %(action)s)"
    elif filters.action:
        found["action"] = "action = %(action)s"
    if filters.target:
        found["target"] = _TARGET
    return found


def _parameters(filters: Filters, scope: Scope) -> dict[str, Any]:
    return {
        "actor": filters.actor,
        "action": filters.action,
        "area": filters.action.partition(".")[0],
        "database": filters.database,
        "project": filters.project,
        "effect": filters.effect,
        "outcome": filters.outcome,
        "target": filters.target,
        "request_id": filters.request_id,
        "own": scope.actor,
        # What is of no project is nobody's who is limited to some.
        "projects": sorted((scope.projects or frozenset()) - {""}),
    }
