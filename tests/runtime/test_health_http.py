"""The probes answer whatever their clients do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from services.runtime import health_http
from services.runtime.health_http import HealthServer
from tests.runtime.conftest import Output


@pytest.fixture
def ready() -> list[bool]:
    return [True]


@pytest.fixture
def server(ready: list[bool]) -> Iterator[HealthServer]:
    made = HealthServer("127.0.0.1:0", lambda: ready[0])
    yield made
    made.close()


def status(server: HealthServer, path: str = "/healthz") -> int:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", timeout=10).status_code


def test_ready_or_not(server: HealthServer, ready: list[bool]) -> None:
    assert status(server) == 200
    ready[0] = False
    assert status(server) == 503


def test_a_silent_client_does_not_keep_others_waiting(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: x")
        assert status(server) == 200


def test_more_clients_than_threads_are_hung_up_on(
    server: HealthServer,
) -> None:
    silent = [
        socket.create_connection(("127.0.0.1", server.port)) for _ in range(health_http.MAX_CONNECTIONS)
    ]
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as refused:
            assert refused.recv(1) == b"", "closed at once"
    finally:
        for each in silent:
            each.close()


def test_an_error_while_answering_goes_to_the_log(output: Output, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> bool:
        raise RuntimeError("at redis://u:canary@h")

    failing = HealthServer("127.0.0.1:0", fail)
    with pytest.raises(httpx.HTTPError):
        status(failing)
    failing.close()
    assert output.of("health.request_failed")
    assert "canary" not in output.text
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("request_", [b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n"])
def test_garbage_is_answered_and_survived(server: HealthServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request_)
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert b"Error code: 400" in answer or b"Error code: 505" in answer
    assert status(server) == 200
