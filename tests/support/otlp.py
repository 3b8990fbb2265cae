"""A collector of traces: takes OTLP over HTTP as OpenTelemetry's protocol defines it, in a thread of this process.

Bodies are kept as they came, in a file that is searched for secrets with everything else a system writes.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

MAX_TRACES = 2000
"""Whose spans are kept to be asked for; the oldest go first."""
MAX_FILE_BYTES = 512 << 20
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Span:
    """What a test looks at of one."""

    service: str
    name: str
    kind: int
    id: str
    parent: str
    attributes: dict[str, object]
    failed: bool


class Collector:
    """Listens on a free port of loopback.

    Args:
        file: to which bodies are appended.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._traces: OrderedDict[str, list[Span]] = OrderedDict()
        self._lock = threading.Lock()
        self.headers: list[dict[str, str]] = []
        """Of the last requests."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """For `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """Keeps what a process exports."""
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.headers = [*self.headers[-20:], headers]
            with self._file.open("ab") as file:
                assert file.tell() < MAX_FILE_BYTES, "more is traced than tests have to say"
                file.write(body)
            for resource in request.resource_spans:
                service = str(_attributes(resource.resource.attributes).get("service.name"))
                for scope in resource.scope_spans:
                    for each in scope.spans:
                        span = Span(
                            service=service,
                            name=each.name,
                            kind=each.kind,
                            id=each.span_id.hex(),
                            parent=each.parent_span_id.hex(),
                            attributes=_attributes(each.attributes),
                            failed=each.status.code == each.status.STATUS_CODE_ERROR,
                        )
                        self._traces.setdefault(each.trace_id.hex(), []).append(span)
            while len(self._traces) > MAX_TRACES:
                self._traces.popitem(last=False)

    def spans(self, trace_id: str) -> list[Span]:
        """What has come of a trace so far."""
        with self._lock:
            return list(self._traces.get(trace_id, ()))

    def wait_for(self, trace_id: str, *services: str) -> list[Span]:
        """The spans of a trace, once each of these services has sent one."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            found = self.spans(trace_id)
            if {span.service for span in found} >= set(services):
                return found
            assert time.monotonic() < deadline, f"of {services} only {found} came"
            time.sleep(0.1)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = TIMEOUT_S

        def do_POST(self) -> None:
            body = self._body()
            assert self.path == "/v1/traces", self.path
            assert self.headers["content-type"] == "application/x-protobuf"
            collector.take(body, {name.lower(): value for name, value in self.headers.items()})
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def _body(self) -> bytes:
            if self.headers["transfer-encoding"] != "chunked":
                return self.rfile.read(int(self.headers["content-length"]))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            """Nobody reads it."""

    return Handler


def _attributes(pairs: object) -> dict[str, object]:
    return {each.key: _value(each.value) for each in pairs}  # type: ignore[attr-defined]  # generated


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
