"""The Bun API service in this process, beside a registry that holds what a test gives it; and raw HTTP over sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from services.bun_proxy.app import open_app
from services.bun_proxy.settings import TYPE, Settings
from tests.support.engine_service import Registry, as_user, running_engine
from tests.support.odd_servers import unused_port

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Reading the system's for each client, of which none uses TLS, would take most of the tests' time."""


@dataclass
class Service:
    """A running service and its callers."""

    grpc_port: int
    port: int
    """Of the data plane."""
    registry: Registry

    def client(self, role: str = "owner", **options: Any) -> httpx.AsyncClient:  # noqa: ANN401  httpx's own
        """A caller that the gateway would let through."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers=dict(as_user(role)),
            timeout=30,
            verify=NO_AUTHORITIES,
            **options,
        )

    def api(self, target: str, config: dict[str, object] | None = None, *, role: str = "owner") -> Api:
        """Registers a base URL and calls it."""
        return Api(self, self.registry.register(target, config=config), self.client(role))

    async def raw(self, data: bytes) -> Raw:
        """A connection on which bytes are sent as they are."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return Raw(reader, writer)


@dataclass
class Api:
    """One registered API and a caller of it."""

    service: Service
    id: str
    http: httpx.AsyncClient

    @property
    def prefix(self) -> str:
        """The path before the API's own."""
        return f"/api/platform/bun/{self.id}/proxy"

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx's own
        """What the API answers, or the proxy for it."""
        return await self.http.request(method, self.prefix + path, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx's own
        """As `call`."""
        return await self.call("GET", path, **options)

    async def error(self, method: str, path: str, **options: Any) -> tuple[int, str]:  # noqa: ANN401  httpx's own
        """Status and error code of a call that the proxy must fail."""
        answer = await self.call(method, path, **options)
        body = answer.json()
        assert body["message"] == body["error"]["message"]
        assert body["message"]
        return answer.status_code, str(body["error_code"])

    def head(self, method: str = "GET", path: str = "/", *more: bytes) -> bytes:
        """The head of a request, to be sent raw."""
        token = dict(as_user())["authorization"]
        lines = (f"{method} {self.prefix}{path} HTTP/1.1", "host: gateway", f"authorization: {token}")
        return b"\r\n".join([*(line.encode() for line in lines), *more, b"", b""])


@dataclass
class Raw:
    """A connection of bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> bytes:
        """The head of the answer."""
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """Everything until the connection ends."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read()
        finally:
            self.close()

    def close(self) -> None:
        """Goes away at once."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def running_service(**settings: object) -> AsyncIterator[Service]:
    """Runs a registry and the service; stops both at the end."""
    port = unused_port()
    variables = {"proxy_address": f"127.0.0.1:{port}", **settings}
    async with running_engine("bun_proxy", TYPE, Settings, open_app, **variables) as (grpc_port, registry):
        yield Service(grpc_port, port, registry)
