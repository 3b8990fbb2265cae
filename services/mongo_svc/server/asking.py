"""Asks a server about itself: what the user may not see, or the server doesn't have, is named; the rest is told."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import bson

from services.mongo_svc.client import PLAIN, MongoClient
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

UNKNOWN = -1.0
T = TypeVar("T")

NOT_ALLOWED = frozenset({e.ERROR_REASON_DB_PERMISSION_DENIED})
NOT_THERE = frozenset({e.ERROR_REASON_NOT_SUPPORTED})


@dataclass(frozen=True, slots=True)
class Missing:
    """What an answer lacks."""

    what: str
    """What is left out."""
    permission: str
    """What the user lacks; empty where the server doesn't have it."""
    role: str
    """A role that holds it."""


@dataclass(slots=True)
class Asking:
    """One look at a server."""

    client: MongoClient
    missing: list[Missing] = field(default_factory=list)
    """What could not be seen."""

    async def command(
        self, command: Mapping[str, Any], *, what: str, permission: str, role: str = "clusterMonitor"
    ) -> Mapping[str, Any]:
        """The answer of an administrative command; empty where the user may not ask.

        Args:
            command: its name first.
            what: what is left out without it.
            permission: the action that it needs, and on what.
            role: a role that holds it.

        Raises:
            StudioError: whatever else goes wrong.
        """
        return await self.allowed(
            self.client.command("admin", dict(command)), {}, what=what, permission=permission, role=role
        )

    async def allowed(
        self, asked: Awaitable[T], without: T, *, what: str, permission: str, role: str = "clusterMonitor"
    ) -> T:
        """What is asked, or `without` where the user may not ask."""
        try:
            return await asked
        except StudioError as error:
            if error.reason in NOT_ALLOWED:
                self.missing.append(Missing(what, permission, role))
            elif error.reason in NOT_THERE:
                self.missing.append(Missing(what, "", ""))
            else:
                raise
            return without


def plain(document: bytes) -> Mapping[str, Any]:
    """A document as values of Python."""
    found: dict[str, Any] = bson.decode(document, PLAIN)
    return found


def number(answer: object, *path: str) -> float:
    """A figure by its path; -1 where it isn't told."""
    for name in path:
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return float(answer) if isinstance(answer, (int, float)) and not isinstance(answer, bool) else UNKNOWN
