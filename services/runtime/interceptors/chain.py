"""The steps around every handler, composed once per rpc.

gRPC asks its interceptors for a handler on each call; here the handler of an rpc is wrapped once and remembered, so
that a call costs the steps themselves and nothing else.

A streaming handler is driven through `context.write`, which makes it a coroutine like any other: the steps don't
know the difference, and what they close is closed when the stream has ended. A stream of requests passes the steps as
`Requests`: nothing of it is read before somebody asks, so that who may not call is refused before a body is taken in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.contract import Contract, Method
from services.runtime.errors import StudioError
from services.runtime.statuses import code_of, trailing_metadata
from studio.options.v1.access_pb2 import ROLE_UNSPECIFIED
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT, ERROR_REASON_UNIMPLEMENTED

Context = grpc.aio.ServicerContext[Any, Any]


class Requests:
    """The messages of a stream of requests: one is read when it is asked for, so that a slow handler slows the caller.

    Args:
        messages: as gRPC gives them.
    """

    def __init__(self, messages: AsyncIterable[Message]) -> None:
        self._source = messages
        self._messages: AsyncIterator[Message] | None = None
        self._first: Message | None = None
        self.on_first: Callable[[Message], None] | None = None
        """Called with the first message, whoever reads it."""

    async def first(self) -> Message:
        """The first message, which stays the first of the iteration.

        Raises:
            StudioError: INVALID_ARGUMENT where there is none.
        """
        if self._first is None:
            try:
                self._first = await self._read()
            except StopAsyncIteration:
                raise StudioError(
                    ERROR_REASON_INVALID_ARGUMENT, "The request holds no message, nor a body."
                ) from None
        return self._first

    def __aiter__(self) -> AsyncIterator[Message]:
        """Itself: it can be read once."""
        return self

    async def __anext__(self) -> Message:
        """The next message."""
        if self._first is not None:
            message, self._first = self._first, None
            return message
        return await self._read()

    async def drain(self) -> None:
        """Takes in and throws away what is still sent, for a while.

        Most HTTP clients, browsers among them, read no answer before they have sent all of their body: one that comes
        earlier, and a connection that is closed behind it, is a broken connection to them and tells no reason.
        """
        with contextlib.suppress(TimeoutError, StopAsyncIteration):
            async with asyncio.timeout(DRAIN_S):
                while True:
                    await asyncio.wait_for(self._read(), DRAIN_IDLE_S)

    async def aclose(self) -> None:
        """Ends the reading, wherever it was."""
        close = getattr(self._messages, "aclose", None)
        if close is not None:
            await close()

    async def _read(self) -> Message:
        if self._messages is None:
            # Not before: gRPC's generator complains when it is thrown away without having been asked.
            self._messages = aiter(self._source)
        message = await anext(self._messages)
        if self.on_first is not None:
            seen, self.on_first = self.on_first, None
            seen(message)
        return message


Request: TypeAlias = Message | Requests
"""What a handler answers."""
Handler = Callable[[Request, Context], Awaitable[Message | None]]
"""Answers a request: with a message, or with None when it has written a stream."""

DRAIN_S = 10.0
"""Seconds that the rest of a refused body is taken in."""
DRAIN_IDLE_S = 2.0
"""Seconds without a message after which nothing more is awaited of it."""

OPEN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.reflection.v1.ServerReflection",
)
"""Not in the contract and needing no token: they tell nothing but the contract itself and that a service is up."""


class Step(Protocol):
    """One step of the chain."""

    name: str

    def wrap(self, method: Method, handler: Handler) -> Handler:
        """The handler with this step around it."""


def wrapped(steps: Sequence[Step], method: Method, handler: Handler) -> Handler:
    """A handler with steps around it, outermost first."""
    for step in reversed(steps):
        handler = step.wrap(method, handler)
    return handler


class Chain(grpc.aio.ServerInterceptor):
    """Puts the steps around every handler of the contract.

    Args:
        contract: what is known of each rpc.
        steps: outermost first.
    """

    def __init__(self, contract: Contract, steps: Sequence[Step]) -> None:
        self._contract = contract
        self.steps = tuple(steps)
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The wrapped handler of the rpc that is called."""
        path = handler_call_details.method
        known = self._wrapped.get(path)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None:  # not remembered, since anybody can invent paths
            return _UNKNOWN
        if path.split("/")[1] in OPEN_SERVICES:
            return handler
        wrapped = self._wrap(self._contract.methods.get(path) or _undeclared(path), handler)
        self._wrapped[path] = wrapped
        return wrapped

    def _wrap(self, method: Method, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:  # noqa: ANN401  untyped in grpc
        takes_stream, gives_stream = bool(handler.request_streaming), bool(handler.response_streaming)
        answer, build = _FORMS[takes_stream, gives_stream]
        behavior = _writing(answer(handler)) if gives_stream else answer(handler)
        behavior = wrapped(self.steps, method, behavior)
        if takes_stream:
            behavior = _reading(behavior)
        return build(behavior, handler.request_deserializer, handler.response_serializer)


# By whether the request is a stream, and the answer: which attribute of gRPC's handler answers, and what makes one.
_FORMS: dict[
    tuple[bool, bool], tuple[Callable[[Any], Any], Callable[..., grpc.RpcMethodHandler[Any, Any]]]
] = {
    (False, False): (attrgetter("unary_unary"), grpc.unary_unary_rpc_method_handler),
    (False, True): (attrgetter("unary_stream"), grpc.unary_stream_rpc_method_handler),
    (True, False): (attrgetter("stream_unary"), grpc.stream_unary_rpc_method_handler),
    (True, True): (attrgetter("stream_stream"), grpc.stream_stream_rpc_method_handler),
}


def _undeclared(path: str) -> Method:
    """An rpc that is served but not of the contract: without a rule, so `authorize` denies it to everybody."""
    _, service, name = path.split("/")
    return Method(
        path=path,
        service=service,
        name=name,
        role=ROLE_UNSPECIFIED,
        action="",
        http=(),
        success_status=200,
        server_streaming=False,
        request="",
        response="",
        comment="",
    )


async def _unknown(_requests: object, context: Context) -> None:
    error = StudioError(ERROR_REASON_UNIMPLEMENTED, "There is no such rpc here.")
    await context.abort(code_of(error), error.message, trailing_metadata(error))


# Reads no request: whoever invents a path must not make us take in its body.
_UNKNOWN: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(_unknown)


def _reading(handler: Handler) -> Callable[[AsyncIterable[Message], Context], Awaitable[Message | None]]:
    async def read(messages: AsyncIterable[Message], context: Context) -> Message | None:
        requests = Requests(messages)
        try:
            return await handler(requests, context)
        finally:
            await requests.aclose()

    return read


def _writing(stream: Callable[[Any, Context], AsyncIterator[Message]]) -> Handler:
    async def write_all(request: Request, context: Context) -> None:
        messages = stream(request, context)
        running = call.stream.get()
        try:
            async for message in messages:
                if running is not None:
                    running.is_writing = True
                await context.write(message)
                call.last_event.set(message)
                if running is not None:
                    running.is_writing = False
                    running.check()
        finally:
            close = getattr(messages, "aclose", None)
            if close is not None:
                await close()

    return write_all
