"""Asks the engines' services to test connections.

A service that is down or missing is an answer, too: stage `service`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from services.registry.settings import ADDRESS_VARIABLES
from services.runtime import context
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.backoff import retry
from services.runtime.errors import reason_name
from services.runtime.logs import get_logger
from services.runtime.service_client import open_channel
from services.runtime.statuses import from_rpc_error
from studio.options.v1 import errors_pb2 as reasons
from studio.registry.v1.database_pb2 import ConnectionDiagnosis
from studio.registry.v1.engine_service_pb2 import DiagnoseConnectionRequest
from studio.registry.v1.engine_service_pb2_grpc import EngineServiceStub

DEADLINE_S = 5.5
"""A diagnosis takes 5 s at most; the rest is the way there and back."""

Diagnose = Callable[[str, str], Awaitable[ConnectionDiagnosis]]
"""Tests a sealed connection string, bound to the row's id; a test that fails is an answer."""

log = get_logger(__name__)


class Engines:
    """The services that test connections.

    Args:
        addresses: gRPC address of each type's service; None or missing where there is none.
        tokens: the registry's own tokens.
        others: what tests types that have no service of this system.
    """

    def __init__(
        self,
        addresses: Mapping[str, str | None],
        tokens: ServiceTokens,
        others: Mapping[str, Diagnose] | None = None,
    ) -> None:
        self._others = dict(others or {})
        self._channels = {
            type_: open_channel(address, tokens)
            for type_, address in addresses.items()
            if address is not None
        }

    async def aclose(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close()

    async def diagnose(
        self, type_: str, *, row_id: str, ciphertext: str, config: Mapping[str, Any]
    ) -> ConnectionDiagnosis:
        """Tests a connection.

        Args:
            type_: whose service does it.
            row_id: what the ciphertext is bound to.
            ciphertext: the sealed connection string.
            config: settings of the database.
        """
        if (other := self._others.get(type_)) is not None:
            return await other(ciphertext, row_id)
        channel = self._channels.get(type_)
        if channel is None:
            return _not_tested(
                reasons.ERROR_REASON_ENGINE_DISABLED,
                f"No service here tests databases of type {type_}.",
                _how_to_enable(type_),
            )
        request = DiagnoseConnectionRequest(id=row_id, ciphertext=ciphertext)
        request.config.update(config)
        stub = EngineServiceStub(channel)

        async def once() -> ConnectionDiagnosis:
            return await stub.DiagnoseConnection(request, timeout=context.remaining_s(DEADLINE_S))

        try:
            # A replica that goes meanwhile leaves the test to another one.
            return await retry(once, when=_is_refused)
        except grpc.aio.AioRpcError as error:
            log.warning("engine.not_tested", type=type_, code=error.code().name)
            return _from_rpc_error(type_, error)


def _is_refused(error: BaseException) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNAVAILABLE


def _from_rpc_error(type_: str, error: grpc.aio.AioRpcError) -> ConnectionDiagnosis:
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return _not_tested(
            reasons.ERROR_REASON_SERVICE_UNAVAILABLE,
            f"The service for type {type_} can't be reached, so the connection was not tested.",
            "Try again in a moment.",
        )
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return _not_tested(
            reasons.ERROR_REASON_DEADLINE_EXCEEDED,
            f"The service for type {type_} did not answer in time, so the connection was not tested.",
            "Try again in a moment.",
        )
    failure = from_rpc_error(error)
    return _not_tested(failure.reason, failure.message, failure.hint)


def _not_tested(reason: reasons.ErrorReason.ValueType, message: str, hint: str) -> ConnectionDiagnosis:
    return ConnectionDiagnosis(stage="service", error_code=reason_name(reason), message=message, hint=hint)


def _how_to_enable(type_: str) -> str:
    variable = ADDRESS_VARIABLES.get(type_)
    if variable is None:
        return "Save the database without a test (skipTest)."
    return f"Start it and set {variable} for the registry, or save the database without a test (skipTest)."
