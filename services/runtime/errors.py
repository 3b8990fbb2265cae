"""The one exception that modules of an engine raise for what a caller must learn.

Pure: knows reasons and sentences, no gRPC. `statuses` turns it into a status, in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.options.v1.errors_pb2 import ErrorReason

PREFIX = "ERROR_REASON_"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that breaks a rule."""

    field: str
    """Path of the field, in proto names: `config.tls`."""
    description: str
    """What is wrong with it."""


class StudioError(Exception):
    """A failure with a reason of the contract and a sentence for the user.

    Args:
        reason: which failure it is; decides the status unless `code` does.
        message: one sentence, without secrets.
        hint: what to try next.
        metadata: facts a program can use, such as the failing stage.
        violations: the fields of the request that are wrong.
        retry_after_s: seconds after which to try again, where the reason's own default does not fit.
        code: name of a gRPC status code that replaces the reason's own: a test that fails while a database is
            being registered is the user's mistake, not an outage.
    """

    def __init__(
        self,
        reason: ErrorReason.ValueType,
        message: str,
        *,
        hint: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_s: float | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.code = code

    @property
    def reason_name(self) -> str:
        """The reason as clients see it: `DB_NOT_FOUND`."""
        return reason_name(self.reason)


def reason_name(reason: ErrorReason.ValueType) -> str:
    """The reason without the prefix that proto enums carry."""
    return ErrorReason.Name(reason).removeprefix(PREFIX)


def invalid_argument(field: str, description: str) -> StudioError:
    """The error for one field that breaks a rule which the contract can't state."""
    return StudioError(
        ErrorReason.ERROR_REASON_INVALID_ARGUMENT,
        f"{field}: {description.removesuffix('.')}.",
        violations=[FieldViolation(field, description)],
    )
