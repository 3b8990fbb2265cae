"""What the Bun API service reads from the environment."""

from __future__ import annotations

import dataclasses

from pydantic import Field, field_validator

from services.bun_proxy.limits import DEFAULTS, Limits
from services.runtime.discovery import check_address
from services.runtime.engine_settings import ConnectingSettings

TYPE = "bun_api"
"""The type of database this service serves, as the registry names it."""


class Settings(ConnectingSettings):
    """Settings of the Bun API service."""

    connection_type = TYPE

    grpc_address: str = "[::]:50054"
    """Where the service listens for gRPC."""
    http_address: str = "[::]:9054"
    """Where `/healthz` and `/metrics` are served."""
    proxy_address: str = "[::]:8054"
    """Where requests that are to be forwarded arrive."""
    bun_max_requests: int = Field(default=1000, ge=1)
    """Requests forwarded at a time; one more is refused with RESOURCE_EXHAUSTED."""
    bun_max_requests_per_api: int = Field(default=DEFAULTS.max_running, ge=1, le=1000)
    """Requests to one API at a time; one more is refused with RESOURCE_EXHAUSTED."""
    bun_connect_timeout_s: float = Field(default=DEFAULTS.connect_timeout_s, gt=0, le=60)
    """Seconds to connect to an API."""
    bun_answer_timeout_s: float = Field(
        default=DEFAULTS.answer_timeout_s, gt=0, le=DEFAULTS.longest_timeout_s
    )
    """Seconds that an API has for the headers of its answer."""
    bun_idle_timeout_s: float = Field(default=DEFAULTS.idle_timeout_s, gt=0, le=DEFAULTS.longest_timeout_s)
    """Seconds without a byte in either direction after which a request is given up."""
    bun_max_request_bytes: int = Field(default=0, ge=0)
    """Largest body of a request that is forwarded; 0 for any."""
    bun_max_response_bytes: int = Field(default=0, ge=0)
    """Largest body of an answer that is forwarded; 0 for any."""

    @field_validator("proxy_address")
    @classmethod
    def _proxy_address(cls, value: str) -> str:
        return check_address(value)

    def limits(self) -> Limits:
        """The bounds."""
        return dataclasses.replace(
            DEFAULTS,
            connect_timeout_s=self.bun_connect_timeout_s,
            answer_timeout_s=self.bun_answer_timeout_s,
            idle_timeout_s=self.bun_idle_timeout_s,
            max_running=self.bun_max_requests_per_api,
            max_request_bytes=self.bun_max_request_bytes,
            max_response_bytes=self.bun_max_response_bytes,
        )
