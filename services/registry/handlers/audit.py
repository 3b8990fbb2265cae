"""`studio.registry.v1.AuditService`: what users see of the audit log, and what services add to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Literal

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.timestamp_pb2 import Timestamp

from services.registry.audit.filters import Filters, Scope
from services.registry.audit.reader import Event, Reader
from services.registry.audit.recorder import Recorder
from services.runtime import context as call
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.statuses import retry_after_s, sentence
from studio.options.v1.errors_pb2 import ERROR_REASON_INTERNAL
from studio.registry.v1 import audit_service_pb2 as messages
from studio.registry.v1.audit_pb2 import AuditEvent
from studio.registry.v1.audit_service_pb2_grpc import AuditServiceServicer

NDJSON = "application/x-ndjson"

Context = grpc.aio.ServicerContext[Any, Any]

_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


_Filtered = (
    messages.ListAuditEventsRequest
    | messages.ListDatabaseAuditEventsRequest
    | messages.ExportAuditEventsRequest
)


class AuditHandler(AuditServiceServicer):
    """Answers users and services.

    Args:
        reader: shows the log.
        recorder: adds to it.
    """

    def __init__(self, reader: Reader, recorder: Recorder) -> None:
        self._reader = reader
        self._recorder = recorder

    async def ListAuditEvents(  # noqa: N802  the rpc's name
        self,
        request: messages.ListAuditEventsRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.ListAuditEventsResponse:
        """A page of what the caller may see."""
        filters = _filters(request, database=request.database, project=request.project)
        return await self._page(filters, _scope(), request.page_size, request.page_token)

    async def ListDatabaseAuditEvents(  # noqa: N802  the rpc's name
        self,
        request: messages.ListDatabaseAuditEventsRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.ListAuditEventsResponse:
        """A page of one database, of which the caller is an administrator: that was decided before."""
        filters = _filters(request, database=request.id)
        return await self._page(filters, Scope(), request.page_size, request.page_token)

    async def ExportAuditEvents(  # noqa: N802  the rpc's name
        self,
        request: messages.ExportAuditEventsRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[HttpBody]:
        """Line by line what the caller may see."""
        filters = _filters(request, database=request.database, project=request.project)
        begun = False
        try:
            async for events in self._reader.export(filters, _scope()):
                # The first one in any case: it says what the answer is.
                if events or not begun:
                    yield HttpBody(content_type=NDJSON, data=b"".join(map(_line, events)))
                    begun = True
        except Exception as error:
            if begun:
                yield HttpBody(content_type=NDJSON, data=_last_line(error))
            raise

    async def RecordEvents(  # noqa: N802  the rpc's name
        self,
        request: messages.RecordEventsRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.RecordEventsResponse:
        """Stores what a service recorded."""
        caller = call.caller.get()
        following = await self._recorder.record(
            request.source,
            int(request.first_sequence),
            request.events,
            service=caller.subject if caller else "",
        )
        return messages.RecordEventsResponse(next_sequence=following)

    async def _page(
        self, filters: Filters, scope: Scope, page_size: int, page_token: str
    ) -> messages.ListAuditEventsResponse:
        events, token = await self._reader.page(filters, scope, page_size=page_size, page_token=page_token)
        return messages.ListAuditEventsResponse(events=map(_to_message, events), next_page_token=token)


def _scope() -> Scope:
    caller = call.caller.get()
    if caller is None:
        return Scope(frozenset())
    return Scope(caller.projects, caller.subject)


def _filters(
    request: _Filtered,
    *,
    database: str,
    project: str = "",
) -> Filters:
    return Filters(
        actor=request.actor,
        action=request.action,
        database=database,
        project=project,
        effect=request.effect,
        outcome=request.outcome,
        target=request.target,
        request_id=request.request_id,
        since=_time(request, "since"),
        until=_time(request, "until"),
    )


def _time(
    request: _Filtered,
    field: Literal["since", "until"],
) -> datetime | None:
    if not request.HasField(field):
        return None
    value: Timestamp = getattr(request, field)
    try:
        return value.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise invalid_argument(field, "must be a time of the years 1 to 9999") from None


def _to_message(row: Event) -> AuditEvent:
    message = AuditEvent(
        sequence=str(row.sequence),
        action=row.action,
        effect=row.effect,
        actor=row.actor,
        credential=row.credential,
        credential_id=row.credential_id,
        role=row.role,
        database_id=row.database_id,
        database_name=row.database_name,
        project_ref=row.project_ref,
        target=row.target,
        outcome=row.outcome,
        reason=row.reason,
        duration_ms=row.duration_us / 1000,
        client_address=row.client_address,
        request_id=row.request_id,
        service=row.service,
    )
    message.at.FromDatetime(row.occurred_at)
    message.recorded_at.FromDatetime(row.recorded_at)
    return message


def _line(row: Event) -> bytes:
    """The event as the gateway writes it in lists; by hand, since protobuf's own JSON takes ten times as long."""
    values = {
        "sequence": str(row.sequence),
        "at": _json_time(row.occurred_at),
        "action": row.action,
        "effect": row.effect,
        "actor": row.actor,
        "credential": row.credential,
        "credential_id": row.credential_id,
        "role": row.role,
        "database_id": row.database_id,
        "database_name": row.database_name,
        "project_ref": row.project_ref,
        "target": row.target,
        "outcome": row.outcome,
        "reason": row.reason,
        "duration_ms": row.duration_us / 1000,
        "client_address": row.client_address,
        "request_id": row.request_id,
        "service": row.service,
        "recorded_at": _json_time(row.recorded_at),
    }
    return f"{_to_json(values)}\n".encode()


def _json_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _last_line(error: Exception) -> bytes:
    """What readers over HTTP get, whose status was sent long before; gRPC callers get the status as well."""
    failure = (
        error
        if isinstance(error, StudioError)
        else StudioError(ERROR_REASON_INTERNAL, "The export failed; the log of the service says why.")
    )
    values = {
        "error": {
            "message": sentence(failure),
            "error_code": failure.reason_name,
            "retryable": retry_after_s(failure) is not None,
        }
    }
    return f"{_to_json(values)}\n".encode()
