"""What the registry reads from the environment."""

from __future__ import annotations

import psycopg
from psycopg import conninfo
from pydantic import Field, SecretStr, field_validator, model_validator

from services.registry.connection_strings import TYPES
from services.runtime.settings import CryptoSettings, ServiceSettings


class Settings(ServiceSettings, CryptoSettings):
    """The registry's settings."""

    grpc_address: str = "[::]:50051"
    """Where the registry listens for gRPC."""
    http_address: str = "[::]:9051"
    """Where `/healthz` and `/metrics` are served."""
    database_url: SecretStr | None = None
    """The platform database; without it nothing is stored and reads find nothing."""
    database_listen_url: SecretStr | None = None
    """The same database without a transaction pooler in between, for LISTEN; DATABASE_URL by default."""
    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Connections to the platform database."""
    database_pool_waiting: int = Field(default=100, ge=1)
    """Calls that may wait for one; one more is refused at once."""
    redis_svc_address: str | None = None
    """gRPC address of the service that tests Redis connections."""
    mongo_svc_address: str | None = None
    """gRPC address of the service that tests MongoDB connections."""
    bun_proxy_address: str | None = None
    """gRPC address of the service that tests Bun APIs."""

    @field_validator("database_url", "database_listen_url")
    @classmethod
    def _is_a_url_of_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_database_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _has_a_key_for_each_type(self) -> Settings:
        for type_ in self.sealed_types():
            self.key_ring(type_)
        return self

    def sealed_types(self) -> tuple[str, ...]:
        """The types that can be stored here.

        PostgreSQL is reached through pg-meta, with pg-meta's own key; an installation without it needs none.
        """
        with_postgres = self.multi_db_crypto_key is not None or self.pg_meta_crypto_key is not None
        return tuple(type_ for type_ in TYPES if type_ != "postgres" or with_postgres)

    def engine_addresses(self) -> dict[str, str | None]:
        """Where the service of each engine is; None where there is none here."""
        return {
            "redis": self.redis_svc_address,
            "mongodb": self.mongo_svc_address,
            "bun_api": self.bun_proxy_address,
        }


def check_database_url(url: str) -> None:
    """Refuses what libpq can't read.

    Raises:
        ValueError: with a sentence that does not repeat the URL.
    """
    try:
        conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError(
            "is no connection string of PostgreSQL: postgresql://user:password@host:5432/name"
        ) from None


ADDRESS_VARIABLES = {
    "redis": "REDIS_SVC_ADDRESS",
    "mongodb": "MONGO_SVC_ADDRESS",
    "bun_api": "BUN_PROXY_ADDRESS",
}
"""Which variable gives the address of an engine's service, for messages."""
