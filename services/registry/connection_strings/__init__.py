"""Connection strings of every engine: checked, taken apart, and built from parts.

`parse` says what may be shown of a URL and returns it in one canonical form, in which every reserved character of the
user name and the password is percent-encoded, so that the engines' services read it in one way only. `build` makes a
URL from parts that are not encoded. Neither resolves a name nor opens a connection, and no message repeats a password.
One module an engine; what they share is in `common`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.registry.connection_strings import bun, mongodb, postgres, redis
from services.registry.connection_strings.common import Changes, Connection, Parts, Url, invalid, split

__all__ = ["TYPES", "Changes", "Connection", "Parts", "amend", "build", "invalid", "parse"]


@dataclass(frozen=True, slots=True)
class _Engine:
    """What one engine's module offers."""

    parse: Callable[[str], Connection]
    assemble: Callable[[Parts], str]
    amend: Callable[[Url, Changes], Url]


_ENGINES = {
    "postgres": _Engine(postgres.parse, postgres.assemble, postgres.amend),
    "redis": _Engine(redis.parse, redis.assemble, redis.amend),
    "mongodb": _Engine(mongodb.parse, mongodb.assemble, mongodb.amend),
    "bun_api": _Engine(bun.parse, bun.assemble, bun.amend),
}

_NONE: Mapping[str, str] = MappingProxyType({})

TYPES = tuple(_ENGINES)
"""The types of databases, as the platform schema names them."""


def parse(type_: str, text: str, options: Mapping[str, str] = _NONE) -> Connection:
    """Takes a connection string apart.

    Args:
        type_: one of `TYPES`.
        text: the engine's URL as the user wrote it.
        options: more options for the URL, not percent-encoded.

    Raises:
        StudioError: INVALID_CONNECTION_STRING, with a sentence that says what to change.
    """
    engine = _ENGINES[type_]
    if not options:
        return engine.parse(text)
    if type_ == "bun_api":
        raise invalid("A base URL has no options.", "options")
    return engine.parse(split(text, type_).with_options(options).text())


def build(type_: str, parts: Parts, options: Mapping[str, str] = _NONE) -> Connection:
    """Makes a connection string of parts and options, none of them percent-encoded.

    Raises:
        StudioError: INVALID_CONNECTION_STRING, a part can't stand in this engine's URL.
    """
    return parse(type_, _ENGINES[type_].assemble(parts), options)


def amend(type_: str, text: str, changes: Changes) -> Connection:
    """Replaces parts of a connection string; the others stay, options and further hosts among them.

    Raises:
        StudioError: INVALID_CONNECTION_STRING, a part can't stand in this URL.
    """
    engine = _ENGINES[type_]
    return engine.parse(engine.amend(split(text, type_), changes).text())
