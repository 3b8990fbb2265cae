"""Errors as HTTP answers: for what a service serves over HTTP itself. The shape is that of the gateway's errors.

The gateway turns statuses of gRPC into the same (`gateway/lua/errors.lua`); a test compares the two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import grpc
from google.protobuf import json_format

from services.runtime.errors import StudioError
from services.runtime.statuses import RETRY_AFTER_HEADER, code_of, retry_after_s, to_status
from studio.options.v1 import errors_pb2 as e

Code = grpc.StatusCode

# As Envoy maps them, which follows google/rpc/code.proto.
STATUS_OF_CODE: dict[grpc.StatusCode, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ABORTED: 409,
    Code.ALREADY_EXISTS: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.CANCELLED: 499,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}

STATUS_OF_REASON: dict[e.ErrorReason.ValueType, int] = {
    e.ERROR_REASON_PAYLOAD_TOO_LARGE: 413,
    e.ERROR_REASON_METHOD_NOT_ALLOWED: 405,
}
"""gRPC has no code of its own for these."""

UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class HttpError:
    """An error, ready to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """All but the length."""
    body: bytes


def http_status(error: StudioError) -> int:
    """The HTTP status of an error."""
    return STATUS_OF_REASON.get(error.reason) or STATUS_OF_CODE.get(code_of(error), 500)


def to_http(error: StudioError) -> HttpError:
    """An error as an answer, redacted and bounded as a status is."""
    status = to_status(error)
    wait_s = retry_after_s(error)
    body = {
        "message": status.message,
        "error": {"message": status.message},
        "error_code": error.reason_name,
        "retryable": wait_s is not None,
        "details": [
            json_format.MessageToDict(
                each, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            for each in status.details
        ],
    }
    headers = [("content-type", "application/json")]
    if wait_s is not None:
        headers.append((RETRY_AFTER_HEADER, str(wait_s)))
    code = http_status(error)
    if code == UNAUTHORIZED:
        headers.append(("www-authenticate", "Bearer"))
    return HttpError(code, tuple(headers), json.dumps(body, separators=(",", ":")).encode())
