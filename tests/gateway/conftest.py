"""One gateway and its scripted services for all tests of this directory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from deploy.local import ports
from tests.gateway.harness import (
    MONGODB,
    REDIS,
    REGISTRY,
    Gateway,
    Script,
    Service,
    running_gateway,
)


@pytest.fixture(scope="session")
async def services() -> AsyncIterator[dict[str, Service]]:
    found = {
        "registry": Service(Script(), (REGISTRY,), ports.pick()),
        "redis": Service(Script(), (REDIS,), ports.pick()),
        "mongodb": Service(Script(), (MONGODB,), ports.pick()),
    }
    for service in found.values():
        await service.start()
    yield found
    for service in found.values():
        await service.stop()


@pytest.fixture(scope="session")
async def gateway(
    services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        REDIS_SVC_ADDRESS=f"127.0.0.1:{services['redis'].port}",
        MONGO_SVC_ADDRESS=f"127.0.0.1:{services['mongodb'].port}",
        CORS_ALLOW_ORIGINS="https://studio.example.com",
        GATEWAY_REQUEST_TIMEOUT_S="2",
        GATEWAY_MAX_RESPONSE_BYTES=str(64 * 2**20),
    ) as running:
        await running.wait_ready("/readyz")
        yield running


@pytest.fixture
def redis(services: dict[str, Service]) -> Iterator[Script]:
    services["redis"].script.reset()
    yield services["redis"].script
    services["redis"].script.reset()


@pytest.fixture
def mongodb_script(services: dict[str, Service]) -> Iterator[Script]:
    services["mongodb"].script.reset()
    yield services["mongodb"].script
    services["mongodb"].script.reset()


@pytest.fixture
def registry(services: dict[str, Service]) -> Iterator[Script]:
    services["registry"].script.reset()
    yield services["registry"].script
    services["registry"].script.reset()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as found:
        yield found
