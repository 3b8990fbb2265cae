"""Settings from the environment: one typed class a service, read once at the start.

A missing or bad value stops the start with a sentence that names the variable and never repeats the value.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    SettingsError,
)

from services.runtime import discovery
from services.runtime.base_settings import Settings
from services.runtime.crypto import WELL_KNOWN, KeyRing, WeakKeyError
from services.runtime.discovery import check_address, check_dns_server, check_replicas
from services.runtime.tls.contexts import check_own
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Sources
from services.runtime.trace_settings import TraceSettings
from studio.options.v1 import access_pb2

S = TypeVar("S", bound=BaseSettings)

MIN_SECRET = 32
"""Characters of a signing secret: RFC 7518, section 3.2, asks for 256 bits with HS256."""

PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",  # RFC 1918, as the next two
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",  # shared by carriers and clouds (RFC 6598)
    "fc00::/7",  # unique local (RFC 4193)
)
"""Loopback and networks that no packet from the internet comes from."""

MIN_SPOOL_BYTES = 1 << 20
"""Of the audit log's spool: some thousand events."""

_Csv = Annotated[tuple[str, ...], NoDecode]


def _known_level(value: str) -> str:
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return value.upper()


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < MIN_SECRET:
        raise ValueError(f"must have at least {MIN_SECRET} characters")
    return value


LogLevel = Annotated[str, AfterValidator(_known_level)]
"""DEBUG, INFO, WARNING or ERROR, in any case."""

SigningSecret = Annotated[SecretStr, AfterValidator(_long_enough)]
"""A secret that signs tokens."""


class TlsSettings(Settings):
    """By which certificates the parts of this system know each other."""

    service_tls_certificate: Path | None = None
    """PEM file of this process's certificate; with the two below, services speak mutual TLS."""
    service_tls_key: Path | None = None
    """PEM file of that certificate's private key."""
    service_tls_authority: Path | None = None
    """PEM file of the authority whose certificates are let in: one of this system's own."""

    @model_validator(mode="after")
    def _usable_certificates(self) -> TlsSettings:
        self.service_tls()
        return self

    def service_tls(self) -> CertificateFiles | None:
        """The certificates; None where services speak plain gRPC.

        Raises:
            ValueError: they can't be used; the sentence names the variable.
        """
        certificate, key, authority = (
            self.service_tls_certificate,
            self.service_tls_key,
            self.service_tls_authority,
        )
        if certificate and key and authority:
            return CertificateFiles(Sources("SERVICE_TLS", certificate, key, authority), check_own)
        if certificate or key or authority:
            raise ValueError(
                "SERVICE_TLS_CERTIFICATE, SERVICE_TLS_KEY and SERVICE_TLS_AUTHORITY must be set together"
            )
        return None


class SystemSettings(TlsSettings, TraceSettings):
    """What every process of this system reads, the gateway among them."""

    service_dns_server: str | None = None
    """DNS server that knows the names of this system's services: an address, perhaps with a port. The system's own
    unless set."""
    shutdown_notice_s: float = Field(default=3.0, ge=0, le=600)
    """Seconds after SIGTERM in which health checks fail and calls are still taken, so that nobody is turned away before
    whoever sends them has noticed."""

    @field_validator("service_dns_server")
    @classmethod
    def _dns_server(cls, value: str | None) -> str | None:
        return None if value is None else check_dns_server(value)

    def channel_target(self, replicas: str) -> str:
        """What a gRPC channel takes to reach the replicas of a service, as a setting names them."""
        return discovery.target(replicas, self.service_dns_server)


