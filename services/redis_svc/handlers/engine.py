"""`studio.registry.v1.EngineService`: tests a connection for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from services.redis_svc.diagnose import diagnose
from services.redis_svc.settings import TYPE
from services.runtime.crypto import KeyRing, SealedValueError
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_CONNECTION_UNREADABLE
from studio.registry.v1 import database_pb2, engine_service_pb2
from studio.registry.v1.engine_service_pb2_grpc import EngineServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.limits import Limits
    from services.runtime.addresses import AddressPolicy

    Context = grpc.aio.ServicerContext[Any, Any]


class EngineHandler(EngineServiceServicer):
    """The service.

    Args:
        keys: open the connection string.
        policy: which addresses may be dialled.
        limits: how long a test may take.
        allow_unix: whether Unix sockets may be dialled.
    """

    def __init__(self, keys: KeyRing, policy: AddressPolicy, limits: Limits, *, allow_unix: bool) -> None:
        self._keys = keys
        self._policy = policy
        self._limits = limits
        self._allow_unix = allow_unix

    async def DiagnoseConnection(  # noqa: N802  the rpc
        self, request: engine_service_pb2.DiagnoseConnectionRequest, context: Context
    ) -> database_pb2.ConnectionDiagnosis:
        """Tests a connection; one that fails is an answer."""
        del context
        try:
            text = self._keys.open(request.ciphertext, row_id=request.id, type_=TYPE)
        except SealedValueError as error:
            raise StudioError(
                ERROR_REASON_CONNECTION_UNREADABLE,
                f"The connection string does not open with this service's keys: {error}.",
                hint="The registry and redis_svc must share REDIS_CRYPTO_KEY, or what it falls back to.",
            ) from None
        found = await diagnose(
            text,
            json_format.MessageToDict(request.config),
            policy=self._policy,
            limits=self._limits,
            allow_unix=self._allow_unix,
        )
        return database_pb2.ConnectionDiagnosis(
            success=found.success,
            latency_ms=found.latency_ms,
            server_version=found.server_version,
            stage=found.stage.value,
            error_code=found.error_code,
            message=found.message,
            hint=found.hint,
        )
