"""What the audit log reads from the environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.registry.audit.chain import ChainKeys
from services.runtime.base_settings import Settings
from services.runtime.settings import SigningSecret, split_csv


class AuditSettings(Settings):
    """The keys of its chain, and how long it is kept."""

    service_token_secret: SigningSecret
    """Signs the tokens by which services of this system know each other."""
    audit_chain_secret: SigningSecret | None = None
    """Signs the audit log; SERVICE_TOKEN_SECRET where it is not set."""
    audit_chain_secrets_retired: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Former secrets that signed it, comma-separated; SERVICE_TOKEN_SECRET, where that was one."""
    audit_retention_days: int = Field(default=365, ge=0, le=36_500)
    """Days that events are kept; 0 keeps them for ever."""

    @field_validator("audit_chain_secrets_retired", mode="before")
    @classmethod
    def _split_chain_secrets(cls, value: object) -> object:
        return split_csv(value)

    def chain_keys(self) -> ChainKeys:
        """The keys of the chain."""
        current = self.audit_chain_secret or self.service_token_secret
        return ChainKeys(
            current.get_secret_value(),
            [secret.get_secret_value() for secret in self.audit_chain_secrets_retired],
        )
