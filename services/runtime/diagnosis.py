"""`studio.registry.v1.EngineService`: tests a connection for the registry. How is each engine's own business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from services.runtime.crypto import KeyRing, SealedValueError
from services.runtime.errors import StudioError
from services.runtime.server import Servicer
from studio.options.v1.errors_pb2 import ERROR_REASON_CONNECTION_UNREADABLE
from studio.registry.v1 import database_pb2, engine_service_pb2
from studio.registry.v1.engine_service_pb2_grpc import (
    EngineServiceServicer,
    add_EngineServiceServicer_to_server,
)

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

DONE = "done"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a test found."""

    stage: str
    """The stage that failed; `done` when none did."""
    latency_ms: float
    """Time of the whole test."""
    message: str
    """One sentence, without secrets."""
    hint: str = ""
    """What to try next."""
    error_code: str = ""
    """The reason's name; empty on success."""
    server_version: str = ""
    """What the server says of itself."""

    @property
    def success(self) -> bool:
        """Whether the server answered and accepted the login."""
        return self.stage == DONE


Diagnose = Callable[[str, Mapping[str, object]], Awaitable[Diagnosis]]
"""Tests a connection string, with the database's settings that are not secret; a failed test is an answer."""


class EngineHandler(EngineServiceServicer):
    """The service.

    Args:
        keys: open the connection string.
        type_: the type of database, as the registry names it.
        diagnose: tests it.
    """

    def __init__(self, keys: KeyRing, type_: str, diagnose: Diagnose) -> None:
        self._keys = keys
        self._type = type_
        self._diagnose = diagnose

    async def DiagnoseConnection(  # noqa: N802  the rpc
        self, request: engine_service_pb2.DiagnoseConnectionRequest, context: Context
    ) -> database_pb2.ConnectionDiagnosis:
        """Tests a connection; one that fails is an answer."""
        del context
        try:
            text = self._keys.open(request.ciphertext, row_id=request.id, type_=self._type)
        except SealedValueError as error:
            variable = f"{self._type.removesuffix('_api').upper()}_CRYPTO_KEY"
            raise StudioError(
                ERROR_REASON_CONNECTION_UNREADABLE,
                f"The connection string does not open with this service's keys: {error}.",
                hint=f"The registry and the engine's service must share {variable}, or what it falls back to.",
            ) from None
        found = await self._diagnose(text, json_format.MessageToDict(request.config))
        return database_pb2.ConnectionDiagnosis(
            success=found.success,
            latency_ms=found.latency_ms,
            server_version=found.server_version,
            stage=found.stage,
            error_code=found.error_code,
            message=found.message,
            hint=found.hint,
        )


def engine_service(keys: KeyRing, type_: str, diagnose: Diagnose) -> Servicer:
    """The service, for the server; arguments as for `EngineHandler`."""
    return Servicer(
        "studio.registry.v1.EngineService",
        add_EngineServiceServicer_to_server,
        EngineHandler(keys, type_, diagnose),
    )
