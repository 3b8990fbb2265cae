"""What an rpc answers over HTTP: its success, and the errors that it may give."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from services.runtime.contract import HttpRule, Method
from services.runtime.openapi.catalogue import JSON, Catalogue
from services.runtime.openapi.schemas import BINARY, HTTP_BODY, Form, Schemas
from services.runtime.statuses import DOMAIN

JSON_TYPE = "application/json"
EVENT_STREAM = "text/event-stream"
BYTES_TYPE = "application/octet-stream"

NEXT_PAGE = "next_page_token"
STALE = "stale"
REASON = "studio.options.v1.ErrorReason"
REASON_PREFIX = "ERROR_REASON_"

_TEXT: JSON = {"type": "string"}
_RETRY_AFTER: JSON = {
    "retry-after": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}

ERRORS: Mapping[int, tuple[str, JSON]] = {
    400: ("The request, or what it asks the engine for, can't be done as it stands.", {}),
    401: (
        "There is no token, or it is none of ours.",
        {"www-authenticate": {"description": "`Bearer`.", "schema": _TEXT}},
    ),
    403: ("The caller, or the engine's user, may not do this.", {}),
    404: ("There is no such path, database or object, or the caller may not see it.", {}),
    405: (
        "The path does not take this method.",
        {"allow": {"description": "The methods that it takes.", "schema": _TEXT}},
    ),
    409: ("It is there already, or has changed meanwhile.", {}),
    413: ("The request's body is larger than allowed.", {}),
    429: ("A bound is reached.", _RETRY_AFTER),
    500: ("A defect of this system; its log has the request's id.", {}),
    503: ("The engine, or a part of this system, is not available.", _RETRY_AFTER),
    504: ("The engine did not answer in time.", _RETRY_AFTER),
}
"""HTTP status to what it means and the headers that come with it; `services/runtime/statuses.py` has the reasons."""

_EVERYWHERE = (400, 401, 403, 404, 429, 500, 503, 504)


def responses(method: Method, rule: HttpRule, schemas: Schemas) -> JSON:
    """The answers of one REST form, by status."""
    statuses = set(_EVERYWHERE)
    if method.changes:
        statuses.add(409)
    if rule.body:
        statuses.add(413)
    found = {str(method.success_status): _success(method, rule, schemas)}
    found |= {
        str(status): {"$ref": f"#/components/responses/{component(status)}"} for status in sorted(statuses)
    }
    return found


def component(status: int) -> str:
    """The name of an error's response among the components: `NotFound`."""
    return HTTPStatus(status).phrase.title().replace(" ", "")


def error_responses() -> JSON:
    """The responses of all errors."""
    return {
        component(status): {
            "description": text,
            **({"headers": headers} if headers else {}),
            "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for status, (text, headers) in ERRORS.items()
    }


def error_schema(catalogue: Catalogue) -> JSON:
    """The one shape of errors."""
    reasons = [
        (name.removeprefix(REASON_PREFIX), text)
        for name, text in catalogue.enums[REASON].values
        if name != f"{REASON_PREFIX}UNSPECIFIED"
    ]
    return {
        "type": "object",
        "description": "Every error, also those of the gateway itself.",
        "properties": {
            "message": {"type": "string", "description": "What is wrong, for the user."},
            "error": {
                "type": "object",
                "description": "The same once more, for clients that look here.",
                "properties": {"message": _TEXT},
                "required": ["message"],
            },
            "error_code": {
                "type": "string",
                "description": "Why, for programs.",
                "enum": [name for name, _ in reasons],
                "x-enum-descriptions": dict(reasons),
            },
            "retryable": {"type": "boolean", "description": "It passes by itself: try again later."},
            "details": {
                "type": "array",
                "description": f"The details of https://google.aip.dev/193, in the domain `{DOMAIN}`.",
                "items": {
                    "type": "object",
                    "properties": {"@type": _TEXT},
                    "required": ["@type"],
                },
            },
        },
        "required": ["message", "error", "error_code", "retryable", "details"],
    }


def _success(method: Method, rule: HttpRule, schemas: Schemas) -> JSON:
    status = method.success_status
    answer: JSON = {"description": HTTPStatus(status).phrase}
    if status == HTTPStatus.NO_CONTENT:
        return answer
    answer["content"] = _content(method, rule, schemas)
    if rule.response_body and (headers := _headers(method, rule, schemas)):
        answer["headers"] = headers
    return answer


def _content(method: Method, rule: HttpRule, schemas: Schemas) -> JSON:
    if method.response != HTTP_BODY:
        if rule.response_body:
            field = schemas.catalogue.messages[method.response].field(rule.response_body)
            return {JSON_TYPE: {"schema": schemas.field(field, Form.ANSWER)}}
        schema = schemas.reference(method.response, Form.ANSWER)
        return {EVENT_STREAM: _events(schema)} if method.server_streaming else {JSON_TYPE: {"schema": schema}}
    content: JSON = {}
    if method.response_json:
        schema = schemas.reference(method.response_json, Form.DOCUMENTS)
        content |= (
            {EVENT_STREAM: _events(schema)} if method.server_streaming else {JSON_TYPE: {"schema": schema}}
        )
    for media_type in method.response_types:
        # A document is JSON of any shape; everything else is bytes.
        content[media_type] = {"schema": {}} if media_type == JSON_TYPE else dict(BINARY)
    return content or {BYTES_TYPE: dict(BINARY)}


def _events(schema: JSON) -> JSON:
    """A stream of server-sent events: OpenAPI 3.1 has no word for the schema of one."""
    return {
        # Nothing is said of the body as a whole: readers differ in whether a schema means it or an event.
        "schema": {
            "description": (
                "Server-sent events: each is a line `data: ` with the JSON that `x-event` describes. A failure after"
                " the beginning is the last event, as `error`."
            ),
        },
        "x-event": schema,
    }


def _headers(method: Method, rule: HttpRule, schemas: Schemas) -> JSON:
    """What a bare array can't carry."""
    response = schemas.catalogue.messages[method.response]
    elements = schemas.catalogue.messages[response.field(rule.response_body).type_name]
    headers: JSON = {}
    for field in response.fields:
        if field.name == NEXT_PAGE:
            headers["x-next-page-token"] = {"description": field.comment, "schema": _TEXT}
    for field in elements.fields:
        if field.name == STALE:
            headers["x-stale"] = {"description": field.comment, "schema": {"enum": ["true"]}}
    return headers
