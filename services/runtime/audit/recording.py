"""Puts the record of an engine's service together: names by its resolver, events to the registry."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar

from services.runtime.audit.shipper import to_registry
from services.runtime.settings import EngineSettings

if TYPE_CHECKING:
    from services.runtime.resolver import Resolver
    from services.runtime.server import Runtime

SettingsT = TypeVar("SettingsT", bound=EngineSettings)


@contextlib.asynccontextmanager
async def recorded(runtime: Runtime[SettingsT], resolver: Resolver) -> AsyncIterator[None]:
    """Ships the events of an engine's service while the block runs."""
    runtime.audit.describe = resolver.describe
    address = runtime.settings.registry_address
    async with to_registry(runtime.audit, address, runtime.service_tokens, runtime.background):
        yield
