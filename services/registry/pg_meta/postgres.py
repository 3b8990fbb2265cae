"""The parts that have to do with pg-meta, together: what the registry opens where there is one."""

from __future__ import annotations

from services.registry.databases import Databases
from services.registry.pg_meta.access import Access
from services.registry.pg_meta.client import PgMeta
from services.registry.pg_meta.connection import TYPE, Dialling
from services.registry.pg_meta.decisions import Decisions
from services.registry.pg_meta.diagnosis import diagnose
from services.registry.settings import Settings
from services.registry.vault import Vault
from services.runtime.confirmation import Confirmations
from services.runtime.crypto import SealedValueError
from services.runtime.errors import reason_name
from services.runtime.server import Runtime
from studio.options.v1.errors_pb2 import ERROR_REASON_CONNECTION_UNREADABLE
from studio.registry.v1.database_pb2 import ConnectionDiagnosis


class Postgres:
    """PostgreSQL through one pg-meta.

    Args:
        url: where pg-meta is.
        crypto_key: its `CRYPTO_KEY`.
        vault: opens connections.
        dialling: where to it may connect.
    """

    def __init__(self, url: str, crypto_key: str, vault: Vault, dialling: Dialling) -> None:
        self._pg_meta = PgMeta(url, crypto_key)
        self._vault = vault
        self._dialling = dialling

    async def aclose(self) -> None:
        """Closes the connections to pg-meta."""
        await self._pg_meta.aclose()

    def access(self, databases: Databases, runtime: Runtime[Settings]) -> Access:
        """What decides about requests to pg-meta."""
        return Access(
            databases,
            self._vault,
            runtime.identity,
            self._pg_meta,
            self._dialling,
            Confirmations(runtime.settings.service_token_secret.get_secret_value()),
            Decisions(runtime.audit),
            runtime.limits,
        )

    async def diagnose(self, ciphertext: str, row_id: str) -> ConnectionDiagnosis:
        """Tests a sealed connection string; a test that fails is an answer."""
        try:
            text = self._vault.open(ciphertext, row_id=row_id, type_=TYPE)
        except SealedValueError as error:
            return ConnectionDiagnosis(
                stage="service",
                error_code=reason_name(ERROR_REASON_CONNECTION_UNREADABLE),
                message=f"The connection string does not open with the registry's keys: {error}.",
            )
        return await diagnose(self._pg_meta, self._dialling, text)
