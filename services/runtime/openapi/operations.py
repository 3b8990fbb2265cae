"""An rpc as operations of OpenAPI, one for each of its REST forms."""

from __future__ import annotations

import re

from services.runtime.contract import HttpRule, Method
from services.runtime.openapi import answers, parameters, security
from services.runtime.openapi.catalogue import JSON, prose
from services.runtime.openapi.schemas import BINARY, HTTP_BODY, Form, Schemas
from studio.options.v1 import access_pb2

BSON_TYPE = "application/bson"
_END = re.compile(r"[.:;] ")


def roots(method: Method) -> list[tuple[str, Form]]:
    """The messages that are bodies of an rpc."""
    found = [(method.request, Form.REQUEST)]
    if method.request_json:
        found.append((method.request_json, Form.REQUEST))
    if method.response_json:
        found.append((method.response_json, Form.DOCUMENTS))
    if method.response != HTTP_BODY:
        found.append((method.response, Form.ANSWER))
    return found


def operation(method: Method, rule: HttpRule, schemas: Schemas) -> JSON:
    """The operation of one REST form."""
    text = prose(method.comment)
    described: JSON = {
        "operationId": _operation_id(method, rule),
        "tags": [method.area],
        "summary": _first_sentence(text),
        "description": text,
    }
    if found := list(parameters.parameters(method, rule, schemas)):
        described["parameters"] = found
    if rule.body:
        described["requestBody"] = _body(method, rule, schemas)
    described["responses"] = answers.responses(method, rule, schemas)
    described["security"] = security.of(rule.verb)
    described["x-role"] = _lower(access_pb2.Role.Name(method.role), "ROLE_")
    described["x-action"] = method.action
    described["x-effect"] = _lower(access_pb2.Effect.Name(method.effect), "EFFECT_")
    if method.any_caller:
        described["x-any-caller"] = True
    return described


def _operation_id(method: Method, rule: HttpRule) -> str:
    """`redisGetValue`; a REST form beside the first has its verb behind: `registryUpdateDatabasePut`."""
    further = "" if rule == method.http[0] else rule.verb.capitalize()
    return f"{method.area}{method.name}{further}"


def _body(method: Method, rule: HttpRule, schemas: Schemas) -> JSON:
    if rule.body == parameters.WHOLE:
        placed = parameters.in_path(rule.template)
        schema = schemas.reference(method.request, Form.REQUEST, omit=placed)
        return {
            "required": schemas.catalogue.needs_any(method.request, but=placed),
            "content": {answers.JSON_TYPE: {"schema": schema}},
        }
    field = schemas.catalogue.messages[method.request].field(rule.body)
    if field.type_name != HTTP_BODY:
        schema = schemas.reference(field.type_name, Form.REQUEST)
        return {"required": True, "content": {answers.JSON_TYPE: {"schema": schema}}}
    if method.request_json:
        schema = schemas.reference(method.request_json, Form.REQUEST)
        return {
            "required": schemas.catalogue.needs_any(method.request_json),
            # The fields are the same in both.
            "content": {answers.JSON_TYPE: {"schema": schema}, BSON_TYPE: dict(BINARY)},
        }
    return {"description": field.comment, "required": True, "content": {answers.BYTES_TYPE: dict(BINARY)}}


def _first_sentence(text: str) -> str:
    return _END.split(text.partition("\n\n")[0], maxsplit=1)[0].removesuffix(".")


def _lower(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
