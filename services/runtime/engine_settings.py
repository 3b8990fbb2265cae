"""What the settings of every service that opens connections of one type have: its keys, and where it may dial."""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator

from services.runtime.addresses import AddressPolicy
from services.runtime.crypto import KeyRing
from services.runtime.settings import CryptoSettings, EngineSettings


class ConnectingSettings(EngineSettings, CryptoSettings):
    """Base of those settings."""

    connection_type: ClassVar[str]
    """The type of database that the service serves, as the registry names it."""

    @model_validator(mode="after")
    def _usable(self) -> ConnectingSettings:
        # Raises ValueError with a sentence: the start stops there, not at the first call.
        self.keys()
        return self

    def keys(self) -> KeyRing:
        """The keys that open the connection strings of this type."""
        return self.key_ring(self.connection_type)

    def address_policy(self) -> AddressPolicy:
        """Which addresses may be dialled."""
        return AddressPolicy(self.outbound_deny, self.outbound_allow)
