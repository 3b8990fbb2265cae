"""The service, and what it talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.bun_proxy.harness import Api, Service, running_service
from tests.support.engines import BunServer
from tests.support.odd_servers import StartServer, odd_servers


@pytest.fixture(scope="session")
async def service() -> AsyncIterator[Service]:
    """One service for all tests: what is registered with it is a test's own."""
    async with running_service() as running:
        yield running


@pytest.fixture
async def bun(service: Service, bun_server: BunServer) -> AsyncIterator[Api]:
    """The sample Bun API, registered with its key."""
    api = service.api(f"http://:{bun_server.key}@127.0.0.1:{bun_server.port}")
    async with api.http:
        yield api


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """Servers that break HTTP as a test wants."""
    async with odd_servers() as start:
        yield start
