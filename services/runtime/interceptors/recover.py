"""Outermost: turns whatever a handler raises into a status, and lets no defect pass unlogged."""

from __future__ import annotations

import asyncio

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from services.runtime import context as call
from services.runtime.contract import Method
from services.runtime.errors import StudioError
from services.runtime.interceptors.chain import Context, Handler, Request
from services.runtime.logs import get_logger
from services.runtime.statuses import code_of, retry_after_s, sentence, trailing_metadata
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_INTERNAL,
    ERROR_REASON_UNIMPLEMENTED,
)
from studio.options.v1.stream_pb2 import StreamError

LAST_EVENT_FIELD = "error"
"""Field of a streamed message that carries a `StreamError`; a test of the contract asks every stream for it."""

RESUME_FIELD = "resume"
"""Field of a streamed message by which interrupted work goes on."""

EVENT_STREAM = "text/event-stream"
"""Content type of a stream of bytes that is made of server-sent events already."""

log = get_logger(__name__)


class Recover:
    """Answers errors in the one shape of `statuses`."""

    name = "recover"

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler, never raising anything but gRPC's own abort and cancellation."""

        async def recovered(request: Request, context: Context) -> Message | None:
            try:
                return await handler(request, context)
            except (grpc.aio.AbortError, asyncio.CancelledError):
                # A cancelled handler must stay cancelled: swallowing it leaks the call.
                raise
            except StudioError as error:
                failure = error
            except TimeoutError:
                failure = StudioError(
                    ERROR_REASON_DEADLINE_EXCEEDED, "The call took longer than its deadline allows."
                )
            except Exception as error:
                if call.is_cancelled():  # whoever writes to a caller that has gone away is no defect
                    raise asyncio.CancelledError from error
                failure = _defect(method, context, error)
            if call.last_event.get() is not None:
                await _write_last_event(method, context, failure)
            return await context.abort(code_of(failure), sentence(failure), trailing_metadata(failure))

        return recovered


async def _write_last_event(method: Method, context: Context, failure: StudioError) -> None:
    """Tells those who read the stream over HTTP, where the status was sent long before."""
    last = call.last_event.get()
    retryable = retry_after_s(failure) is not None
    error = StreamError(message=sentence(failure), error_code=failure.reason_name, retryable=retryable)
    if isinstance(last, HttpBody):
        if last.content_type == EVENT_STREAM:
            shown = MessageToJson(
                error,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
                indent=None,
            )
            data = f'data: {{"{LAST_EVENT_FIELD}":{shown}}}\n\n'
            await context.write(HttpBody(content_type=EVENT_STREAM, data=data.encode()))
        return
    event = GetMessageClass(Default().FindMessageTypeByName(method.response))()
    if last is not None and RESUME_FIELD in event.DESCRIPTOR.fields_by_name:
        event.CopyFrom(last)  # how far the work had come, and where it can go on
    if LAST_EVENT_FIELD in event.DESCRIPTOR.fields_by_name:
        getattr(event, LAST_EVENT_FIELD).CopyFrom(error)
        await context.write(event)


def _defect(method: Method, context: Context, error: Exception) -> StudioError:
    # The generated base of a servicer answers so for an rpc that its service does not implement.
    if isinstance(error, NotImplementedError) and context.code() is grpc.StatusCode.UNIMPLEMENTED:
        return StudioError(ERROR_REASON_UNIMPLEMENTED, f"{method.name} is not implemented by this version.")
    log.error("rpc.defect", method=method.path, exc_info=error)
    return StudioError(
        ERROR_REASON_INTERNAL, f"Internal error; the log has it under request id {call.request_id.get()}."
    )
