"""The steps around every handler, composed once per rpc.

gRPC asks its interceptors for a handler on each call; here the handler of an rpc is wrapped once and remembered, so
that a call costs the steps themselves and nothing else.

A streaming handler is driven through `context.write`, which makes it a coroutine like any other: the steps don't
know the difference, and what they close is closed when the stream has ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from services.runtime import context as call
from services.runtime.contract import Contract, Method
from services.runtime.errors import StudioError
from services.runtime.statuses import code_of, trailing_metadata
from studio.options.v1.access_pb2 import ROLE_UNSPECIFIED
from studio.options.v1.errors_pb2 import ERROR_REASON_UNIMPLEMENTED

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Message, Context], Awaitable[Message | None]]
"""Answers a request: with a message, or with None when it has written a stream."""

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
        if handler.request_streaming:
            raise NotImplementedError(f"{method.path}: request streams have no chain yet")
        behavior = _writing(handler.unary_stream) if handler.response_streaming else handler.unary_unary
        for step in reversed(self.steps):
            behavior = step.wrap(method, behavior)
        build = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return build(behavior, handler.request_deserializer, handler.response_serializer)


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


def _writing(stream: Callable[[Message, Context], AsyncIterator[Message]]) -> Handler:
    async def write_all(request: Message, context: Context) -> None:
        messages = stream(request, context)
        try:
            async for message in messages:
                await context.write(message)
                call.last_event.set(message)
        finally:
            close = getattr(messages, "aclose", None)
            if close is not None:
                await close()

    return write_all
