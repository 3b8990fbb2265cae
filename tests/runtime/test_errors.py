"""From what a handler raises to what a caller gets, over the wire and back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.runtime import context, statuses
from services.runtime.errors import FieldViolation, StudioError, invalid_argument, reason_name
from services.runtime.interceptors import request_id
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import redis_service_pb2 as redis
from tests.runtime.conftest import Output
from tests.runtime.harness import OWNER, Redis, Running, redis_servicer, running

Code = grpc.StatusCode
CANARY = "canary-7f3a"


@contextlib.asynccontextmanager
async def raising(error: BaseException) -> AsyncIterator[Running]:
    async def fail(request: object, call: object) -> None:
        del request, call
        raise error

    async with running(redis_servicer(Redis(fail))) as service:
        yield service


async def failure(service: Running, *, timeout: float | None = None) -> grpc.aio.AioRpcError:  # noqa: ASYNC109
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await service.redis.GetStatus(
            redis.GetStatusRequest(), metadata=(("x-request-id", "req-1"), *OWNER), timeout=timeout
        )
    return raised.value


async def sent(error: BaseException) -> grpc.aio.AioRpcError:
    async with raising(error) as service:
        return await failure(service)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    value = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(value, bytes)
    return status_pb2.Status.FromString(value)


def test_a_reason_goes_by_its_name_without_the_prefix() -> None:
    assert reason_name(e.ERROR_REASON_DB_NOT_FOUND) == "DB_NOT_FOUND"
    assert StudioError(e.ERROR_REASON_CONFLICT, "x").reason_name == "CONFLICT"


def test_one_wrong_field() -> None:
    error = invalid_argument("port", "must be a port")
    assert (error.reason_name, error.message) == ("INVALID_ARGUMENT", "port: must be a port.")
    assert error.violations == (FieldViolation("port", "must be a port"),)


async def test_everything_an_error_says_arrives() -> None:
    error = StudioError(
        e.ERROR_REASON_DB_TIMEOUT,
        "the engine did not answer — 5 s\nlong",
        hint="try a smaller page",
        metadata={"stage": "tcp"},
        violations=[FieldViolation("count", "is too much")],
        retry_after_s=2.2,
    )
    answer = await sent(error)
    assert answer.code() is Code.DEADLINE_EXCEEDED
    assert answer.details() == "the engine did not answer — 5 s\nlong"
    assert dict(answer.trailing_metadata() or ())["retry-after"] == "3"
    status = status_of(answer)
    assert (status.code, status.message) == (4, error.message)
    info, fields, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for detail, message in zip(status.details, (info, fields, retry), strict=True):
        assert detail.Unpack(message)
    assert (info.reason, info.domain) == ("DB_TIMEOUT", "studio-databases")
    assert dict(info.metadata) == {"stage": "tcp", "hint": "try a smaller page"}
    assert [(each.field, each.description) for each in fields.field_violations] == [("count", "is too much")]
    assert retry.retry_delay.seconds == 3


async def test_an_error_passes_through_a_second_service_unchanged() -> None:
    error = StudioError(
        e.ERROR_REASON_DB_UNAVAILABLE,
        "the engine is starting",
        hint="wait",
        metadata={"stage": "protocol"},
        violations=[FieldViolation("a", "b")],
        retry_after_s=7,
    )
    again = statuses.from_rpc_error(await sent(error))
    assert (again.reason, again.message, again.hint) == (error.reason, error.message, error.hint)
    assert (again.metadata, again.violations, again.retry_after_s) == (error.metadata, error.violations, 7)
    assert statuses.to_status(again) == statuses.to_status(error)


@pytest.mark.parametrize("reason", [*statuses.TABLE])
async def test_every_reason_arrives_with_its_code(reason: e.ErrorReason.ValueType) -> None:
    error = StudioError(reason, "a sentence")
    again = statuses.from_rpc_error(aio_error(error))
    assert (again.reason, statuses.code_of(again)) == (reason, statuses.TABLE[reason][0])


def aio_error(error: StudioError) -> grpc.aio.AioRpcError:
    metadata = grpc.aio.Metadata(*statuses.trailing_metadata(error))
    return grpc.aio.AioRpcError(statuses.code_of(error), grpc.aio.Metadata(), metadata, error.message)


async def test_a_code_of_its_own_wins_and_decides_whether_to_try_again() -> None:
    """A connection that fails while it is being registered is the user's mistake, not an outage."""
    plain = StudioError(e.ERROR_REASON_DB_CONNECTION_FAILED, "refused")
    mistake = StudioError(e.ERROR_REASON_DB_CONNECTION_FAILED, "refused", code="FAILED_PRECONDITION")
    assert (statuses.code_of(plain), statuses.retry_after_s(plain)) == (Code.UNAVAILABLE, 2)
    assert (statuses.code_of(mistake), statuses.retry_after_s(mistake)) == (Code.FAILED_PRECONDITION, None)
    again = statuses.from_rpc_error(await sent(mistake))
    assert (again.reason_name, again.code) == ("DB_CONNECTION_FAILED", "FAILED_PRECONDITION")


