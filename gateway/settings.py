"""What the gateway reads from the environment: one class, each bound and default with its unit.

Says nothing of how Envoy spells an option; `render` and its modules do.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from services.runtime.settings import LogLevel, SigningSecret, SystemSettings, check_origin, split_csv
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Sources

ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](?::\d{1,5})?|\*")
"""What a browser sends as `Origin`: https://www.rfc-editor.org/rfc/rfc6454#section-6.1."""

MAX_PORT = 65535

_Csv = Annotated[tuple[str, ...], NoDecode]


class Address(str):
    """`host:port`, or `[v6]:port`, taken apart."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The host without brackets."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.rpartition(":")[2])


def parse_address(text: str) -> Address:
    """Checks `host:port`.

    Raises:
        ValueError: with a sentence that does not repeat the text.
    """
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", host):
        raise ValueError("must be host:port (an IPv6 address in brackets)")
    if not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"must be host:port with a port from 1 to {MAX_PORT}")
    return Address(text)


def any_interface() -> str:
    """The address that means every interface: `::` (both families) where the host has IPv6.

    Railway's private network is IPv6 only in older environments; some container hosts have no IPv6 at all.
    """
    if not socket.has_ipv6:
        return "0.0.0.0"  # noqa: S104  an HTTP gateway is there to be reached
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return "0.0.0.0"  # noqa: S104  as above
    return "::"


def default_concurrency() -> int:
    """Worker threads: one a processor, at most four. The services are busy long before four workers are."""
    return min(4, os.cpu_count() or 1)


class GatewaySettings(SystemSettings):
    """The gateway's environment: a field is the variable of its upper-case name."""

    gateway_host: str = Field(default_factory=any_interface)
    """Address to listen on; every interface unless set. `127.0.0.1` keeps it on this machine."""
    gateway_port: int = Field(
        default=8000, ge=1, le=MAX_PORT, validation_alias=AliasChoices("GATEWAY_PORT", "PORT")
    )
    """Port to listen on; `PORT` (which platforms set) where `GATEWAY_PORT` is not."""
    gateway_trusted_hops: int = Field(default=0, ge=0, le=16)
    """Proxies before the gateway, such as a load balancer: each adds the address it sees to `X-Forwarded-For`."""
    gateway_concurrency: int = Field(default_factory=default_concurrency, ge=1, le=128)
    """Envoy's worker threads."""
    gateway_state_dir: Path | None = None
    """Directory for the rendered configuration and the admin socket; a private temporary one unless set."""
    admin_address: Address | None = None
    """Loopback `host:port` of Envoy's admin interface; without it, it is a socket in the state directory."""
    gateway_metrics_address: Address | None = None
    """`host:port` where Prometheus reads `/metrics`; bind it to a private address. Nowhere unless set."""
    envoy_binary: Path | None = None
    """Path of Envoy; otherwise beside this Python, then on PATH."""
    log_level: LogLevel = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    gateway_tls_certificate: Path | None = None
    """PEM file of the certificate that clients are shown, the chain behind it; without it clients speak plain HTTP."""
    gateway_tls_key: Path | None = None
    """PEM file of that certificate's private key."""
    gateway_hsts_max_age_s: int = Field(default=365 * 24 * 3600, ge=0, le=2**31 - 1)
    """With TLS: seconds for which browsers shall come by https only (Strict-Transport-Security); 0 does not say so."""

    registry_address: Annotated[tuple[Address, ...], NoDecode] = (Address("127.0.0.1:50051"),)
    """gRPC addresses of the registry's processes, comma-separated."""
    redis_svc_address: Annotated[tuple[Address, ...], NoDecode] = ()
    """gRPC addresses of redis_svc; none switches Redis off."""
    mongo_svc_address: Annotated[tuple[Address, ...], NoDecode] = ()
    """gRPC addresses of mongo_svc; none switches MongoDB off."""
    bun_proxy_address: Annotated[tuple[Address, ...], NoDecode] = ()
    """gRPC addresses of bun_proxy; none switches Bun APIs off."""
    bun_proxy_http_address: Annotated[tuple[Address, ...], NoDecode] = ()
    """Addresses of bun_proxy for requests that it forwards; none switches forwarding off."""
    pg_meta_url: str | None = None
    """Where pg-meta is: `http://host:port`; without it there is no PostgreSQL. Needs SERVICE_TOKEN_SECRET."""
    service_token_secret: SigningSecret | None = None
    """By which services of this system know each other: the registry decides about requests to pg-meta."""
    enable_redis_management: bool = True
    """False switches Redis off, address or not."""
    enable_mongodb_management: bool = True
    """False switches MongoDB off, address or not."""
    enable_bun_api_management: bool = True
    """False switches Bun APIs off, address or not."""

    jwt_secret: SigningSecret | None = None
    """HS256 secret of user tokens: Supabase's `JWT_SECRET`."""
    jwt_jwks_url: str | None = None
    """JWKS with the public keys of user tokens."""
    cors_allow_origins: _Csv = ()
    """Origins (`https://studio.example.com`) whose pages may call the API; `*` for any. None by default."""

    console_dir: Path | None = None
    """A build of console/: the web pages. Without it there are none."""

    gateway_request_timeout_s: float = Field(default=15.0, gt=0, le=600)
    """Deadline of an rpc that is no stream."""
    gateway_max_request_bytes: int = Field(default=16 * 2**20, ge=1024, le=2**30)
    """Largest request body; a larger one is answered with 413."""
    gateway_max_response_bytes: int = Field(default=64 * 2**20, ge=1024, le=2**31 - 1)
    """Largest answer of a single rpc; it is held in memory while it is turned into JSON."""
    gateway_pg_meta_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Deadline of a request to pg-meta, which itself gives a query 55 s."""
    gateway_pg_meta_max_request_bytes: int = Field(default=3 * 2**20, ge=1024, le=2**24)
    """Largest request body for pg-meta, which itself takes 3 MiB; a larger one is answered with 413."""
    gateway_max_connections: int = Field(default=4096, ge=1)
    """Client connections at a time, over all workers; one more is closed at once."""
    gateway_max_requests_per_service: int = Field(default=512, ge=1)
    """Requests a service works on at a time; one more is answered with 429."""
    gateway_rate_per_address: int = Field(default=5000, ge=0, le=2**30)
    """Requests a second from one address (of IPv6: from one /64), twice as many at once; one more is 429. 0 for any."""
    gateway_rate_per_caller: int = Field(default=5000, ge=0, le=2**30)
    """The same with one token, API key or session."""
    gateway_max_refused_per_address: int = Field(default=100, ge=0, le=2**30)
    """Refused credentials of one address, one forgotten every 3 s; one more is 429 in place of 401. 0 for any."""
    gateway_max_heap_bytes: int = Field(default=2**30, ge=64 * 2**20)
    """Envoy's memory: above 90 % it frees caches, above 95 % it answers new requests with 503."""
    gateway_drain_s: float = Field(default=10.0, ge=0, le=600)
    """Seconds that running requests have to finish after SIGTERM."""

    @field_validator(
        "registry_address",
        "redis_svc_address",
        "mongo_svc_address",
        "bun_proxy_address",
        "bun_proxy_http_address",
        mode="before",
    )
    @classmethod
    def _parse_addresses(cls, value: object) -> object:
        parts = split_csv(value)
        if isinstance(parts, tuple):
            return tuple(part if isinstance(part, Address) else parse_address(str(part)) for part in parts)
        return parts

    @field_validator("admin_address", mode="before")
    @classmethod
    def _only_loopback(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        address = parse_address(value)
        # Whoever reaches the admin interface can stop Envoy and read its whole configuration.
        if address.host not in {"127.0.0.1", "::1"}:
            raise ValueError("must be a loopback address: 127.0.0.1:port or [::1]:port")
        return address

    @field_validator("gateway_metrics_address", mode="before")
    @classmethod
    def _to_listen_on(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        address = parse_address(value)
        return Address(f"127.0.0.1:{address.port}" if address.host == "localhost" else value)

    @field_validator("gateway_host")
    @classmethod
    def _ip(cls, value: str) -> str:
        # Envoy binds addresses, it does not look names up.
        text = {"localhost": "127.0.0.1"}.get(value, value.strip("[]"))
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, text)
            except OSError:
                continue
            return text
        raise ValueError("must be an IP address to listen on")

    @field_validator("jwt_jwks_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise ValueError("must be an http or https URL without credentials")
        return value

    @field_validator("pg_meta_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        return None if value is None else check_origin(value)

    @field_validator("cors_allow_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_csv(value)

    @field_validator("cors_allow_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ORIGIN.fullmatch(origin) for origin in value):
            raise ValueError("must be origins, comma-separated: https://studio.example.com, without a path")
        return value

    @model_validator(mode="after")
    def _usable_own_certificate(self) -> GatewaySettings:
        self.gateway_tls()
        return self

    def gateway_tls(self) -> CertificateFiles | None:
        """What clients are shown; None for plain HTTP.

        Raises:
            ValueError: it can't be used; the sentence names the variable.
        """
        if self.gateway_tls_certificate and self.gateway_tls_key:
            return CertificateFiles(
                Sources("GATEWAY_TLS", self.gateway_tls_certificate, self.gateway_tls_key)
            )
        if self.gateway_tls_certificate or self.gateway_tls_key:
            raise ValueError("GATEWAY_TLS_CERTIFICATE and GATEWAY_TLS_KEY must be set together")
        return None

    @model_validator(mode="after")
    def _some_key_for_users(self) -> GatewaySettings:
        if self.jwt_secret is None and self.jwt_jwks_url is None:
            raise ValueError("JWT_SECRET or JWT_JWKS_URL must be set: without one no user can sign in")
        return self

    @model_validator(mode="after")
    def _is_known_to_the_registry(self) -> GatewaySettings:
        if self.pg_meta_url is not None and self.service_token_secret is None:
            raise ValueError(
                "SERVICE_TOKEN_SECRET must be set with PG_META_URL: the registry decides about each request"
            )
        return self
