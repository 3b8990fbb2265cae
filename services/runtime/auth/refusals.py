"""Refused credentials: those that somebody may be guessing are told apart from those that were right once."""

from __future__ import annotations

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_AUTH_INVALID_TOKEN, ERROR_REASON_REGISTRY_UNAVAILABLE


class WrongCredentialError(StudioError):
    """AUTH_INVALID_TOKEN for a credential that nobody ever gave out, as far as we know: it counts as an attempt.

    Args:
        message: what is wrong with it, without any of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(ERROR_REASON_AUTH_INVALID_TOKEN, message)


def ended(message: str) -> StudioError:
    """AUTH_INVALID_TOKEN for a credential that was right once: expired, revoked, signed out."""
    return StudioError(ERROR_REASON_AUTH_INVALID_TOKEN, message)


def unknown_now(message: str) -> StudioError:
    """REGISTRY_UNAVAILABLE: whether the credential counts can't be known at the moment."""
    return StudioError(ERROR_REASON_REGISTRY_UNAVAILABLE, message)