@pytest.mark.parametrize("seconds", [0, 0.01, 1])
def test_a_delay_is_at_least_a_second(seconds: float) -> None:
    assert (
        statuses.retry_after_s(StudioError(e.ERROR_REASON_RESOURCE_EXHAUSTED, "x", retry_after_s=seconds))
        == 1
    )


async def test_an_error_of_any_size_arrives() -> None:
    """gRPC refuses metadata beyond 8 KiB, and the caller would learn nothing but that."""
    big = "ü " * 50_000
    error = StudioError(
        e.ERROR_REASON_INVALID_ARGUMENT,
        big,
        hint=big,
        metadata={f"fact {number}": big for number in range(20)},
        violations=[FieldViolation(big, big)] * 1000,
    )
    answer = await sent(error)
    assert answer.code() is Code.INVALID_ARGUMENT
    again = statuses.from_rpc_error(answer)
    assert (again.reason_name, again.message[:3], again.message[-1]) == ("INVALID_ARGUMENT", "ü ü", "…")
    assert len(again.message.encode()) <= statuses.MAX_MESSAGE_BYTES


async def test_as_many_violations_arrive_as_fit() -> None:
    violations = [FieldViolation(f"known[{number}].id", "must be a valid UUID") for number in range(1000)]
    again = statuses.from_rpc_error(
        await sent(StudioError(e.ERROR_REASON_INVALID_ARGUMENT, "x", violations=violations))
    )
    assert again.violations == tuple(violations[: len(again.violations)])
    assert 50 < len(again.violations) < 150


async def test_text_that_is_no_utf8_does_not_break_the_answer() -> None:
    answer = await sent(StudioError(e.ERROR_REASON_DB_QUERY_ERROR, "lone \udc80 surrogate", hint="\udcff"))
    assert (answer.code(), answer.details()) == (Code.INVALID_ARGUMENT, "lone ? surrogate")


async def test_a_secret_in_an_error_does_not_reach_the_caller() -> None:
    url = f"redis://u:{CANARY}@h"
    error = StudioError(
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        f"can't reach {url}",
        hint=f"is {url} right",
        metadata={"address": url},
        violations=[FieldViolation("url", f"{url} is wrong")],
    )
    answer = await sent(error)
    assert CANARY not in (answer.details() or "")
    assert CANARY.encode() not in statuses.to_status(error).SerializeToString()
    assert CANARY not in str(status_of(answer))


async def test_a_sentence_about_a_secret_field_stays_readable() -> None:
    answer = await sent(invalid_argument("password", "must not be empty"))
    assert answer.details() == "password: must not be empty."


async def test_a_defect_is_internal_with_the_request_id_and_logged_with_its_traceback(output: Output) -> None:
    answer = await sent(KeyError(f"redis://u:{CANARY}@h"))
    assert answer.code() is Code.INTERNAL
    assert answer.details() == "Internal error; the log has it under request id req-1."
    assert statuses.from_rpc_error(answer).reason_name == "INTERNAL"
    (line,) = output.of("rpc.defect")
    assert (line["request_id"], line["level"]) == ("req-1", "error")
    assert line["method"] == "/studio.redis.v1.RedisService/GetStatus"
    assert "Traceback" in line["exception"]
    assert "test_errors.py" in line["exception"]
    assert CANARY not in output.text


@pytest.mark.parametrize(
    "error",
    [
        StudioError(e.ERROR_REASON_INTERNAL, "we do not agree"),
        StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "odd", code="DATA_LOSS"),
    ],
)
async def test_an_error_that_says_internal_is_logged_once(output: Output, error: StudioError) -> None:
    await sent(error)
    assert [line["error"] for line in output.of("rpc.failed")] == [error.message]
    assert output.of("rpc.defect") == []


@pytest.mark.parametrize(
    "reason",
    [e.ERROR_REASON_INVALID_ARGUMENT, e.ERROR_REASON_DB_QUERY_ERROR, e.ERROR_REASON_DUPLICATE_KEY],
)
async def test_what_may_quote_the_callers_data_is_told_to_him_and_not_logged(
    output: Output, reason: e.ErrorReason.ValueType
) -> None:
    answer = await sent(StudioError(reason, f"there is one with {CANARY}"))
    assert CANARY in (answer.details() or "")
    (line,) = output.of("rpc.failed")
    assert (line["reason"], line["error"]) == (e.ErrorReason.Name(reason).removeprefix("ERROR_REASON_"), None)
    assert CANARY not in output.text


@pytest.mark.parametrize(
    "error",
    [
        StudioError(e.ERROR_REASON_UNSPECIFIED, "x"),
        StudioError(e.ERROR_REASON_CONFLICT, "x", code="NO_SUCH_CODE"),
    ],
)
async def test_an_error_that_is_itself_wrong_is_a_defect(output: Output, error: StudioError) -> None:
    assert (await sent(error)).code() is Code.INTERNAL
    assert len(output.of("rpc.defect")) == 1


