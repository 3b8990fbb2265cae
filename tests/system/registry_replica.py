"""A system whose registry checks often and caches lists, and a second registry beside it on the same database."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from deploy.local.options import LOOPBACK
from services.registry.settings import Settings
from tests.registry.harness import Registry, running_registry
from tests.support.local_system import LocalSystem

OLD_KEY = "the-former-key-of-the-tests-0123456789"
INTERVAL_S = 0.2


@contextlib.contextmanager
def tuned_system(cache_url: str) -> Iterator[LocalSystem]:
    """Starts it. Its keys have been rotated: rows sealed by OLD_KEY still open."""
    running = LocalSystem(
        Path(tempfile.mkdtemp(prefix="studio-system-")),
        environment={
            "HEALTH_INTERVAL_S": str(INTERVAL_S),
            "HEALTH_IDLE_INTERVAL_S": str(INTERVAL_S),
            "REGISTRY_CACHE_URL": cache_url,
            "MULTI_DB_CRYPTO_KEYS_RETIRED": OLD_KEY,
        },
    )
    try:
        running.open()
        yield running
    finally:
        running.close()


@contextlib.asynccontextmanager
async def second_registry(system: LocalSystem, cache_url: str) -> AsyncIterator[Registry]:
    """Runs another registry in this process, with the settings of the system's own."""
    configuration = Settings.model_validate(
        {
            "grpc_address": f"{LOOPBACK}:0",
            "http_address": f"{LOOPBACK}:0",
            "jwt_secret": system.secret("JWT_SECRET"),
            "service_token_secret": system.secret("SERVICE_TOKEN_SECRET"),
            "multi_db_crypto_key": system.secret("MULTI_DB_CRYPTO_KEY"),
            "database_url": system.engines["postgres"],
            "redis_svc_address": system.address("redis_svc"),
            "registry_cache_url": cache_url,
            "health_interval_s": INTERVAL_S,
            "health_idle_interval_s": INTERVAL_S,
        }
    )
    async with running_registry(configuration) as running:
        running.as_user = (("authorization", f"Bearer {system.token('owner')}"),)
        yield running
