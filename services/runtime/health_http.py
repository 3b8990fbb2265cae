"""`/healthz` and `/metrics` over HTTP, for orchestrators and Prometheus. Bind it to a private address."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import AF_INET, AF_INET6

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

REQUEST_TIMEOUT_S = 5


class HealthServer:
    """Serves in a thread of its own, so that it answers while the event loop is busy.

    Args:
        address: `host:port`; port 0 picks a free one.
        is_ready: whether the service takes calls.
    """

    def __init__(self, address: str, is_ready: Callable[[], bool]) -> None:
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        server_class = _Server6 if ":" in host else _Server4
        self._server = server_class((host, int(port)), _handler(is_ready))
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server4(HTTPServer):
    address_family = AF_INET


class _Server6(HTTPServer):
    address_family = AF_INET6


def _handler(is_ready: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            if self.path == "/healthz":
                ready = is_ready()
                self._answer(200 if ready else 503, "text/plain", b"ok\n" if ready else b"not ready\n")
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
            else:
                self._answer(404, "text/plain", b"not found\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            """Probes every few seconds are no news."""

    return Handler
