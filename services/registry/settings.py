"""What the registry reads from the environment."""

from __future__ import annotations

import psycopg
from psycopg import conninfo
from pydantic import Field, SecretStr, field_validator, model_validator

from services.registry.audit.settings import AuditSettings
from services.registry.cache.failures import check_cache_url
from services.registry.connection_strings import TYPES
from services.registry.environment import VARIABLES
from services.registry.health.schedule import Schedule
from services.runtime.discovery import check_replicas
from services.runtime.settings import CryptoSettings, ServiceSettings, check_one_name, check_origin


class KeySettings(CryptoSettings):
    """The keys of every type that is stored here."""

    @model_validator(mode="after")
    def _has_a_key_for_each_type(self) -> KeySettings:
        for type_ in self.sealed_types():
            self.key_ring(type_)
        return self

    def sealed_types(self) -> tuple[str, ...]:
        """The types that can be stored here.

        PostgreSQL is reached through pg-meta, with pg-meta's own key; an installation without it needs none.
        """
        with_postgres = self.multi_db_crypto_key is not None or self.pg_meta_crypto_key is not None
        return tuple(type_ for type_ in TYPES if type_ != "postgres" or with_postgres)


class Settings(ServiceSettings, KeySettings, AuditSettings):
    """The registry's settings."""

    grpc_address: str = "[::]:50051"
    """Where the registry listens for gRPC."""
    http_address: str = "[::]:9051"
    """Where `/healthz` and `/metrics` are served."""
    database_url: SecretStr | None = None
    """The platform database; without it nothing is stored and only the environment's connections are shown."""
    database_listen_url: SecretStr | None = None
    """The same database without a transaction pooler in between, for LISTEN; DATABASE_URL by default."""
    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Connections to the platform database."""
    database_pool_waiting: int = Field(default=100, ge=1)
    """Calls that may wait for one; one more is refused at once."""
    registry_cache_url: SecretStr | None = None
    """A Redis that keeps lists for a minute; REDIS_URL where it is not set. The registry is right without it."""
    health_interval_s: float = Field(default=30.0, ge=0, le=3600)
    """Seconds between the health checks of a database that somebody looks at; 0 checks none."""
    health_idle_interval_s: float = Field(default=300.0, gt=0, le=86400)
    """Seconds between the health checks of the others."""
    health_idle_after_s: float = Field(default=600.0, gt=0, le=86400)
    """Seconds after the last look at which a database becomes one of the others."""
    redis_svc_address: str | None = None
    """gRPC address of the service that tests Redis connections, or several with IP addresses, comma-separated."""
    mongo_svc_address: str | None = None
    """The same of the service that tests MongoDB connections."""
    bun_proxy_address: str | None = None
    """The same of the service that tests Bun APIs."""
    pg_meta_url: str | None = None
    """Where pg-meta is: `http://host:port`. PostgreSQL is reached through it; needs PG_META_CRYPTO_KEY."""
    pg_meta_allow_unix_sockets: bool = False
    """Whether registered PostgreSQL databases may be Unix sockets of pg-meta's host."""

    enable_redis_management: bool = True
    """False switches Redis off, address or not, as for the gateway."""
    enable_mongodb_management: bool = True
    """False switches MongoDB off, address or not."""
    enable_bun_api_management: bool = True
    """False switches Bun APIs off, address or not."""
    environment_connections: bool = True
    """False leaves the connections that the environment names out of lists."""
    redis_url: SecretStr | None = None
    """A Redis that is shown as `env-redis`."""
    redis_public_url: SecretStr | None = None
    """Its public address, used outside Railway."""
    mongodb_url: SecretStr | None = None
    """A MongoDB that is shown as `env-mongodb`."""
    mongodb_public_url: SecretStr | None = None
    """Its public address, used outside Railway."""
    bun_api_url: SecretStr | None = None
    """A Bun API that is shown as `env-bun-api`."""
    bun_api_public_url: SecretStr | None = None
    """Its public address, used outside Railway."""
    bun_api_key: SecretStr | None = None
    """The key of that Bun API, where its URL holds none."""
    database_public_url: SecretStr | None = None
    """Public address of the PostgreSQL that is shown as `env-postgres`; the registry itself uses DATABASE_URL."""
    railway_environment_name: str | None = None
    """Set by Railway: internal addresses can be reached."""
    railway_environment_id: str | None = None
    """As above."""
    railway_environment: str | None = None
    """As above, in older environments."""

    @field_validator("database_url", "database_listen_url")
    @classmethod
    def _is_a_url_of_postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_database_url(value.get_secret_value())
        return value

    @field_validator("redis_svc_address", "mongo_svc_address", "bun_proxy_address")
    @classmethod
    def _is_dialled(cls, value: str | None) -> str | None:
        return None if value is None else check_replicas(value)

    @model_validator(mode="after")
    def _engines_have_one_name(self) -> Settings:
        for type_ in self.engine_addresses():
            variable = ADDRESS_VARIABLES[type_]
            check_one_name(variable, getattr(self, variable.lower()) or "", self)
        return self

    @field_validator("pg_meta_url")
    @classmethod
    def _is_an_origin(cls, value: str | None) -> str | None:
        return None if value is None else check_origin(value)

    @model_validator(mode="after")
    def _has_the_key_of_pg_meta(self) -> Settings:
        if self.pg_meta_url is not None and self.pg_meta_crypto_key is None:
            raise ValueError("PG_META_CRYPTO_KEY must be set with PG_META_URL: it is pg-meta's CRYPTO_KEY")
        return self

    def flags(self) -> dict[str, bool]:
        """Whether each engine is switched on."""
        return {
            "redis": self.enable_redis_management,
            "mongodb": self.enable_mongodb_management,
            "bun_api": self.enable_bun_api_management,
        }

    def documented_areas(self) -> list[str]:
        """What the OpenAPI document is about (`services.runtime.openapi.AREAS`)."""
        areas = {
            "redis": self.enable_redis_management,
            "mongodb": self.enable_mongodb_management,
            "bun": self.enable_bun_api_management,
            "postgres": self.pg_meta_url is not None,
        }
        return ["registry", *(area for area, is_on in areas.items() if is_on)]

    def on_railway(self) -> bool:
        """Whether this runs on Railway."""
        return any((self.railway_environment_name, self.railway_environment_id, self.railway_environment))

    def connection_variables(self) -> dict[str, str]:
        """The variables that name connections, as far as they are set and wanted."""
        if not self.environment_connections:
            return {}
        names = [name for each in VARIABLES for name in (each.name, each.public, each.key) if name]
        values = {name: getattr(self, name.lower()) for name in names}
        return {name: value.get_secret_value() for name, value in values.items() if value is not None}

    @field_validator("registry_cache_url")
    @classmethod
    def _is_a_url_of_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                check_cache_url(value.get_secret_value())
            except ValueError:
                raise ValueError("must be a redis://, rediss:// or unix:// URL") from None
        return value

    def health_schedule(self) -> Schedule:
        """When health checks are due."""
        return Schedule(
            interval_s=self.health_interval_s,
            idle_interval_s=max(self.health_interval_s, self.health_idle_interval_s),
            idle_after_s=self.health_idle_after_s,
        )

    def cache_url(self) -> str | None:
        """Where lists are cached; None for nowhere."""
        chosen = self.registry_cache_url or self.redis_url
        return chosen.get_secret_value() if chosen else None

    def engine_addresses(self) -> dict[str, str | None]:
        """Where a gRPC channel finds the service of each engine; None where there is none here."""
        return {
            "redis": self._target(self.redis_svc_address),
            "mongodb": self._target(self.mongo_svc_address),
            "bun_api": self._target(self.bun_proxy_address),
        }

    def _target(self, replicas: str | None) -> str | None:
        return None if replicas is None else self.channel_target(replicas)

    def tested_types(self) -> list[str]:
        """The types whose connections can be tested here."""
        found = [type_ for type_, address in self.engine_addresses().items() if address is not None]
        return [*found, "postgres"] if self.pg_meta_url is not None else found


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
    "postgres": "PG_META_URL",
}
"""Which variable says where an engine's service is, for messages."""
