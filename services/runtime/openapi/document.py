"""The document as a whole."""

from __future__ import annotations

import json
from collections.abc import Collection

from google.protobuf import descriptor_pb2

from services.runtime.contract import DESCRIPTORS, Method, load_contract
from services.runtime.openapi import answers, beyond, operations, parameters, security
from services.runtime.openapi.catalogue import JSON, Catalogue
from services.runtime.openapi.schemas import Schemas

OPENAPI = "3.1.0"
API_VERSION = "1"
"""Of the contract's packages: `studio.<area>.v1`."""

AREAS = ("registry", "redis", "mongodb", "bun", "postgres")
"""What the document can be about; `postgres` is pg-meta."""

_TAGS = {
    "registry": "Registered databases, who may do what, and the record of it.",
    "redis": "Keys, values and servers of Redis.",
    "mongodb": "Documents, collections and servers of MongoDB. Documents are Extended JSON v2.",
    "bun": "Bun APIs and requests to them.",
    "postgres": "PostgreSQL through pg-meta.",
    "gateway": "The gateway itself.",
}

_DESCRIPTION = """\
Management of Redis, MongoDB, Bun APIs and PostgreSQL for self-hosted Supabase Studio.

Fields of requests may be written in snake_case, as here, or in camelCase; answers are in snake_case. Every error has
the shape of `Error`. `x-role` is the least role that may call an operation, `x-action` its name in the audit log,
`x-effect` what it does: `none`, `reads`, `changes` or `endangers`; `x-any-caller` says that any valid token will do."""


def build(areas: Collection[str] = AREAS) -> JSON:
    """The document.

    Takes about a second, and some 20 MB while it works.

    Args:
        areas: what it is about, of `AREAS`.

    Raises:
        FileNotFoundError: the contract has not been derived (`make protos`).
    """
    catalogue = Catalogue(descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()))
    methods = [
        method
        for method in load_contract().methods.values()
        if method.http and not method.is_internal and method.area in areas
    ]
    schemas = Schemas(catalogue, [root for method in methods for root in operations.roots(method)])
    paths = _paths(methods, schemas)
    if "bun" in areas:
        paths |= beyond.forwarding()
    if "postgres" in areas:
        paths |= beyond.pg_meta()
    paths |= beyond.health()
    tags = [*(area for area in AREAS if area in areas), "gateway"]
    return {
        "openapi": OPENAPI,
        "info": {"title": "Studio Databases", "version": API_VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": _TAGS[name]} for name in tags],
        "paths": paths,
        "components": {
            "schemas": {"Error": answers.error_schema(catalogue)} | dict(sorted(schemas.components.items())),
            "responses": answers.error_responses(),
            "parameters": {"confirmation": parameters.CONFIRMATION_PARAMETER},
            "securitySchemes": security.SCHEMES,
        },
    }


def render(areas: Collection[str] = AREAS, *, indent: int | None = None) -> bytes:
    """The document as JSON.

    Args:
        areas: as for `build`.
        indent: spaces a level; None for none and no line breaks.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(build(areas), ensure_ascii=False, indent=indent, separators=separators)
    return text.encode()


def _paths(methods: Collection[Method], schemas: Schemas) -> JSON:
    paths: JSON = {}
    for method in methods:
        for rule in method.http:
            item = paths.setdefault(parameters.path_of(rule.template), {})
            item[rule.verb.lower()] = operations.operation(method, rule, schemas)
    return paths