class ServiceSettings(SystemSettings):
    """What every service reads."""

    grpc_address: str
    """Where the service listens for gRPC: `host:port`, or `[::]:port` for both families."""
    http_address: str
    """Where `/healthz` and `/metrics` are served."""
    jwt_secret: SigningSecret | None = None
    """HS256 secret of user tokens: Supabase's `JWT_SECRET`."""
    jwt_jwks_url: str | None = None
    """JWKS with the public keys of user tokens."""
    service_token_secret: SigningSecret
    """Signs the tokens by which services of this system know each other."""
    credentials_offline_s: float = Field(default=900.0, ge=0, le=86400)
    """Seconds for which known API keys and sessions count while nobody tells which of them have ended."""
    auth_failures_max: int = Field(default=50, ge=0, le=100_000)
    """Wrong credentials from one address after which it gets 429 for a while; 0 for no limit."""
    log_level: LogLevel = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    max_concurrent_rpcs: int = Field(default=1000, ge=1)
    """Calls served at a time; one more is refused with RESOURCE_EXHAUSTED."""
    shutdown_grace_s: float = Field(default=10.0, ge=0)
    """Seconds that running calls have to finish after SIGTERM."""
    audit_spool_dir: str | None = None
    """Directory of this process alone that keeps the audit log's events until the registry has them; without one they
    end with the process."""
    audit_spool_max_bytes: int = Field(default=64 << 20, ge=MIN_SPOOL_BYTES)
    """Bytes that it may hold; when they are used up, changes are refused."""
    outbound_deny: _Csv = ()
    """Networks (CIDR) that no connection may lead to, beside those that are always refused."""
    outbound_allow: _Csv = ()
    """Where set, the only networks (CIDR) that connections may lead to."""

    rate_owner: int = Field(default=5000, ge=0)
    """Calls a second of one owner to this process, twice as many at once; one more is refused with RESOURCE_EXHAUSTED.
    0 for any."""
    rate_administrator: int = Field(default=5000, ge=0)
    """The same of one administrator."""
    rate_developer: int = Field(default=2500, ge=0)
    """The same of one developer."""
    rate_read_only: int = Field(default=2500, ge=0)
    """The same of one caller who may only read."""
    rate_no_role: int = Field(default=500, ge=0)
    """The same of one caller whose token carries no role; of the anonymous together, one address."""
    max_streams_per_caller: int = Field(default=200, ge=0)
    """Streams that one caller may have open at a time in this process; forwarded requests are among them. 0 for any."""
    trusted_proxies: _Csv = PRIVATE_NETWORKS
    """Networks (CIDR) of the gateway: peers there are believed about the address of their client. An empty list is
    `none`."""

    def rates(self) -> dict[access_pb2.Role.ValueType, int]:
        """Calls a second of one caller, by role; 0 for any."""
        return {
            access_pb2.ROLE_OWNER: self.rate_owner,
            access_pb2.ROLE_ADMINISTRATOR: self.rate_administrator,
            access_pb2.ROLE_DEVELOPER: self.rate_developer,
            access_pb2.ROLE_READ_ONLY: self.rate_read_only,
            access_pb2.ROLE_UNSPECIFIED: self.rate_no_role,
        }

    @field_validator("outbound_deny", "outbound_allow", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_csv(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _nobody(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return () if value == ("none",) else value

    @field_validator("outbound_deny", "outbound_allow", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for position, each in enumerate(value, start=1):
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                raise ValueError(f"must list networks such as 10.0.0.0/8; entry {position} is none") from None
        return value

    @field_validator("grpc_address")
    @classmethod
    def _grpc_address(cls, value: str) -> str:
        return check_address(value, may_be_unix=True)

    @field_validator("http_address")
    @classmethod
    def _http_address(cls, value: str) -> str:
        return check_address(value)

    @field_validator("jwt_jwks_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://unset")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL")
        return value

    @field_validator("service_token_secret")
    @classmethod
    def _own_secret(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() in WELL_KNOWN:
            raise ValueError("is a well-known example; generate one: openssl rand -base64 32")
        return value

    @model_validator(mode="after")
    def _users_cannot_make_services(self) -> ServiceSettings:
        if self.jwt_secret == self.service_token_secret:
            raise ValueError("SERVICE_TOKEN_SECRET must differ from JWT_SECRET, which makes users")
        return self

    @model_validator(mode="after")
    def _some_key_for_users(self) -> ServiceSettings:
        if self.jwt_secret is None and self.jwt_jwks_url is None:
            raise ValueError("JWT_SECRET or JWT_JWKS_URL must be set: without one no user can sign in")
        return self


class EngineSettings(ServiceSettings):
    """What every engine's service reads."""

    registry_address: str = "127.0.0.1:50051"
    """gRPC address of the registry: `host:port`, or several with IP addresses, comma-separated."""
    max_clients: int = Field(default=200, ge=1)
    """Registered databases with an open client at a time."""
    client_idle_timeout_s: float = Field(default=300.0, gt=0)
    """Seconds after which an unused client is closed."""

    @field_validator("registry_address")
    @classmethod
    def _dialled(cls, value: str) -> str:
        return check_replicas(value)

    @model_validator(mode="after")
    def _has_one_name(self) -> EngineSettings:
        check_one_name("REGISTRY_ADDRESS", self.registry_address, self)
        return self

    @property
    def registry_target(self) -> str:
        """What a gRPC channel takes to reach the registry."""
        return self.channel_target(self.registry_address)


class CryptoSettings(Settings):
    """The secrets from which the keys of connection strings come, by engine.

    Each engine's own variable wins over `MULTI_DB_CRYPTO_KEY`, that over `PG_META_CRYPTO_KEY`.
    """

    redis_crypto_key: SecretStr | None = None
    """Secret for Redis connections."""
    mongodb_crypto_key: SecretStr | None = None
    """Secret for MongoDB connections."""
    bun_crypto_key: SecretStr | None = None
    """Secret for Bun API connections."""
    multi_db_crypto_key: SecretStr | None = None
    """Secret for every engine without one of its own."""
    pg_meta_crypto_key: SecretStr | None = None
    """Secret shared with pg-meta; the last resort, and PostgreSQL's own."""
    redis_crypto_keys_retired: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Former secrets for Redis, comma-separated."""
    mongodb_crypto_keys_retired: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Former secrets for MongoDB, comma-separated."""
    bun_crypto_keys_retired: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Former secrets for Bun APIs, comma-separated."""
    multi_db_crypto_keys_retired: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Former secrets for every engine, comma-separated."""
    pg_meta_crypto_keys_retired: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Former secrets shared with pg-meta, comma-separated."""

    @field_validator(
        "redis_crypto_keys_retired",
        "mongodb_crypto_keys_retired",
        "bun_crypto_keys_retired",
        "multi_db_crypto_keys_retired",
        "pg_meta_crypto_keys_retired",
        mode="before",
    )
    @classmethod
    def _split_secrets(cls, value: object) -> object:
        return split_csv(value)

    def key_ring(self, type_: str) -> KeyRing:
        """The keys of one database type: `redis`, `mongodb`, `bun_api` or `postgres`.

        Raises:
            ValueError: no variable holds a secret, or it is a weak one; the sentence names the variable.
        """
        name, current = self._current(type_)
        # Retired ones may be weak: they must still open what they sealed.
        retired = [secret.get_secret_value() for each in _variables(type_) for secret in self._retired(each)]
        try:
            return KeyRing.from_secrets(current, retired)
        except WeakKeyError as error:
            raise ValueError(f"{name.upper()} {error}") from None

    def secrets(self, type_: str) -> list[str]:
        """Every secret that may have sealed values of this type, the current one first: for legacy formats."""
        _, current = self._current(type_)
        others = [getattr(self, name) for name in _variables(type_)]
        values = [current, *(secret.get_secret_value() for secret in others if secret is not None)]
        values += [secret.get_secret_value() for name in _variables(type_) for secret in self._retired(name)]
        return list(dict.fromkeys(values))

    def _current(self, type_: str) -> tuple[str, str]:
        for name in _variables(type_):
            secret = getattr(self, name)
            if secret is not None:
                return name, secret.get_secret_value()
        names = " or ".join(name.upper() for name in _variables(type_))
        raise ValueError(f"{names} must be set: connection strings of {type_} are encrypted with it")

    def _retired(self, name: str) -> tuple[SecretStr, ...]:
        retired: tuple[SecretStr, ...] = getattr(self, name.replace("_crypto_key", "_crypto_keys_retired"))
        return retired


def _variables(type_: str) -> tuple[str, ...]:
    own = {"redis": "redis_crypto_key", "mongodb": "mongodb_crypto_key", "bun_api": "bun_crypto_key"}
    first = (own[type_],) if type_ in own else ()
    return (*first, "multi_db_crypto_key", "pg_meta_crypto_key")


def check_one_name(variable: str, replicas: str, settings: TlsSettings) -> None:
    """Refuses a list of addresses together with mutual TLS: a certificate is for the one name that was dialled.

    Raises:
        ValueError: the sentence names the variable.
    """
    if "," in replicas and settings.service_tls_certificate is not None:
        raise ValueError(
            f"{variable} must be one name where SERVICE_TLS_CERTIFICATE is set: certificates are for it"
        )


def check_origin(value: str) -> str:
    """The URL of a service of this system, when it is a scheme, a host and perhaps a port; without a slash behind.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    parts = urlsplit(value)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or value != f"{parts.scheme}://{parts.netloc}{parts.path}"
        or parts.path not in {"", "/"}
        or parts.port == 0
    ):
        raise ValueError("must be http://host:port or https://host:port, without a path or credentials")
    return value.rstrip("/")


def split_csv(value: object) -> object:
    """`"a, b"` as a tuple; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def load(cls: type[S]) -> S:
    """Reads the settings.

    Raises:
        SystemExit: with a sentence for each variable that is missing or wrong.
    """
    try:
        return cls()
    except ValidationError as error:
        raise SystemExit("\n".join(_sentences(cls, error))) from None
    except SettingsError as error:
        # Of a variable that must be JSON; the text names the field, not the value.
        raise SystemExit(f"configuration: {error}") from None


def _sentences(cls: type[BaseSettings], error: ValidationError) -> list[str]:
    sentences = []
    for each in error.errors(include_input=False, include_url=False, include_context=False):
        variable = str(each["loc"][0]).upper() if each["loc"] else ""
        message = each["msg"].removeprefix("Value error, ")
        if each["type"] == "missing":
            field = cls.model_fields[str(each["loc"][0])]
            about = f": {' '.join(field.description.split())}" if field.description else ""
            message = f"must be set{about}"
        sentences.append(f"configuration: {variable} {message}" if variable else f"configuration: {message}")
    return sentences
