"""Connection strings of every engine: checked, taken apart, and built from parts.

`parse` says what may be shown of a URL and returns it in one canonical form, in which every reserved character of the
user name and the password is percent-encoded, so that the engines' services read it in one way only. `build` makes a
URL from parts that are not encoded. Neither resolves a name nor opens a connection, and no message repeats a password.
One module an engine; what they share is in `common`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.registry.connection_strings import bun, mongodb, postgres, redis
from services.registry.connection_strings.common import Connection, Parts

__all__ = ["TYPES", "Connection", "Parts", "build", "parse"]


@dataclass(frozen=True, slots=True)
class _Engine:
    """What one engine's module offers."""

    parse: Callable[[str], Connection]
    assemble: Callable[[Parts], str]


_ENGINES = {
    "postgres": _Engine(postgres.parse, postgres.assemble),
    "redis": _Engine(redis.parse, redis.assemble),
    "mongodb": _Engine(mongodb.parse, mongodb.assemble),
    "bun_api": _Engine(bun.parse, bun.assemble),
}

TYPES = tuple(_ENGINES)
"""The types of databases, as the platform schema names them."""


def parse(type_: str, text: str) -> Connection:
    """Takes a connection string apart.

    Args:
        type_: one of `TYPES`.
        text: the engine's URL as the user wrote it.

    Raises:
        StudioError: INVALID_CONNECTION_STRING, with a sentence that says what to change.
    """
    return _ENGINES[type_].parse(text)


def build(type_: str, parts: Parts) -> Connection:
    """Makes a connection string of parts, none of them percent-encoded.

    Raises:
        StudioError: INVALID_CONNECTION_STRING, a part can't stand in this engine's URL.
    """
    engine = _ENGINES[type_]
    return engine.parse(engine.assemble(parts))
