"""APIs behind TLS: the certificate must be for the name and of a trusted authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bun_proxy.harness import Api, Service
from tests.bun_proxy.servers import Once, Recorder
from tests.support.odd_servers import StartServer
from tests.support.tls import Authority

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that the service trusts as it trusts the system's."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    return made


class Secure:
    """A TLS server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.servers: list[asyncio.Server] = []

    async def start(self, context: ssl.SSLContext, name: str = "localhost") -> Api:
        recorder = Recorder(OK)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await recorder.serve(reader, writer)
            except (asyncio.IncompleteReadError, OSError):
                writer.transport.abort()

        self.servers.append(await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
        port = self.servers[-1].sockets[0].getsockname()[1]
        return self._service.api(f"https://{name}:{port}")


@pytest.fixture
async def secure(service: Service) -> AsyncIterator[Secure]:
    made = Secure(service)
    yield made
    for server in made.servers:
        server.close()


async def test_a_certificate_for_the_name_is_accepted(secure: Secure, authority: Authority) -> None:
    api = await secure.start(authority.server_context(authority.issue()))
    for _ in range(2):
        assert (await api.get("/")).content == b"ok"
    await api.http.aclose()


@pytest.mark.parametrize("fault", ["another name", "expired", "unknown authority"])
async def test_any_other_certificate_is_not(
    secure: Secure, authority: Authority, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    issuer = Authority(tmp_path / "other") if fault == "unknown authority" else authority
    hosts = ("other.example.com",) if fault == "another name" else ("localhost", "127.0.0.1")
    certificate = issuer.issue(hosts=hosts, expired=fault == "expired")
    api = await secure.start(issuer.server_context(certificate))
    assert await api.error("GET", "/") == (400, "DB_TLS_FAILED")
    await api.http.aclose()


async def test_a_server_without_tls_is_told_from_one_that_is_down(
    service: Service, start_server: StartServer
) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    api = service.api(f"https://127.0.0.1:{await start_server(serve)}")
    assert await api.error("GET", "/") == (400, "DB_TLS_FAILED")
    await api.http.aclose()


async def test_a_server_that_wants_tls_is_no_http(
    service: Service, authority: Authority, secure: Secure
) -> None:
    https = await secure.start(authority.server_context(authority.issue()))
    port = secure.servers[0].sockets[0].getsockname()[1]
    api = service.api(f"http://127.0.0.1:{port}")
    assert await api.error("GET", "/") in {(503, "DB_CONNECTION_FAILED"), (400, "DB_PROTOCOL_ERROR")}
    await api.http.aclose()
    await https.http.aclose()


async def test_a_handshake_that_stalls_is_given_up(start_server: StartServer) -> None:
    from tests.bun_proxy.harness import running_service  # noqa: PLC0415

    server = Once(then="stay")
    async with running_service(bun_connect_timeout_s=0.3) as service:
        api = service.api(f"https://127.0.0.1:{await start_server(server.serve)}")
        assert await api.error("GET", "/") == (504, "DB_TIMEOUT")
        await api.http.aclose()
