"""What goes into a store and comes out of it. No SQL, no gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Database:
    """A registered database as it may be shown: the row without its ciphertext."""

    id: str
    project_id: str
    project_ref: str
    project_name: str
    organization_name: str
    organization_slug: str
    name: str
    type: str
    description: str
    host: str
    port: int
    database_name: str
    username: str
    config: dict[str, Any] | None
    """None for none."""
    status: str
    last_connected_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def key(self) -> Key:
        """Where it stands in lists."""
        return Key(self.project_ref, self.name, self.id)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A registered database as a service that connects to it needs it."""

    id: str
    type: str
    ciphertext: str
    """As stored: sealed, or in the legacy format."""
    revision: str
    """Changes whenever ciphertext, type, config, name or project do."""
    name: str
    project_ref: str
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewDatabase:
    """A database to be stored."""

    id: str
    project_ref: str
    name: str
    type: str
    description: str
    ciphertext: str
    host: str
    port: int
    database_name: str
    username: str
    config: dict[str, Any]
    connected: bool
    """Whether a test has just succeeded: then it is active, else inactive until the first one does."""


@dataclass(frozen=True, slots=True)
class Key:
    """The order of lists."""

    project_ref: str
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Which databases to list; an empty field filters nothing."""

    project_ref: str = ""
    type: str = ""
    status: str = ""
    search: str = ""
    """Part of the name, the description or the host, whatever its case."""


@dataclass(frozen=True, slots=True)
class Known:
    """A connection that a service holds."""

    id: str
    revision: str


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a connection."""

    id: str
    deleted: bool
    """Gone, or of another type now; else changed."""
