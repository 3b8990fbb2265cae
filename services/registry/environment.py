"""Which connections the environment names, and what becomes of each: no store, no gRPC.

Each engine has a variable with the address inside a private network and one with the public address (`REDIS_URL` and
`REDIS_PUBLIC_URL`, as Railway names them). On Railway the internal one is used, elsewhere the public one; where there
is only one, that one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.registry import connection_strings, railway
from services.registry.connection_strings import Changes, Connection, Parts
from services.runtime.errors import StudioError

NAMESPACE = uuid.UUID("6f1c9a52-6f0e-5b1b-9d6b-0b8f6f8f3f0e")
"""Ids are UUIDs (version 5) of this namespace and the variable's name: the same at every start, everywhere."""
PROJECT_REF = "default"
"""Under which project they are listed: the one that self-hosted Studio shows."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The variables of one connection."""

    name: str
    """With the internal address; the connection's id derives from it."""
    public: str
    """With the public address."""
    type: str
    """Type of the database, as the platform schema names it."""
    database: str
    """Name of the connection in lists."""
    key: str = ""
    """The variable with a key that stands apart from the address; empty for none."""

    @property
    def id(self) -> str:
        """The connection's id."""
        return str(uuid.uuid5(NAMESPACE, self.name))


VARIABLES = (
    Variable("REDIS_URL", "REDIS_PUBLIC_URL", "redis", "env-redis"),
    Variable("MONGODB_URL", "MONGODB_PUBLIC_URL", "mongodb", "env-mongodb"),
    Variable("BUN_API_URL", "BUN_API_PUBLIC_URL", "bun_api", "env-bun-api", key="BUN_API_KEY"),
    Variable("DATABASE_URL", "DATABASE_PUBLIC_URL", "postgres", "env-postgres"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """A connection that the environment names."""

    variable: Variable
    used: str
    """The variable whose address is used."""
    connection: Connection | None = field(repr=False)
    """None where the variable can't be read."""
    hint: str = ""
    """Why not, or advice."""


def read(environment: Mapping[str, str], *, on_railway: bool) -> list[Named]:
    """The connections that these variables name, those that can't be read among them.

    Args:
        environment: the variables that are set.
        on_railway: whether internal addresses can be reached.
    """
    found = []
    for variable in VARIABLES:
        choice = (variable.name, variable.public) if on_railway else (variable.public, variable.name)
        used = next((name for name in choice if environment.get(name)), None)
        if used is not None:
            found.append(_read(variable, used, environment, on_railway=on_railway))
    return found


def _read(variable: Variable, used: str, environment: Mapping[str, str], *, on_railway: bool) -> Named:
    try:
        connection = connection_strings.parse(variable.type, environment[used].strip())
        if key := environment.get(variable.key):
            connection = _with_key(connection, key, variable)
    except StudioError as error:
        return Named(variable, used, None, f"{used} can't be used: {error.message}")
    hint = railway.advice(connection.parts.host, on_railway=on_railway)
    return Named(variable, used, connection, hint)


def _with_key(connection: Connection, key: str, variable: Variable) -> Connection:
    if connection.parts.password not in ("", key):
        raise connection_strings.invalid(
            f"it holds a key, and {variable.key} another one: give it in one place."
        )
    return connection_strings.amend(variable.type, connection.url, Changes(password=key))


def shown(named: Named) -> Parts:
    """What may be shown of it."""
    return named.connection.parts if named.connection else Parts("")
