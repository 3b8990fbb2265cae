"""What the MongoDB service reads from the environment."""

from __future__ import annotations

import dataclasses

from pydantic import DirectoryPath, Field

from services.mongo_svc.limits import DEFAULTS, Limits
from services.runtime.engine_settings import ConnectingSettings

TYPE = "mongodb"
"""The type of database this service serves, as the registry names it."""


class Settings(ConnectingSettings):
    """Settings of the MongoDB service."""

    connection_type = TYPE

    grpc_address: str = "[::]:50053"
    """Where the service listens for gRPC."""
    http_address: str = "[::]:9053"
    """Where `/healthz` and `/metrics` are served."""
    mongodb_max_pool_size: int = Field(default=10, ge=1)
    """Registered MongoDB databases with an open client at a time; the one unused for the longest makes room."""
    mongodb_connections_per_server: int = Field(default=DEFAULTS.max_pool_size, ge=1, le=500)
    """Connections of one client to each of its servers; connection strings may ask for fewer (`maxPoolSize`)."""
    mongodb_connect_timeout_s: float = Field(default=DEFAULTS.connect_timeout_s, gt=0, le=60)
    """Seconds to find a server, connect and log in."""
    mongodb_command_timeout_s: float = Field(default=DEFAULTS.command_timeout_s, gt=0, le=60)
    """Seconds that the server may work on a command when the caller doesn't say."""
    mongodb_allow_unix_sockets: bool = False
    """Whether registered databases may be Unix sockets of this host."""
    mongodb_tls_directory: DirectoryPath | None = None
    """Directory of the certificates that connection strings may name (`tlsCAFile` and others); none by default."""

    def limits(self) -> Limits:
        """The engine's bounds."""
        return dataclasses.replace(
            DEFAULTS,
            connect_timeout_s=self.mongodb_connect_timeout_s,
            command_timeout_s=self.mongodb_command_timeout_s,
            max_pool_size=self.mongodb_connections_per_server,
        )
