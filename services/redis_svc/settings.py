"""What the Redis service reads from the environment."""

from __future__ import annotations

import dataclasses

from pydantic import Field

from services.redis_svc.limits import DEFAULTS, Limits
from services.runtime.engine_settings import ConnectingSettings

TYPE = "redis"
"""The type of database this service serves, as the registry names it."""


class Settings(ConnectingSettings):
    """Settings of the Redis service."""

    connection_type = TYPE

    grpc_address: str = "[::]:50052"
    """Where the service listens for gRPC."""
    http_address: str = "[::]:9052"
    """Where `/healthz` and `/metrics` are served."""
    redis_max_connections: int = Field(default=10, ge=1)
    """Registered Redis databases with an open client at a time; the one unused for the longest makes room."""
    redis_connect_timeout_s: float = Field(default=DEFAULTS.connect_timeout_s, gt=0, le=60)
    """Seconds to connect and log in."""
    redis_command_timeout_s: float = Field(default=DEFAULTS.command_timeout_s, gt=0, le=60)
    """Seconds that a command may take."""
    redis_allow_unix_sockets: bool = False
    """Whether registered databases may be Unix sockets of this host."""

    def limits(self) -> Limits:
        """The engine's bounds."""
        return dataclasses.replace(
            DEFAULTS,
            connect_timeout_s=self.redis_connect_timeout_s,
            command_timeout_s=self.redis_command_timeout_s,
        )
