"""Channels to other services of this system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from services.runtime import context, tracing
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.tls.channel import ReloadingChannel
from services.runtime.tls.credentials import channel_credentials

OPTIONS: tuple[tuple[str, int | str], ...] = (
    # Each address of a name is a replica, and calls go to all that are connected. The name is looked up again when one
    # of them goes, at once (gRPC's own default is at most every 30 s): who takes its place is known then.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    # What the channel does is said here, not in a TXT record of whoever runs the DNS.
    ("grpc.service_config_disable_resolution", 1),
    # A service that restarts is back in a second; gRPC's own default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # Services are beside each other; a proxy in the environment is there for the way out.
    ("grpc.enable_http_proxy", 0),
    # Retries happen in one layer: ours.
    ("grpc.enable_retries", 0),
)


def open_channel(address: str, tokens: ServiceTokens) -> grpc.aio.Channel:
    """A channel that adds the service's token, the current request's id and its trace to each call.

    With mutual TLS it shows this service's certificate, and the other one's must be made for the host in `address`.

    Args:
        address: of the other service, as gRPC takes it: `ServiceSettings.channel_target`.
        tokens: mints this service's tokens, and has its certificate.
    """
    interceptors: list[grpc.aio.ClientInterceptor] = [_UnaryIdentity(tokens), _StreamIdentity(tokens)]
    if tokens.tls is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS, interceptors=interceptors)
    return ReloadingChannel(
        tokens.tls,
        lambda material: grpc.aio.secure_channel(
            address, channel_credentials(material), options=OPTIONS, interceptors=interceptors
        ),
    )


class _Identity:
    def __init__(self, tokens: ServiceTokens) -> None:
        self._tokens = tokens

    def details(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        metadata.add("authorization", f"Bearer {self._tokens.current()}")
        request_id = context.request_id.get()
        if request_id:
            metadata.add("x-request-id", request_id)
        if traceparent := tracing.onward():
            metadata.add(tracing.HEADER, traceparent)
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )


class _UnaryIdentity(_Identity, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self,
        continuation: Callable[..., Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401  any message
    ) -> Any:  # noqa: ANN401  any call
        return await continuation(self.details(client_call_details), request)


class _StreamIdentity(_Identity, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self,
        continuation: Callable[..., Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401  any message
    ) -> Any:  # noqa: ANN401  any call
        return await continuation(self.details(client_call_details), request)
