"""The embedded engines. Each module has one class that describes how its engine runs; nothing else knows it.

To add one: write such a class and list it in `KINDS`. The tests use the same classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from deploy.local.engines.bun import Bun
from deploy.local.engines.pg_meta import PgMeta
from deploy.local.engines.postgres import Postgres
from deploy.local.engines.secantus import Secantus
from deploy.local.engines.valkey import Valkey
from deploy.local.program import Program
from deploy.local.state import State

__all__ = ["KINDS", "Bun", "Engine", "PgMeta", "Postgres", "Secantus", "Valkey"]


class Engine(Protocol):
    """An engine that comes with the project's development packages."""

    name: str
    """Its key in `engines.json`; names its log and its folder in the state directory."""

    @property
    def url(self) -> str:
        """Where it listens, with its password."""

    def program(self) -> Program:
        """Prepares its data directory and describes the process. Idempotent; runs beside that of other engines."""


KINDS: Mapping[str, Callable[[State, bool], Engine]] = {
    "postgres": lambda state, durable: Postgres(state, durable=durable),
    # It is durable in tests as well: without its file it would come back empty from a crash, and the file is cheap.
    "redis": lambda state, _: Valkey(state),
    "mongodb": lambda state, durable: Secantus(state, durable=durable),
    "bun": lambda state, _: Bun(state),
    "pg_meta": lambda state, _: PgMeta(state),
}
