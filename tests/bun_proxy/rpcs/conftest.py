"""Callers of the service's rpcs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from tests.bun_proxy.harness import Api, Service
from tests.bun_proxy.rpcs.control import Control, Register


@pytest.fixture(scope="session")
async def channel(service: Service) -> AsyncIterator[grpc.aio.Channel]:
    """To the service."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as opened:
        yield opened


@pytest.fixture
def register(service: Service, channel: grpc.aio.Channel) -> Register:
    """Registers a base URL, or changes one."""

    def register_(url: str, config: dict[str, object] | None = None, database_id: str = "", /) -> Control:
        return Control(channel, service.registry.register(url, database_id, config))

    return register_


@pytest.fixture
def control(bun: Api, channel: grpc.aio.Channel) -> Control:
    """A caller of the sample Bun API's rpcs."""
    return Control(channel, bun.id)
