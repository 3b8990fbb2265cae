"""Builds the events: everything that the record says of a call, as the bytes of a `studio.registry.v1.AuditEvent`.

Serialized messages that follow each other are one message to protobuf, so what is known of an rpc is serialized once,
and an intent becomes an event by what is appended to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime import context as call
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from services.runtime.redaction import redact
from studio.options.v1 import access_pb2 as access
from studio.options.v1 import errors_pb2 as e
from studio.registry.v1.audit_pb2 import AuditEvent

OK, DENIED, FAILED, CANCELLED, UNKNOWN = "ok", "denied", "failed", "cancelled", "unknown"

DENIED_REASONS = frozenset(
    {
        e.ERROR_REASON_AUTH_REQUIRED,
        e.ERROR_REASON_AUTH_INVALID_TOKEN,
        e.ERROR_REASON_PERMISSION_DENIED,
        e.ERROR_REASON_CSRF_REJECTED,
        e.ERROR_REASON_CONNECTION_READ_ONLY,
        e.ERROR_REASON_COMMAND_REFUSED,
        e.ERROR_REASON_CONFIRMATION_REQUIRED,
    }
)
"""Refusals of this system's: a failure is what an engine or a mistake in the request caused."""

READS_LOST = "registry.audit.lost"
"""Action of the event that says how many reads could not be recorded."""

DAMAGED = "registry.audit.damaged"
"""Action of the event that stands for those that were lost because a file of a spool was damaged."""

CLOCKS_DIFFER_S = 0.05
"""A caller's deadline passes on its own clock first, by the way the request took."""

EFFECTS = {
    access.EFFECT_READS: "reads",
    access.EFFECT_CHANGES: "changes",
    access.EFFECT_ENDANGERS: "endangers",
}
"""What is recorded, and how the record calls it."""

_ROLES = {
    value: "" if value == access.ROLE_UNSPECIFIED else name.removeprefix("ROLE_").lower()
    for name, value in access.Role.items()
}
_MAX_CHARS = 256
_US = 1_000_000


def of_kind(action: str, effect: access.Effect.ValueType, service: str) -> bytes:
    """What events of one kind of calls have in common."""
    return AuditEvent(action=action, effect=EFFECTS[effect], service=service).SerializeToString()


def of_caller(caller: Caller | None) -> bytes:
    """What an event says of who called."""
    if caller is None:
        return b""
    return AuditEvent(
        actor=_bounded(redact(caller.subject)),
        credential=caller.credential.value,
        credential_id=_bounded(caller.credential_id),
        role=_ROLES[caller.role],
    ).SerializeToString()


def of_call(
    *,
    started: float,
    database_id: str,
    database_name: str,
    project_ref: str,
    target: Mapping[str, str],
    outcome: str = "",
    reason: str = "",
    duration_s: float = 0.0,
) -> bytes:
    """What an event says of the call itself: how it ended, unless it only begins.

    Args:
        started: seconds since 1970.
        database_id: as the request has it.
        database_name: its name; empty where it is not known.
        project_ref: short name of the project.
        target: names by their kind.
        outcome: one of the constants above.
        reason: name of an ErrorReason.
        duration_s: how long it took.
    """
    # Field by field: with keyword arguments it takes twice as long.
    event = AuditEvent()
    at, whole = event.at, int(started)
    at.seconds = whole
    at.nanos = int((started - whole) * _US) * 1000
    event.database_id = database_id
    event.database_name = database_name
    event.project_ref = project_ref
    names = event.target
    for kind, name in target.items():
        names[kind] = name
    event.outcome = outcome
    event.reason = reason
    event.duration_ms = round(duration_s * 1000, 3)
    event.client_address = call.address.get()
    event.request_id = call.request_id.get()
    return event.SerializeToString()


def lost(count: int, *, at: float, service: str) -> bytes:
    """The event for reads that could not be recorded."""
    return AuditEvent(
        at=Timestamp(seconds=int(at)),
        action=READS_LOST,
        effect=EFFECTS[access.EFFECT_READS],
        target={"events": str(count)},
        outcome=FAILED,
        reason=e.ErrorReason.Name(e.ERROR_REASON_AUDIT_UNAVAILABLE).removeprefix("ERROR_REASON_"),
        service=service,
    ).SerializeToString()


def damaged(service: str) -> bytes:
    """The event for those that can't be read any more; the registry says when it came."""
    return AuditEvent(
        action=DAMAGED, effect=EFFECTS[access.EFFECT_CHANGES], outcome=UNKNOWN, service=service
    ).SerializeToString()


def unknown() -> bytes:
    """What makes an event of an intent whose end nobody knows."""
    return AuditEvent(outcome=UNKNOWN).SerializeToString()


def outcome_of(error: BaseException) -> tuple[str, str]:
    """How a call ended that raised this, and why."""
    if isinstance(error, StudioError):
        return DENIED if error.reason in DENIED_REASONS else FAILED, error.reason_name
    if isinstance(error, (TimeoutError, asyncio.CancelledError)) or call.is_cancelled():
        # The deadline's passing cancels a call, too.
        if isinstance(error, TimeoutError) or call.remaining_s(1.0) <= CLOCKS_DIFFER_S:
            return FAILED, "DEADLINE_EXCEEDED"
        return CANCELLED, "CANCELLED"
    return FAILED, "INTERNAL"


def _bounded(text: str) -> str:
    return text if text.isprintable() and len(text) <= _MAX_CHARS else ascii(text)[1:-1][:_MAX_CHARS]
