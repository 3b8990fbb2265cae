"""What goes wrong between here and an API, as errors for the caller. None of them is the API's own answer."""

from __future__ import annotations

from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


class LostError(StudioError):
    """The connection ended before the answer began.

    Args:
        where: the API's origin.
    """

    def __init__(self, where: str) -> None:
        super().__init__(
            e.ERROR_REASON_DB_CONNECTION_FAILED,
            f"{where} closed the connection before it answered.",
            hint="It may be restarting, or not have been able to handle the request; its own log may tell.",
            metadata={"stage": "http"},
        )


def broke_off(where: str) -> StudioError:
    """The answer ended too early."""
    return StudioError(
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        f"{where} closed the connection in the middle of its answer.",
        metadata={"stage": "http"},
    )


def no_http(where: str, why: str) -> StudioError:
    """What answers is not HTTP as we may pass it on."""
    return StudioError(
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
        f"What {where} answers is not valid HTTP: {why}.",
        hint="Check that the port is the API's, and whether it is https:// or http://.",
        metadata={"stage": "http"},
    )


def head_too_large(where: str, bytes_: int, fields: int) -> StudioError:
    """The answer's headers have no end."""
    return no_http(
        where, f"its headers or trailers are larger than {bytes_ // 1024} KiB, or more than {fields}"
    )


def silent(where: str, seconds: float) -> StudioError:
    """No answer in time."""
    return StudioError(
        e.ERROR_REASON_DB_TIMEOUT,
        f"{where} did not answer within {seconds:g} s.",
        hint="`answer_timeout_s` in the config of the database allows it more time.",
        metadata={"stage": "http"},
    )


def idle(where: str, seconds: float) -> StudioError:
    """Nothing moved for too long."""
    return StudioError(
        e.ERROR_REASON_DB_TIMEOUT,
        f"Nothing was sent to or by {where} for {seconds:g} s.",
        hint="`idle_timeout_s` in the config of the database allows longer silence.",
        metadata={"stage": "http"},
    )


def request_too_large(bytes_: int) -> StudioError:
    """The request's body is over the bound."""
    return StudioError(
        e.ERROR_REASON_PAYLOAD_TOO_LARGE,
        f"The request's body is larger than {bytes_} bytes, which is the most allowed.",
    )


def answer_too_large(bytes_: int) -> StudioError:
    """The answer's body is over the bound."""
    return StudioError(
        e.ERROR_REASON_INVALID_ARGUMENT,
        f"The answer is larger than {bytes_} bytes, which is the most allowed: ask for less at a time.",
    )
