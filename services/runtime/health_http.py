"""`/healthz` and `/metrics` over HTTP, for orchestrators and Prometheus. Bind it to a private address."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from services.runtime.logs import get_logger

REQUEST_TIMEOUT_S = 5
"""Seconds for which a client may be silent."""
MAX_CONNECTIONS = 16
"""Clients served at a time; one more is hung up on. A single one would let a silent client block every probe."""
POLL_S = 0.05

log = get_logger(__name__)


class HealthServer:
    """Serves in threads of its own, so that it answers while the event loop is busy.

    Args:
        address: `host:port`; port 0 picks a free one.
        is_ready: whether the service takes calls.
    """

    def __init__(self, address: str, is_ready: Callable[[], bool]) -> None:
        host, _, port = address.rpartition(":")
        self._server = _Server(host.strip("[]"), int(port), _handler(is_ready))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="health", daemon=True
        )
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


class _Server(ThreadingMixIn, TCPServer):
    """Not `http.server`'s own, which looks up the host's name before it binds: seconds, where DNS is slow."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2 * MAX_CONNECTIONS
    block_on_close = False  # a silent client must not hold up the end of the process

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  socketserver's signature
        """To the log: socketserver would print to standard error."""
        log.warning("health.request_failed", exc_info=sys.exc_info())


def _handler(is_ready: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz":
                ready = is_ready()
                status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", b"ok\n" if ready else b"not ready\n")
            elif path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

        do_HEAD = do_GET  # noqa: N815  http.server's name

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            """Probes every few seconds are no news."""

    return Handler
