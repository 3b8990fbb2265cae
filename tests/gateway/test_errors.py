"""A service's failure arrives in the one JSON shape, whatever its texts hold."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from services.runtime import statuses
from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1 import errors_pb2 as e
from studio.registry.v1 import registry_service_pb2 as registry_pb
from tests.gateway.harness import DATABASE_ID, Context, Script

PATH = f"/api/platform/databases/{DATABASE_ID}"


def error_info(reason: str) -> dict[str, object]:
    """The first detail of an error that has no facts."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": "studio-databases", "metadata": {}}


def assert_shape(answer: httpx.Response, status: int, error_code: str, *, retryable: bool = False) -> str:
    """Checks what holds for every error; returns the message."""
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert set(body) == {"message", "error", "error_code", "retryable", "details"}
    assert body["error"] == {"message": body["message"]}
    assert (body["error_code"], body["retryable"]) == (error_code, retryable)
    assert body["details"][0] | {"metadata": {}} == error_info(error_code)
    assert ("retry-after" in answer.headers) == retryable
    assert not [name for name in answer.headers if name.startswith(("grpc-", "x-envoy-"))]
    message = body["message"]
    assert isinstance(message, str)
    assert message
    return message


async def fail(client: httpx.AsyncClient, registry: Script, error: StudioError) -> httpx.Response:
    registry.fails("GetDatabase", error)
    return await client.get(PATH)


@pytest.mark.parametrize(
    "reason", [reason for reason in statuses.TABLE if statuses.TABLE[reason][0] != grpc.StatusCode.CANCELLED]
)
async def test_every_reason(
    client: httpx.AsyncClient, registry: Script, reason: e.ErrorReason.ValueType
) -> None:
    error = StudioError(reason, "A sentence.")
    wait_s = statuses.retry_after_s(error)
    answer = await fail(client, registry, error)
    assert assert_shape(answer, answer.status_code, error.reason_name, retryable=wait_s is not None)
    assert answer.headers.get("retry-after") == (None if wait_s is None else str(wait_s))
    assert answer.json()["message"] == "A sentence."


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (e.ERROR_REASON_AUTH_INVALID_TOKEN, 401),
        (e.ERROR_REASON_PERMISSION_DENIED, 403),
        (e.ERROR_REASON_INVALID_ARGUMENT, 400),
        (e.ERROR_REASON_DB_NOT_FOUND, 404),
        (e.ERROR_REASON_ALREADY_EXISTS, 409),
        (e.ERROR_REASON_CONFLICT, 409),
        (e.ERROR_REASON_PAYLOAD_TOO_LARGE, 413),
        (e.ERROR_REASON_RESOURCE_EXHAUSTED, 429),
        (e.ERROR_REASON_INTERNAL, 500),
        (e.ERROR_REASON_UNIMPLEMENTED, 501),
        (e.ERROR_REASON_DB_UNAVAILABLE, 503),
        (e.ERROR_REASON_DB_TIMEOUT, 504),
        (e.ERROR_REASON_DB_INVALID_CREDENTIALS, 400),
    ],
)
async def test_http_status_of_a_reason(
    client: httpx.AsyncClient, registry: Script, reason: e.ErrorReason.ValueType, status: int
) -> None:
    answer = await fail(client, registry, StudioError(reason, "m"))
    assert answer.status_code == status
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(
    "message",
    [
        'no "database" here',
        '"error_code":"FORGED"}',
        '","details":[{"reason":"FORGED"}],"error_code":"FORGED","x":"',
        'back\\slash \\" \\\\',
        "control \x01 \x1f\n\t",
        "ümläut 🔑 %41 %zz",
        "]}{[",
        "x" * 900,
    ],
)
async def test_no_message_is_taken_for_structure(
    client: httpx.AsyncClient, registry: Script, message: str
) -> None:
    error = StudioError(e.ERROR_REASON_DB_NOT_FOUND, message, metadata={"reason": message, message[:20]: "x"})
    answer = await fail(client, registry, error)
    assert assert_shape(answer, 404, "DB_NOT_FOUND") == message


async def test_details_name_the_fields(client: httpx.AsyncClient, registry: Script) -> None:
    violations = [FieldViolation("config.tls", "is no boolean")]
    error = StudioError(
        e.ERROR_REASON_INVALID_ARGUMENT, "m", violations=violations, metadata={"stage": "parse"}
    )
    info, bad_request = (await fail(client, registry, error)).json()["details"]
    assert info == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "INVALID_ARGUMENT",
        "domain": statuses.DOMAIN,
        "metadata": {"stage": "parse"},
    }
    (violation,) = bad_request["field_violations"]
    assert (violation["field"], violation["description"]) == ("config.tls", "is no boolean")


