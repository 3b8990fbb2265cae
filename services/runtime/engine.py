"""What every service of an engine does with registered connections: finds them, keeps clients, records, cleans up."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeVar

from services.runtime.audit.shipper import to_registry
from services.runtime.engine_settings import ConnectingSettings
from services.runtime.resolver import Connection, Resolver

if TYPE_CHECKING:
    from services.runtime.pool import ClientPool
    from services.runtime.server import Runtime

SettingsT = TypeVar("SettingsT", bound=ConnectingSettings)
ClientT = TypeVar("ClientT")


@contextlib.asynccontextmanager
async def connections(
    runtime: Runtime[SettingsT],
    pool: ClientPool[Connection, ClientT],
    *,
    on_gone: Callable[[str], None] | None = None,
) -> AsyncIterator[Resolver]:
    """Knows the registered connections while the block runs; its end closes their clients.

    What is recorded of calls goes to the registry meanwhile, with the databases' names.

    Args:
        runtime: of the service, whose settings say where the registry is and which type of connection is served.
        pool: keeps the clients; one whose connection is gone or changed is discarded.
        on_gone: told of such a database's id as well. Not before the block has reached its first `await`.
    """

    def gone(database_id: str) -> None:
        pool.discard(database_id)
        if on_gone is not None:
            on_gone(database_id)

    settings = runtime.settings
    resolver = Resolver(
        type_=settings.connection_type,
        address=settings.registry_target,
        tokens=runtime.service_tokens,
        keys=settings.keys(),
        on_gone=gone,
        rights=runtime.rights,
    )
    runtime.audit.describe = resolver.describe
    try:
        async with to_registry(
            runtime.audit, settings.registry_target, runtime.service_tokens, runtime.background
        ):
            runtime.background("resolver.watch", resolver.watch)
            runtime.background("pool.idle", pool.run)
            yield resolver
    finally:
        await pool.aclose()
        await resolver.aclose()
