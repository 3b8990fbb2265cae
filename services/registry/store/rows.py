"""What goes into a store and comes out of it. No SQL, no gRPC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

Grants = Mapping[str, str]
"""`read`, `write` or `admin` by subject."""


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
    grants: Grants | None = None
    """None for none."""
    source: str = "stored"
    """`stored` or `environment`."""
    stale: bool = False
    """The platform database can't be asked; this is what was known last."""
    hint: str = ""
    """Advice on the connection; empty for none."""

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
    deactivated: bool = False
    """A user took it out of use: nothing connects to it."""
    grants: Grants = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is known of one registered database."""

    database: Database
    sealed: Sealed


class Listed(NamedTuple):
    """A page of databases."""

    rows: list[Database]
    stale: bool = False
    """The platform database can't be asked; these are what was known last."""


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
    request: Request | None = None
    """The request that makes it, where it may be repeated."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may be repeated, and what it made."""

    id: str
    digest: str
    """Of what it asked for."""
    database_id: str


class RequestRepeatedError(Exception):
    """A request was repeated: what it asked for is there.

    Args:
        request: as it was first made.
    """

    def __init__(self, request: Request) -> None:
        super().__init__("the request was repeated")
        self.request = request


class OvertakenError(Exception):
    """What a change was based on has changed meanwhile."""


@dataclass(frozen=True, slots=True)
class NewConnection:
    """Another connection for a stored database."""

    ciphertext: str
    host: str
    port: int
    database_name: str
    username: str
    connected: bool
    """As of a new database."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change of a stored database; None leaves a field as it is."""

    id: str
    name: str | None = None
    description: str | None = None
    config: dict[str, Any] | None = None
    status: str | None = None
    """`active` or `inactive`, as a user chose."""
    connection: NewConnection | None = None
    based_on: str | None = None
    """The ciphertext from which the new connection was made; None where it does not depend on it."""


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
    projects: tuple[str, ...] | None = None
    """Only those of these projects, to which the caller is limited; None for all."""
    granted_to: str | None = None
    """Only those on which this subject has a grant; None for all."""


@dataclass(frozen=True, slots=True)
class Known:
    """A connection that a service holds."""

    id: str
    revision: str
    access_revision: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a connection."""

    id: str
    deleted: bool
    """Gone, or of another type now; else changed."""
    access: bool = False
    """Nothing but the grants on it changed."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A subject's role on one database."""

    id: str
    database_id: str
    subject: str
    role: str
    created_at: datetime
    created_by: str


def access_revision(grants: Grants) -> str:
    """Changes whenever the grants do; empty where there are none."""
    if not grants:
        return ""
    return hashlib.sha256(json.dumps(sorted(grants.items())).encode()).hexdigest()[:32]
