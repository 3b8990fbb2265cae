"""What Envoy answers by itself, in the shape of every other error.

Envoy makes a local reply (no token, no route, no service, a body too large, bytes that are no HTTP) with a text
of its own. The first mapper that applies gives it a status, a sentence for the user and an `error_code` of
`studio.options.v1.ErrorReason`. gRPC callers get the sentence as `grpc-message`.

Errors of services are not local replies: `lua/errors.lua` shapes those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from services.runtime.errors import reason_name
from services.runtime.statuses import DOMAIN
from studio.options.v1 import errors_pb2 as e

Config = dict[str, Any]

METADATA = "studio.gateway"
"""Key under which a route says what its answers need: `service`, `success_status`, `error_code`, `message`."""

REFUSED = "x-studio-refused"
"""Header by which `lua/attempts.lua` knows an answer to a credential that is wrong; it does not leave the gateway."""

GRPC_TYPE = r"application/grpc(?:\+.*)?"
"""What Envoy takes for gRPC; `application/grpc-web` is none."""

CEL_FILTER = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"

# gRPC's own numbers: https://grpc.github.io/grpc/core/md_doc_statuscodes.html
_GRPC = {
    400: 3,
    401: 16,
    404: 12,
    405: 12,
    408: 4,
    413: 3,
    414: 3,
    426: 3,
    429: 8,
    431: 3,
    500: 13,
    501: 12,
    503: 14,
    504: 4,
}

_SERVICE = f"%METADATA(ROUTE:{METADATA}:service)%"


@dataclass(frozen=True, slots=True)
class Reply:
    """One kind of local reply."""

    name: str
    """Names it in this file and in tests."""
    when: str
    """CEL over https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes."""
    status: int
    reason: e.ErrorReason.ValueType
    message: str
    """Format string of the access log; shown to the user."""
    retry_after_s: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    is_refused_credential: bool = False
    """The client has shown one that is wrong."""


def _details(*prefixes: str) -> str:
    return " || ".join(f"response.code_details.startsWith('{prefix}')" for prefix in prefixes)


# The order matters: the first that applies wins.
REPLIES = (
    Reply(
        "no token",
        "response.code_details.contains('Jwt_is_missing')",
        401,
        e.ERROR_REASON_AUTH_REQUIRED,
        "Sign in first: the request needs the header 'Authorization: Bearer <token>'.",
        headers={"www-authenticate": "Bearer"},
    ),
    Reply(
        "keys of tokens unknown",
        "response.code_details.contains('Jwks_remote_fetch_is_failed')",
        503,
        e.ERROR_REASON_SERVICE_UNAVAILABLE,
        "Tokens can't be checked now: the key set at JWT_JWKS_URL does not answer.",
        retry_after_s=5,
    ),
    Reply(
        "bad token",
        _details("jwt_authn_access_denied"),
        401,
        e.ERROR_REASON_AUTH_INVALID_TOKEN,
        "The token is not accepted: %LOCAL_REPLY_BODY%.",
        headers={"www-authenticate": 'Bearer error="invalid_token"'},
        is_refused_credential=True,
    ),
    Reply(
        "too much of one client",
        "response.code_details == 'local_rate_limited'",
        429,
        e.ERROR_REASON_RESOURCE_EXHAUSTED,
        "Too many requests in a short time from this client; try again in a second.",
        retry_after_s=1,
    ),
    Reply(
        "upgrade",
        "response.code_details == 'upgrade_failed'",
        501,
        e.ERROR_REASON_UNIMPLEMENTED,
        "Upgrades, such as to a WebSocket, are not served: connect to the API itself.",
    ),
    Reply(
        "nobody to decide",
        _details("ext_authz_error"),
        503,
        e.ERROR_REASON_REGISTRY_UNAVAILABLE,
        "The registry can't be reached to decide about this request: it is down or starting.",
        retry_after_s=2,
    ),
    Reply(
        "bound of a service reached",
        "response.code_details == 'upstream_reset_before_response_started{overflow}'",
        429,
        e.ERROR_REASON_RESOURCE_EXHAUSTED,
        f"The {_SERVICE} service works on as many requests as it may; try again in a second.",
        retry_after_s=1,
    ),
    Reply(
        "not ready",
        _details("health_check"),
        503,
        e.ERROR_REASON_SERVICE_UNAVAILABLE,
        "Not ready: the gateway is stopping, or a service behind it is not well.",
        retry_after_s=1,
    ),
    Reply(
        "overloaded",
        _details("overload"),
        503,
        e.ERROR_REASON_SERVICE_UNAVAILABLE,
        "The gateway is overloaded; try again in a few seconds.",
        retry_after_s=5,
    ),
    Reply(
        "body too large",
        "response.code == 413",
        413,
        e.ERROR_REASON_PAYLOAD_TOO_LARGE,
        "The request's body is larger than allowed.",
    ),
    Reply(
        "answer too large",
        "response.code_details.contains('response_payload_too_large')"
        " || (response.code == 500 && response.code_details.contains('json_transcode'))",
        400,
        e.ERROR_REASON_INVALID_ARGUMENT,
        "The answer is larger than allowed: ask for less at a time.",
    ),
    Reply(
        "headers too large",
        "response.code == 431 || response.code == 414",
        431,
        e.ERROR_REASON_PAYLOAD_TOO_LARGE,
        "The request's headers, or its path and query, are larger than allowed.",
    ),
    Reply(
        "request did not transcode",
        "response.code == 400 && response.code_details.contains('json_transcode')",
        400,
        e.ERROR_REASON_INVALID_ARGUMENT,
        "The request does not fit this route: %LOCAL_REPLY_BODY%",
    ),
    Reply(
        "route unknown to the transcoder",
        "response.code == 404",
        404,
        e.ERROR_REASON_ROUTE_NOT_FOUND,
        "There is no such path.",
    ),
    Reply(
        "request came too slowly",
        "response.code == 408",
        408,
        e.ERROR_REASON_DEADLINE_EXCEEDED,
        "The request did not arrive in time.",
    ),
    Reply(
        "service did not answer in time",
        "response.code == 504",
        504,
        e.ERROR_REASON_DEADLINE_EXCEEDED,
        f"The {_SERVICE} service did not answer in time.",
        retry_after_s=1,
    ),
    Reply(
        "service broke off",
        _details("upstream_reset_before_response_started{connection_termination", "upstream_reset_after"),
        503,
        e.ERROR_REASON_SERVICE_UNAVAILABLE,
        f"The {_SERVICE} service broke the connection off; it may be restarting.",
        retry_after_s=2,
    ),
    Reply(
        "service down",
        "response.code == 503 || response.code == 502",
        503,
        e.ERROR_REASON_SERVICE_UNAVAILABLE,
        f"The {_SERVICE} service can't be reached: it is down or starting.",
        retry_after_s=2,
    ),
    Reply(
        "old protocol",
        "response.code == 426",
        426,
        e.ERROR_REASON_INVALID_ARGUMENT,
        "HTTP/1.0 is not served: use HTTP/1.1 or HTTP/2.",
    ),
    Reply(
        "escaped slash",
        "response.code_details == 'path_normalization_failed'",
        400,
        e.ERROR_REASON_INVALID_ARGUMENT,
        "The path holds an escaped slash or backslash, or a fragment ('#').",
    ),
    Reply(
        "underscore in a header",
        "response.code_details.contains('underscore')",
        400,
        e.ERROR_REASON_INVALID_ARGUMENT,
        "The name of a header holds an underscore; only hyphens are accepted.",
    ),
    Reply(
        "no HTTP",
        "response.code >= 400 && response.code < 500",
        400,
        e.ERROR_REASON_INVALID_ARGUMENT,
        "The request is not valid HTTP.",
    ),
    Reply(
        "anything else",
        "response.code >= 500",
        500,
        e.ERROR_REASON_INTERNAL,
        "The gateway failed; its log has the request's id.",
    ),
)


def local_replies(*, marked: bool) -> Config:
    """Envoy's `LocalReplyConfig`.

    Args:
        marked: whether answers to credentials that are wrong carry `REFUSED`, for the script that counts them.
    """
    mappers = [_script(), _health(), *_routes_answers()]
    for reply in REPLIES:
        mappers += _mappers(reply, {REFUSED: "1"} if marked and reply.is_refused_credential else {})
    return {"mappers": mappers}


def _script() -> Config:
    """What the script and the registry answer is complete, and so is a file.

    The first mapper that applies is the last: this one changes nothing.
    """
    file = "response.code_details == 'direct_response' && response.code < 400"
    return {"filter": _cel(f"response.code_details in ['lua_response', 'ext_authz_denied'] || ({file})")}


def _health() -> Config:
    return {
        "filter": _cel(_details("health_check_ok")),
        "body_format_override": {"json_format": {"status": "ok"}},
    }


def _routes_answers() -> Iterator[Config]:
    """Answers that a route gives by itself: its metadata has the reason and the sentence, its action the status."""
    message = f"%METADATA(ROUTE:{METADATA}:message)%"
    direct = _cel("response.code_details == 'direct_response'")
    yield {
        "filter": _and(direct, _is_grpc()),
        "body_format_override": {"text_format_source": {"inline_string": message}},
    }
    yield {
        "filter": direct,
        "body_format_override": body(message, f"%METADATA(ROUTE:{METADATA}:error_code)%", retryable=False),
    }


def _mappers(reply: Reply, mark: dict[str, str]) -> Iterator[Config]:
    headers = {**reply.headers, **mark}
    if reply.retry_after_s is not None:
        headers["retry-after"] = str(reply.retry_after_s)
    common: Config = {"status_code": reply.status}
    yield {
        "filter": _and(_cel(reply.when), _is_grpc()),
        **common,
        # Envoy knows no better than UNAVAILABLE for 429 and 504, INTERNAL for 400.
        "headers_to_add": _headers({**headers, "grpc-status": str(_GRPC[reply.status])}),
        "body_format_override": {"text_format_source": {"inline_string": reply.message}},
    }
    yield {
        "filter": _cel(reply.when),
        **common,
        "headers_to_add": _headers(headers),
        "body_format_override": body(
            reply.message, reason_name(reply.reason), retryable=reply.retry_after_s is not None
        ),
    }


def body(message: str, error_code: str, *, retryable: bool) -> Config:
    """The form of every error, as Envoy's `SubstitutionFormatString`."""
    return {
        "json_format": {
            "message": message,
            "error": {"message": message},
            "error_code": error_code,
            "retryable": retryable,
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": error_code,
                    "domain": DOMAIN,
                    "metadata": {},
                }
            ],
        }
    }


def _headers(headers: dict[str, str]) -> list[Config]:
    # What fails before its headers are read has no id of its own; elsewhere Envoy puts the request's over this.
    every = {"x-request-id": "%UNIQUE_ID%", **headers}
    return [
        {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, value in every.items()
    ]


def _cel(expression: str) -> Config:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {"@type": CEL_FILTER, "expression": expression},
        }
    }


def _is_grpc() -> Config:
    """A native gRPC request. A transcoded one looks alike by then, but for the trace the transcoder leaves."""
    is_grpc = {"name": "content-type", "string_match": {"safe_regex": {"regex": GRPC_TYPE}}}
    transcoded = {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}
    return _and({"header_filter": {"header": is_grpc}}, {"header_filter": {"header": transcoded}})


def _and(*filters: Config) -> Config:
    return {"and_filter": {"filters": list(filters)}}
