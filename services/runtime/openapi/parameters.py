"""Where the fields of a request stand over HTTP: path, query or body, as the gateway's transcoder binds them.

https://github.com/googleapis/googleapis/blob/master/google/api/http.proto, section "Rules for HTTP mapping".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.runtime.confirmation import HEADER
from services.runtime.contract import HttpRule, Method
from services.runtime.openapi.catalogue import JSON, Field, Message
from services.runtime.openapi.schemas import WELL_KNOWN, Form, Schemas
from studio.options.v1.access_pb2 import EFFECT_ENDANGERS

_VARIABLE = re.compile(r"\{([^}=]+)(?:=[^}]*)?\}")

WHOLE = "*"
"""The body is the whole request."""

CONFIRMATION: JSON = {"$ref": "#/components/parameters/confirmation"}
CONFIRMATION_PARAMETER: JSON = {
    "name": HEADER,
    "in": "header",
    "description": (
        "The token of the answer `CONFIRMATION_REQUIRED` (`details[0].metadata.confirmation`), to do what is dangerous"
        " on a production database after all."
    ),
    "schema": {"type": "string", "maxLength": 1024},
}


def path_of(template: str) -> str:
    """A template of `google.api.http` as a path of OpenAPI: `{name=…}` is `{name}`."""
    return _VARIABLE.sub(r"{\1}", template)


def in_path(template: str) -> frozenset[str]:
    """The fields that stand in the path."""
    return frozenset(_VARIABLE.findall(template))


def parameters(method: Method, rule: HttpRule, schemas: Schemas) -> Iterator[JSON]:
    """What stands in path, query and headers."""
    request = schemas.catalogue.messages[method.request]
    placed = in_path(rule.template)
    for field in request.fields:
        if field.name in placed:
            yield {"name": field.name, "in": "path", "required": True} | _described(
                schemas.field(field, Form.REQUEST)
            )
    if rule.body != WHOLE:
        yield from _query(request, placed | {rule.body}, schemas, "")
    if method.effect == EFFECT_ENDANGERS or method.confirmed_inside:
        yield CONFIRMATION


def _query(message: Message, placed: frozenset[str], schemas: Schemas, prefix: str) -> Iterator[JSON]:
    required = schemas.catalogue.required(message.full_name)
    for field in message.fields:
        if field.name in placed:
            continue
        if field.is_message and field.type_name not in WELL_KNOWN:
            nested = schemas.catalogue.messages[field.type_name]
            yield from _query(nested, frozenset(), schemas, f"{prefix}{field.name}.")
            continue
        parameter: JSON = {"name": f"{prefix}{field.name}", "in": "query"} | _described(
            schemas.field(field, Form.REQUEST), _choice(message, field, prefix)
        )
        # What a nested message must have it must have where it is given at all.
        if field.name in required and not prefix:
            parameter["required"] = True
        yield parameter


def _choice(message: Message, field: Field, prefix: str) -> str:
    """What OpenAPI can't say of parameters: that they exclude each other."""
    for oneof in message.oneofs:
        if field.name in oneof.fields:
            names = ", ".join(f"`{prefix}{name}`" for name in oneof.fields)
            return f"{'Exactly' if oneof.is_required and not prefix else 'At most'} one of {names}."
    return ""


def _described(schema: JSON, more: str = "") -> JSON:
    """A parameter's description stands beside its schema."""
    text = " ".join(part for part in (schema.pop("description", ""), more) if part)
    schema.pop("writeOnly", None)
    return {"description": text, "schema": schema} if text else {"schema": schema}
