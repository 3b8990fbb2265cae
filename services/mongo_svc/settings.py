"""What the MongoDB service reads from the environment."""

from __future__ import annotations

import dataclasses

from pydantic import DirectoryPath, Field, model_validator

from services.mongo_svc.limits import DEFAULTS, Limits
from services.runtime.addresses import AddressPolicy
from services.runtime.crypto import KeyRing
from services.runtime.settings import CryptoSettings, EngineSettings

TYPE = "mongodb"
"""The type of database this service serves, as the registry names it."""


class Settings(EngineSettings, CryptoSettings):
    """Settings of the MongoDB service."""

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

    @model_validator(mode="after")
    def _usable(self) -> Settings:
        # Raises ValueError with a sentence: the start stops there, not at the first call.
        self.keys()
        return self

    def keys(self) -> KeyRing:
        """The keys that open connection strings of MongoDB."""
        return self.key_ring(TYPE)

    def address_policy(self) -> AddressPolicy:
        """Which addresses may be dialled."""
        return AddressPolicy(self.outbound_deny, self.outbound_allow)

    def limits(self) -> Limits:
        """The engine's bounds."""
        return dataclasses.replace(
            DEFAULTS,
            connect_timeout_s=self.mongodb_connect_timeout_s,
            command_timeout_s=self.mongodb_command_timeout_s,
            max_pool_size=self.mongodb_connections_per_server,
        )
