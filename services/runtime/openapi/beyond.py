"""Paths that are no rpcs: requests that are passed on as they are, and the gateway's health."""

from __future__ import annotations

from services.runtime.openapi import answers, security
from services.runtime.openapi.catalogue import JSON

VERBS = ("get", "put", "post", "delete", "patch")
READS = ("get",)
FORWARDING = "/api/platform/bun/{database_id}/proxy/{path}"
PG_META = "/api/platform/pg-meta/{database_id}/{path}"

_ID: JSON = {
    "name": "database_id",
    "in": "path",
    "required": True,
    "description": "The registered database's id.",
    "schema": {"type": "string", "format": "uuid"},
}
_REST: JSON = {
    "name": "path",
    "in": "path",
    "required": True,
    "description": "The rest of the path: any number of segments. The query is passed on as well.",
    "schema": {"type": "string"},
}
_ERRORS = (400, 401, 403, 404, 405, 413, 429, 500, 503, 504)


def forwarding() -> JSON:
    """Requests to Bun APIs; HEAD and OPTIONS are forwarded as well."""
    text = "Forwards the request to the API: method, query, headers and body as they are, and its answer likewise."
    return {FORWARDING: _passed_on("bunForward", "bun", text, "bun.request.forward", "developer")}


def pg_meta() -> JSON:
    """Requests to pg-meta."""
    text = (
        "Passes the request on to pg-meta for this PostgreSQL, as its own documentation describes it"
        " (https://github.com/supabase/postgres-meta). The least role depends on the path and, for SQL, on the SQL."
    )
    return {PG_META: _passed_on("postgresPass", "postgres", text, "postgres.request.pass", "developer")}


def health() -> JSON:
    """The gateway's own health checks, which need no token."""
    return {
        "/healthz": _check("gatewayHealth", "The gateway runs."),
        "/readyz": _check("gatewayReadiness", "The gateway and the services behind it can take requests."),
    }


def _passed_on(name: str, area: str, text: str, action: str, writer: str) -> JSON:
    item: JSON = {"parameters": [_ID, _REST]}
    for verb in VERBS:
        item[verb] = {
            "operationId": f"{name}{verb.capitalize()}",
            "tags": [area],
            "summary": text.partition(":")[0].partition(", ")[0],
            "description": text,
            "responses": {
                **{
                    str(status): {"$ref": f"#/components/responses/{answers.component(status)}"}
                    for status in _ERRORS
                },
                "default": {"description": "What was answered there.", "content": {"*/*": {"schema": {}}}},
            },
            "security": security.of(verb.upper()),
            "x-role": "read_only" if verb in READS else writer,
            "x-action": action,
            "x-effect": "reads" if verb in READS else "changes",
        }
        if verb not in READS:
            item[verb]["requestBody"] = {"content": {"*/*": {"schema": {}}}}
    return item


def _check(name: str, text: str) -> JSON:
    return {
        "get": {
            "operationId": name,
            "tags": ["gateway"],
            "summary": text.removesuffix("."),
            "description": text,
            "responses": {"200": {"description": "It is so."}, "503": {"description": "It is not so."}},
            "security": [],
        }
    }
