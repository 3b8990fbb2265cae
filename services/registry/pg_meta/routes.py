"""Every route of pg-meta, and the least role that may use it. What is not in the table is refused.

As `@supabase/postgres-meta` 0.99 has them (`dist/server/routes`); a test compares the two. Paths are compared as they
came, escapes and all: pg-meta's router undoes escapes before it compares, so `/%71uery` is `/query` to it, and nothing
here.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import access_pb2 as access
from studio.options.v1 import errors_pb2 as e

PREFIX = "/api/platform/pg-meta/"

_READ, _CHANGE, _RULE = access.ROLE_READ_ONLY, access.ROLE_DEVELOPER, access.ROLE_ADMINISTRATOR


class Kind(enum.Enum):
    """What a route does."""

    READ = "reads the catalog"
    CHANGE = "changes what is in the database"
    SQL = "runs any SQL"
    TEXT = "works on SQL as text, without a database"


_COLLECTION = {"GET": _READ, "POST": _CHANGE}
_ITEM = {"GET": _READ, "PATCH": _CHANGE, "DELETE": _CHANGE}
# Who may log in, what is loaded into the server and what leaves it: of the database as a whole.
_RULED_COLLECTION = {"GET": _READ, "POST": _RULE}
_RULED_ITEM = {"GET": _READ, "PATCH": _RULE, "DELETE": _RULE}
_GRANTS = {"GET": _READ, "POST": _RULE, "DELETE": _RULE}
_GET = {"GET": _READ}

TABLE: Mapping[str, Mapping[str, access.Role.ValueType]] = {
    "/": _GET,
    "/health": _GET,
    "/column-privileges": _GRANTS,
    "/columns": _COLLECTION,
    "/columns/{column}": _ITEM,
    "/config": _GET,
    "/config/version": _GET,
    "/extensions": _RULED_COLLECTION,
    "/extensions/{name}": _RULED_ITEM,
    "/foreign-tables": _GET,
    "/foreign-tables/{id}": _GET,
    "/functions": _COLLECTION,
    "/functions/{id}": _ITEM,
    "/generators/go": _GET,
    "/generators/python": _GET,
    "/generators/swift": _GET,
    "/generators/typescript": _GET,
    "/indexes": _GET,
    "/indexes/{id}": _GET,
    "/materialized-views": _GET,
    "/materialized-views/{id}": _GET,
    "/policies": _COLLECTION,
    "/policies/{id}": _ITEM,
    "/publications": _RULED_COLLECTION,
    "/publications/{id}": _RULED_ITEM,
    # Of whoever may read: what of it may run is decided by `read_only`.
    "/query": {"POST": _READ},
    "/query/deparse": {"POST": _READ},
    "/query/format": {"POST": _READ},
    "/query/parse": {"POST": _READ},
    "/roles": _RULED_COLLECTION,
    "/roles/{id}": _RULED_ITEM,
    "/schemas": _COLLECTION,
    "/schemas/{id}": _ITEM,
    "/table-privileges": _GRANTS,
    "/tables": _COLLECTION,
    "/tables/{id}": _ITEM,
    "/triggers": _COLLECTION,
    "/triggers/{id}": _ITEM,
    "/types": _GET,
    "/views": _GET,
    "/views/{id}": _GET,
}
"""Path template to the methods it takes and the least role of each; `HEAD` goes where `GET` does."""

_VARIABLES = {
    "id": r"[0-9]{1,10}",
    "column": r"[0-9]{1,10}(?:\.[0-9]{1,5})?",
    # pg-meta quotes it. A slash in it, escaped, is refused by the gateway.
    "name": r"(?:[A-Za-z0-9_-]|%[0-9A-Fa-f]{2}){1,200}",
}
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# pg-meta writes the first of them into the SQL as it is.
_TIMEOUTS = re.compile(r"(?:(?:statementTimeoutSecs|queryTimeoutSecs)=[0-9]{1,4}(?:&|\Z))*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about."""

    database_id: str
    route: str
    """The path template."""
    kind: Kind
    role: access.Role.ValueType
    """The least role that may do it."""


def find(method: str, target: str) -> Asked:
    """What a request is about.

    Args:
        method: of HTTP.
        target: path and query, as the client sent them.

    Raises:
        StudioError: ROUTE_NOT_FOUND, METHOD_NOT_ALLOWED with the methods as `allow`; INVALID_ARGUMENT.
    """
    path, _, query = target.partition("?")
    database_id, _, rest = path.removeprefix(PREFIX).partition("/")
    if not path.startswith(PREFIX) or not database_id:
        raise StudioError(
            e.ERROR_REASON_ROUTE_NOT_FOUND, f"A path of pg-meta is {PREFIX}{{id of the database}}/…"
        )
    if not _UUID.fullmatch(database_id):
        raise invalid_argument("database_id", "must be a UUID")
    route = _template(f"/{rest}")
    methods = TABLE[route]
    role = methods.get("GET" if method == "HEAD" else method)
    if role is None:
        allowed = ", ".join(sorted(methods.keys() | ({"HEAD"} if "GET" in methods else set())))
        raise StudioError(
            e.ERROR_REASON_METHOD_NOT_ALLOWED,
            f"This path does not take the method of the request; it takes {allowed}.",
            metadata={"allow": allowed},
        )
    if route == "/query" and not _TIMEOUTS.fullmatch(query):
        raise invalid_argument(
            "query", "takes statementTimeoutSecs and queryTimeoutSecs, whole seconds of up to four digits"
        )
    return Asked(database_id.lower(), route, _kind(route, role), role)


def _kind(route: str, role: access.Role.ValueType) -> Kind:
    if route == "/query":
        return Kind.SQL
    if route.startswith("/query/") or route in {"/", "/health"}:
        return Kind.TEXT
    return Kind.READ if role == _READ else Kind.CHANGE


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    # Every second part is a variable's name.
    expression = "".join(
        _VARIABLES[part] if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile(expression, re.ASCII)


_PATTERNS = {template: _pattern(template) for template in TABLE if "{" in template}


def _template(path: str) -> str:
    if path in TABLE and "{" not in path:
        return path
    for template, pattern in _PATTERNS.items():
        if pattern.fullmatch(path):
            return template
    raise StudioError(e.ERROR_REASON_ROUTE_NOT_FOUND, "There is no such path of pg-meta.")