async def test_running_out_of_time_is_deadline_exceeded(output: Output) -> None:
    answer = await sent(TimeoutError())
    assert answer.code() is Code.DEADLINE_EXCEEDED
    assert statuses.from_rpc_error(answer).reason_name == "DEADLINE_EXCEEDED"
    assert output.of("rpc.failed")[0]["code"] == "DEADLINE_EXCEEDED"


class Held:
    """A handler that waits for ever and tells how it ended."""

    def __init__(self) -> None:
        self.inside, self.ended = asyncio.Event(), asyncio.Event()
        self.error: BaseException | None = None
        self.remaining_s = -1.0

    async def __call__(self, request: object, call: object) -> None:
        del request, call
        self.remaining_s = context.remaining_s(1000)
        self.inside.set()
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()


async def test_a_callers_deadline_ends_the_handler(output: Output) -> None:
    held = Held()
    async with running(redis_servicer(Redis(held))) as service:
        answer = await failure(service, timeout=1.0)
        await held.ended.wait()
    assert answer.code() is Code.DEADLINE_EXCEEDED
    assert isinstance(held.error, asyncio.CancelledError)
    assert 0 < held.remaining_s < 1.5  # of one second; the clocks of both sides differ a little
    assert output.of("rpc.failed")[0]["code"] == "DEADLINE_EXCEEDED"


async def test_a_call_without_a_deadline_gets_one(monkeypatch: pytest.MonkeyPatch, output: Output) -> None:
    monkeypatch.setattr(request_id, "DEFAULT_DEADLINE_S", 1.0)
    held = Held()
    async with running(redis_servicer(Redis(held))) as service:
        answer = await failure(service)
    assert answer.code() is Code.DEADLINE_EXCEEDED
    assert statuses.from_rpc_error(answer).reason_name == "DEADLINE_EXCEEDED"
    assert 0 < held.remaining_s < 1.5  # of one second; the clocks of both sides differ a little
    assert output.of("rpc.failed")[0]["code"] == "DEADLINE_EXCEEDED"


async def test_a_caller_that_goes_away_cancels_the_handler(output: Output) -> None:
    held = Held()
    async with running(redis_servicer(Redis(held))) as service:
        going = service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        await held.inside.wait()
        going.cancel()
        await held.ended.wait()
    assert isinstance(held.error, asyncio.CancelledError)
    assert output.of("rpc.defect") == []
    assert output.of("rpc.failed")[0]["code"] == "CANCELLED"


@pytest.mark.parametrize(
    ("code", "reason", "sentence"),
    [
        (Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "a service of this system can't be reached"),
        (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "a service of this system did not answer in time"),
        (Code.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", "from 10.0.0.3:50051"),
        (Code.NOT_FOUND, "INTERNAL", "from 10.0.0.3:50051"),
    ],
)
def test_what_grpc_itself_says(code: grpc.StatusCode, reason: str, sentence: str) -> None:
    """Its own text names addresses inside the system where nobody answers."""
    metadata = grpc.aio.Metadata(("other", "x"))
    found = statuses.from_rpc_error(
        grpc.aio.AioRpcError(code, grpc.aio.Metadata(), metadata, "from 10.0.0.3:50051")
    )
    assert (found.reason_name, found.message, found.code) == (reason, sentence, code.name)


@pytest.mark.parametrize(
    "details",
    [
        b"\xff\xff\xff",
        b"",
        status_pb2.Status(code=5, message="x").SerializeToString(),
        status_pb2.Status(
            details=[
                statuses.pack(error_details_pb2.ErrorInfo(reason="DB_NOT_FOUND", domain="other.example"))
            ]
        ).SerializeToString(),
        status_pb2.Status(
            details=[statuses.pack(error_details_pb2.ErrorInfo(reason="NO_SUCH", domain=statuses.DOMAIN))]
        ).SerializeToString(),
    ],
    ids=["garbage", "empty", "no details", "another domain", "unknown reason"],
)
def test_details_that_are_not_ours_are_not_believed(details: bytes) -> None:
    metadata = grpc.aio.Metadata((statuses.DETAILS_HEADER, details))
    found = statuses.from_rpc_error(
        grpc.aio.AioRpcError(Code.PERMISSION_DENIED, grpc.aio.Metadata(), metadata, "no")
    )
    assert (found.reason_name, found.message) == ("PERMISSION_DENIED", "no")


def test_a_service_token_that_is_refused_is_not_the_callers_mistake() -> None:
    refused = aio_error(StudioError(e.ERROR_REASON_AUTH_INVALID_TOKEN, "the token is not valid"))
    found = statuses.from_other_service(refused)
    assert (found.reason_name, statuses.code_of(found)) == ("INTERNAL", Code.INTERNAL)
    assert "SERVICE_TOKEN_SECRET" in found.hint
    other = aio_error(StudioError(e.ERROR_REASON_DB_NOT_FOUND, "none"))
    assert statuses.from_other_service(other).reason_name == "DB_NOT_FOUND"
