"""From a `StudioError` to a gRPC status and back: the only place that knows which reason is which code.

The rich status follows https://google.aip.dev/193: `ErrorInfo` always, `BadRequest` for fields, `RetryInfo` for what
passes. Envoy maps the codes to HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from services.runtime.errors import PREFIX, FieldViolation, StudioError
from services.runtime.redaction import redact_answer
from studio.options.v1 import errors_pb2 as e

DOMAIN = "studio-databases"
REASON_NAMES = frozenset(e.ErrorReason.keys())
DETAILS_HEADER = "grpc-status-details-bin"
RETRY_AFTER_HEADER = "retry-after"
HINT = "hint"
"""Under this name `ErrorInfo.metadata` says what to try next."""

# gRPC refuses metadata beyond 8 KiB. The sentence travels percent-encoded (three characters a byte at worst) and once
# more inside the details, which travel in base64.
MAX_MESSAGE_BYTES = 1000
MAX_HINT_BYTES = 500
MAX_DETAILS_BYTES = 3000

Code = grpc.StatusCode

# Reason -> code, and seconds to wait where trying again makes sense (None: it does not).
TABLE: dict[e.ErrorReason.ValueType, tuple[grpc.StatusCode, float | None]] = {
    e.ERROR_REASON_AUTH_REQUIRED: (Code.UNAUTHENTICATED, None),
    e.ERROR_REASON_AUTH_INVALID_TOKEN: (Code.UNAUTHENTICATED, None),
    e.ERROR_REASON_PERMISSION_DENIED: (Code.PERMISSION_DENIED, None),
    e.ERROR_REASON_CSRF_REJECTED: (Code.PERMISSION_DENIED, None),
    e.ERROR_REASON_INVALID_ARGUMENT: (Code.INVALID_ARGUMENT, None),
    e.ERROR_REASON_INVALID_CONNECTION_STRING: (Code.INVALID_ARGUMENT, None),
    e.ERROR_REASON_INVALID_CURSOR: (Code.INVALID_ARGUMENT, None),
    e.ERROR_REASON_PROJECT_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_ALREADY_EXISTS: (Code.ALREADY_EXISTS, None),
    e.ERROR_REASON_CONFLICT: (Code.ABORTED, None),
    e.ERROR_REASON_ROUTE_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_METHOD_NOT_ALLOWED: (Code.UNIMPLEMENTED, None),
    e.ERROR_REASON_PAYLOAD_TOO_LARGE: (Code.INVALID_ARGUMENT, None),
    e.ERROR_REASON_UNIMPLEMENTED: (Code.UNIMPLEMENTED, None),
    e.ERROR_REASON_RESOURCE_EXHAUSTED: (Code.RESOURCE_EXHAUSTED, 1),
    e.ERROR_REASON_SERVICE_UNAVAILABLE: (Code.UNAVAILABLE, 2),
    e.ERROR_REASON_REGISTRY_UNAVAILABLE: (Code.UNAVAILABLE, 2),
    e.ERROR_REASON_DEADLINE_EXCEEDED: (Code.DEADLINE_EXCEEDED, 1),
    e.ERROR_REASON_CANCELLED: (Code.CANCELLED, None),
    e.ERROR_REASON_INTERNAL: (Code.INTERNAL, None),
    e.ERROR_REASON_ENGINE_DISABLED: (Code.NOT_FOUND, None),
    e.ERROR_REASON_REGISTRY_READ_ONLY: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_CONNECTION_UNREADABLE: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_AUDIT_UNAVAILABLE: (Code.UNAVAILABLE, 2),
    e.ERROR_REASON_DB_CONNECTION_FAILED: (Code.UNAVAILABLE, 2),
    e.ERROR_REASON_DB_TIMEOUT: (Code.DEADLINE_EXCEEDED, 1),
    e.ERROR_REASON_DB_INVALID_CREDENTIALS: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_DB_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_DB_QUERY_ERROR: (Code.INVALID_ARGUMENT, None),
    e.ERROR_REASON_DB_PERMISSION_DENIED: (Code.PERMISSION_DENIED, None),
    e.ERROR_REASON_DB_TLS_FAILED: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_DB_ADDRESS_DENIED: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_DB_READ_ONLY: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_DB_UNAVAILABLE: (Code.UNAVAILABLE, 1),
    e.ERROR_REASON_DB_PROTOCOL_ERROR: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_DB_INACTIVE: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_KEY_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_WRONG_TYPE: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_ELEMENT_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_CONFIRMATION_REQUIRED: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_COMMAND_REFUSED: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_NOT_SUPPORTED: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_CONNECTION_READ_ONLY: (Code.PERMISSION_DENIED, None),
    e.ERROR_REASON_DOCUMENT_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_NAMESPACE_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_DUPLICATE_KEY: (Code.ALREADY_EXISTS, None),
    e.ERROR_REASON_DOCUMENT_INVALID: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_CHANGES_LOST: (Code.FAILED_PRECONDITION, None),
    e.ERROR_REASON_API_DOCUMENT_NOT_FOUND: (Code.NOT_FOUND, None),
    e.ERROR_REASON_API_DOCUMENT_INVALID: (Code.FAILED_PRECONDITION, None),
}

# Codes of failures that pass by themselves.
PASSING = frozenset({Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED})

# What to call a failure that carries no reason of ours: raised by gRPC itself.
REASON_OF_CODE: dict[grpc.StatusCode, e.ErrorReason.ValueType] = {
    Code.UNAUTHENTICATED: e.ERROR_REASON_AUTH_INVALID_TOKEN,
    Code.PERMISSION_DENIED: e.ERROR_REASON_PERMISSION_DENIED,
    Code.INVALID_ARGUMENT: e.ERROR_REASON_INVALID_ARGUMENT,
    Code.UNIMPLEMENTED: e.ERROR_REASON_UNIMPLEMENTED,
    Code.RESOURCE_EXHAUSTED: e.ERROR_REASON_RESOURCE_EXHAUSTED,
    Code.UNAVAILABLE: e.ERROR_REASON_SERVICE_UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: e.ERROR_REASON_DEADLINE_EXCEEDED,
    Code.CANCELLED: e.ERROR_REASON_CANCELLED,
}
SENTENCE_OF_CODE: dict[grpc.StatusCode, str] = {
    Code.UNAVAILABLE: "a service of this system can't be reached",
    Code.DEADLINE_EXCEEDED: "a service of this system did not answer in time",
}


def code_of(error: StudioError) -> grpc.StatusCode:
    """The status code of an error."""
    return grpc.StatusCode[error.code] if error.code else TABLE[error.reason][0]


def retry_after_s(error: StudioError) -> int | None:
    """Whole seconds after which the call may succeed; None where repeating it is useless."""
    if code_of(error) not in PASSING:
        return None
    seconds = TABLE[error.reason][1] if error.retry_after_s is None else error.retry_after_s
    return None if seconds is None else max(1, math.ceil(seconds))


def to_status(error: StudioError) -> status_pb2.Status:
    """The rich status of an error, redacted, and bounded to what fits into metadata."""
    hint = {HINT: error.hint} if error.hint else {}
    left, facts = _fitting({**hint, **error.metadata}.items(), MAX_DETAILS_BYTES)
    info = error_details_pb2.ErrorInfo(reason=error.reason_name, domain=DOMAIN, metadata=dict(facts))
    details = [pack(info)]
    if error.violations:
        _, violations = _fitting(((each.field, each.description) for each in error.violations), left)
        bad_request = error_details_pb2.BadRequest()
        for field, description in violations:
            bad_request.field_violations.add(field=field, description=description)
        details.append(pack(bad_request))
    wait_s = retry_after_s(error)
    if wait_s is not None:
        delay = duration_pb2.Duration(seconds=wait_s)
        details.append(pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=code_of(error).value[0], message=sentence(error), details=details)


def _fitting(pairs: Iterable[tuple[str, str]], left: int) -> tuple[int, list[tuple[str, str]]]:
    """The first pairs, cleaned, that fit into so many bytes; and how many are left then."""
    fitting: list[tuple[str, str]] = []
    for first, second in pairs:
        pair = clean(first, MAX_HINT_BYTES), clean(second, MAX_HINT_BYTES)
        left -= sum(len(text.encode()) for text in pair)
        if left < 0:
            return 0, fitting
        fitting.append(pair)
    return left, fitting


def sentence(error: StudioError) -> str:
    """The message as it travels."""
    return clean(error.message, MAX_MESSAGE_BYTES)


def clean(text: str, max_bytes: int) -> str:
    """A text as it may travel: without secrets and lone surrogates, at most `max_bytes` of UTF-8."""
    encoded = redact_answer(text).encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return encoded.decode()
    return encoded[: max_bytes - 3].decode("utf-8", "ignore") + "…"


def pack(message: Message) -> any_pb2.Any:
    """A message as an Any."""
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def trailing_metadata(error: StudioError) -> tuple[tuple[str, str | bytes], ...]:
    """What travels beside the code and the sentence: the rich status, and `retry-after` in seconds."""
    metadata: list[tuple[str, str | bytes]] = [(DETAILS_HEADER, to_status(error).SerializeToString())]
    wait_s = retry_after_s(error)
    if wait_s is not None:
        metadata.append((RETRY_AFTER_HEADER, str(wait_s)))
    return tuple(metadata)


def from_rpc_error(error: grpc.aio.AioRpcError) -> StudioError:
    """The error a service answered with, so that it reaches our caller unchanged.

    A failure that carries no reason of ours comes from gRPC itself (nobody listens, the deadline passed); what gRPC
    says of it names addresses inside the system and is for the log.
    """
    code = error.code()
    for name, value in error.trailing_metadata() or ():
        if name == DETAILS_HEADER and isinstance(value, bytes):
            found = _from_details(value, code)
            if found is not None:
                return found
    reason = REASON_OF_CODE.get(code, e.ERROR_REASON_INTERNAL)
    sentence = SENTENCE_OF_CODE.get(code) or error.details() or f"the call ended with {code.name}"
    return StudioError(reason, sentence, code=code.name)


def from_other_service(error: grpc.aio.AioRpcError) -> StudioError:
    """As `from_rpc_error`, for a call with a service token: a refusal of that is not our caller's to mend."""
    if error.code() is Code.UNAUTHENTICATED:
        return StudioError(
            e.ERROR_REASON_INTERNAL,
            "The services of this system do not accept each other's tokens.",
            hint="SERVICE_TOKEN_SECRET must be the same for every service, and their clocks must agree",
        )
    return from_rpc_error(error)


def _from_details(serialized: bytes, code: grpc.StatusCode) -> StudioError | None:
    try:
        status = status_pb2.Status.FromString(serialized)
        return _from_status(status, code)
    except DecodeError:
        return None


def _from_status(status: status_pb2.Status, code: grpc.StatusCode) -> StudioError | None:
    info, bad_request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for detail in status.details:
        # Unpack fills the one whose type it is.
        for message in (info, bad_request, retry):
            detail.Unpack(message)
    if info.domain != DOMAIN or PREFIX + info.reason not in REASON_NAMES:
        return None
    facts = dict(info.metadata)
    return StudioError(
        e.ErrorReason.Value(PREFIX + info.reason),
        status.message,
        hint=facts.pop(HINT, ""),
        metadata=facts,
        violations=[FieldViolation(each.field, each.description) for each in bad_request.field_violations],
        retry_after_s=retry.retry_delay.seconds if retry.HasField("retry_delay") else None,
        code=code.name,
    )