async def test_the_wait_is_the_services_own(client: httpx.AsyncClient, registry: Script) -> None:
    error = StudioError(e.ERROR_REASON_RESOURCE_EXHAUSTED, "m", retry_after_s=7.2)
    assert (await fail(client, registry, error)).headers["retry-after"] == "8"


async def test_an_error_after_the_initial_metadata_is_the_same(
    client: httpx.AsyncClient, registry: Script
) -> None:
    # Then it comes in trailers of their own, which HTTP/1 clients never see.
    error = StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "m", retry_after_s=9)

    async def late(_request: Any, context: Context) -> Message:  # noqa: ANN401  any message
        await context.send_initial_metadata((("x-extra", "1"),))
        await context.abort(statuses.code_of(error), error.message, statuses.trailing_metadata(error))
        raise AssertionError

    registry.answers["GetDatabase"] = late
    answer = await client.get(PATH)
    assert assert_shape(answer, 503, "DB_UNAVAILABLE", retryable=True) == "m"
    assert answer.headers["retry-after"] == "9"


@pytest.mark.parametrize(
    ("code", "status", "error_code"),
    [
        (grpc.StatusCode.INTERNAL, 500, "INTERNAL"),
        (grpc.StatusCode.UNKNOWN, 500, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, 501, "UNIMPLEMENTED"),
        (grpc.StatusCode.UNAVAILABLE, 503, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "RESOURCE_EXHAUSTED"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504, "DEADLINE_EXCEEDED"),
    ],
)
async def test_what_grpc_itself_raises_names_the_service_and_hides_the_transport(
    client: httpx.AsyncClient, registry: Script, code: grpc.StatusCode, status: int, error_code: str
) -> None:
    async def raw(_request: Any, context: Context) -> Message:  # noqa: ANN401  any message
        await context.abort(code, "ipv4:10.0.0.7:50051: Socket closed")
        raise AssertionError

    registry.answers["GetDatabase"] = raw
    answer = await client.get(PATH)
    message = assert_shape(answer, status, error_code, retryable=status in {429, 503, 504})
    assert "registry" in message
    assert "10.0.0.7" not in answer.text


async def test_a_refusal_without_a_reason_keeps_its_sentence(
    client: httpx.AsyncClient, registry: Script
) -> None:
    async def raw(_request: Any, context: Context) -> Message:  # noqa: ANN401  any message
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "that is wrong")
        raise AssertionError

    registry.answers["GetDatabase"] = raw
    assert assert_shape(await client.get(PATH), 400, "INVALID_ARGUMENT") == "that is wrong"


async def test_the_errors_of_a_list_are_no_array(client: httpx.AsyncClient, registry: Script) -> None:
    registry.fails("ListDatabases", StudioError(e.ERROR_REASON_REGISTRY_UNAVAILABLE, "m"))
    assert_shape(await client.get("/api/platform/databases"), 503, "REGISTRY_UNAVAILABLE", retryable=True)


async def test_the_errors_of_a_create_are_no_201(client: httpx.AsyncClient, registry: Script) -> None:
    registry.fails("CreateDatabase", StudioError(e.ERROR_REASON_ALREADY_EXISTS, "m"))
    answer = await client.post("/api/platform/databases", json={"name": "a"})
    assert_shape(answer, 409, "ALREADY_EXISTS")


async def test_a_slow_rpc_ends_at_its_deadline(client: httpx.AsyncClient, registry: Script) -> None:
    registry.hangs("GetDatabase")
    answer = await client.get(PATH)
    assert "registry" in assert_shape(answer, 504, "DEADLINE_EXCEEDED", retryable=True)
    assert 0 < registry.calls[-1].time_remaining_s < 2.1


async def test_a_long_answer_is_refused_as_the_users_to_shorten(
    client: httpx.AsyncClient, registry: Script
) -> None:
    database = registry_pb.ListDatabasesResponse(next_page_token="x" * (65 * 2**20))
    registry.returns("ListDatabases", database)
    answer = await client.get("/api/platform/databases")
    assert "larger than allowed" in assert_shape(answer, 400, "INVALID_ARGUMENT")
