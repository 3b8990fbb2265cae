"""Errors as HTTP answers have the shape of the gateway's."""

from __future__ import annotations

import json

import grpc
import pytest

from services.runtime.errors import StudioError, invalid_argument
from services.runtime.http_errors import STATUS_OF_CODE, to_http
from services.runtime.statuses import TABLE
from studio.options.v1 import errors_pb2 as e


def test_an_error_that_passes_says_when_to_try_again() -> None:
    error = StudioError(e.ERROR_REASON_DB_TIMEOUT, "It is slow.", hint="Wait.", metadata={"stage": "http"})
    answer = to_http(error)
    assert answer.status == 504
    assert dict(answer.headers) == {"content-type": "application/json", "retry-after": "1"}
    assert json.loads(answer.body) == {
        "message": "It is slow.",
        "error": {"message": "It is slow."},
        "error_code": "DB_TIMEOUT",
        "retryable": True,
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "DB_TIMEOUT",
                "domain": "studio-databases",
                "metadata": {"hint": "Wait.", "stage": "http"},
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"},
        ],
    }


def test_fields_that_are_wrong_are_named() -> None:
    details = json.loads(to_http(invalid_argument("path", "is bad")).body)["details"]
    violation = details[1]["field_violations"][0]
    assert (violation["field"], violation["description"]) == ("path", "is bad")
    assert details[0]["metadata"] == {}, "zero values are there, as in the gateway's own"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (e.ERROR_REASON_AUTH_REQUIRED, 401),
        (e.ERROR_REASON_PERMISSION_DENIED, 403),
        (e.ERROR_REASON_DB_NOT_FOUND, 404),
        (e.ERROR_REASON_METHOD_NOT_ALLOWED, 405),
        (e.ERROR_REASON_PAYLOAD_TOO_LARGE, 413),
        (e.ERROR_REASON_RESOURCE_EXHAUSTED, 429),
        (e.ERROR_REASON_INTERNAL, 500),
        (e.ERROR_REASON_DB_CONNECTION_FAILED, 503),
    ],
)
def test_each_kind_has_its_status(reason: e.ErrorReason.ValueType, status: int) -> None:
    assert to_http(StudioError(reason, "x")).status == status


def test_every_code_that_a_reason_has_is_mapped() -> None:
    assert {code for code, _ in TABLE.values()} - {grpc.StatusCode.INTERNAL} <= set(STATUS_OF_CODE)


def test_secrets_are_masked() -> None:
    error = StudioError(e.ERROR_REASON_INTERNAL, "It was http://user:hunter2@host/ that failed.")
    assert b"hunter2" not in to_http(error).body
