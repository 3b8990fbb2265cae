"""A gateway of the tests' own: real Envoy in front of gRPC servers that answer as a test says.

What is checked here is the gateway, so the services behind it are scripts; the engines' tests run the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import psutil
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from deploy.local import ports, tls
from services.runtime import statuses
from services.runtime.contract import load_contract
from services.runtime.errors import StudioError
from studio.redis.v1 import redis_service_pb2_grpc
from studio.registry.v1 import registry_service_pb2_grpc, resolver_service_pb2_grpc

JWT_SECRET = "a-secret-of-the-gateway-tests-0123456789"
ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30
DATABASE_ID = "6f1de6a0-6d6e-4bd2-9bc0-3dcb4a1f3f6a"

REGISTRY = "studio.registry.v1.RegistryService"
RESOLVER = "studio.registry.v1.ResolverService"
REDIS = "studio.redis.v1.RedisService"
MONGODB = "studio.mongodb.v1.MongoService"

Context = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[Any, Context], Awaitable[Message]]


@dataclass
class Call:
    """One call as a service saw it."""

    method: str
    request: Any
    metadata: Mapping[str, str]
    time_remaining_s: float


@dataclass
class Script:
    """Stands for a generated servicer: every rpc answers what `answers` says under its name."""

    answers: dict[str, Answer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __getattr__(self, method: str) -> Answer:
        if not method[0].isupper():
            raise AttributeError(method)

        async def answer(request: Any, context: Context) -> Message:  # noqa: ANN401  any message
            metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
            self.calls.append(Call(method, request, metadata, context.time_remaining() or -1.0))
            if method not in self.answers:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the test has no answer")
            return await self.answers[method](request, context)

        return answer

    def returns(self, method: str, message: Message, *, metadata: Mapping[str, str] | None = None) -> None:
        """Has an rpc answer with a message, and with initial metadata."""

        async def answer(_request: Any, context: Context) -> Message:  # noqa: ANN401  any message
            if metadata:
                await context.send_initial_metadata(tuple(metadata.items()))
            return message

        self.answers[method] = answer

    def fails(self, method: str, error: StudioError) -> None:
        """Has an rpc fail the way the services do."""

        async def answer(_request: Any, context: Context) -> Message:  # noqa: ANN401  any message
            await context.abort(statuses.code_of(error), error.message, statuses.trailing_metadata(error))
            raise AssertionError

        self.answers[method] = answer

    def hangs(self, method: str) -> None:
        """Has an rpc answer nothing; it ends when its caller gives up."""

        async def answer(_request: Any, _context: Context) -> Message:  # noqa: ANN401  any message
            await asyncio.Event().wait()
            raise AssertionError

        self.answers[method] = answer

    def reset(self) -> None:
        """Forgets answers and calls."""
        self.answers.clear()
        self.calls.clear()


@dataclass
class Service:
    """A gRPC server on a port of its own that can go away and come back."""

    script: Script
    names: tuple[str, ...]
    port: int
    credentials: grpc.ServerCredentials | None = None
    server: grpc.aio.Server | None = None
    health: HealthServicer | None = None

    async def start(self) -> None:
        """Serves, on the same port each time."""
        self.server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        )
        self.health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        for name in self.names:
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if REDIS in self.names:
            redis_service_pb2_grpc.add_RedisServiceServicer_to_server(self.script, self.server)  # type: ignore[arg-type]  # stands for it
        elif MONGODB in self.names:
            self._add_unary("mongodb", set())
        else:
            registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(self.script, self.server)  # type: ignore[arg-type]  # as above
            resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server(self.script, self.server)  # type: ignore[arg-type]  # as above
            self._add_unary("registry", {REGISTRY, RESOLVER})
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            assert self.server.add_insecure_port(address) == self.port
        else:
            assert self.server.add_secure_port(address, self.credentials) == self.port
        await self.server.start()

    def _add_unary(self, area: str, without: set[str]) -> None:
        assert self.server is not None
        for service, handlers in self._unary(area):
            if service not in without:
                generic = grpc.method_handlers_generic_handler(service, handlers)
                self.server.add_generic_rpc_handlers((generic,))

    def _unary(self, area: str) -> Iterator[tuple[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]]:
        """Every service of an area with its rpcs that answer once; requests stay bytes."""
        methods = load_contract().of_area(area)
        for service in sorted({method.service for method in methods}):
            yield (
                service,
                {
                    method.name: grpc.unary_unary_rpc_method_handler(
                        getattr(self.script, method.name),
                        response_serializer=lambda message: message.SerializeToString(),
                    )
                    for method in methods
                    if method.service == service and not method.server_streaming
                },
            )

    async def stop(self) -> None:
        """Stops at once: connections break."""
        if self.server is not None:
            await self.server.stop(None)
            self.server = None


def _is_whole(answer: bytes | bytearray) -> bool:
    head, separator, body = bytes(answer).partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(separator and length and len(body) >= int(length[1]))


@contextlib.asynccontextmanager
async def http_server(body: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """An HTTP server that answers every request with this JSON; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write(head % len(body) + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(condition: Callable[[], bool], *, timeout_s: float = 30) -> None:
    """Returns once the condition holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  what is waited for happens in other processes
            await asyncio.sleep(0.01)


def token(
    role: str = "owner", *, secret: str = JWT_SECRET, expires_in_s: int = 3600, **claims: object
) -> str:
    """A user's token."""
    now = int(time.time())
    payload = {"role": role, "sub": f"{role}@local", "iat": now, "exp": now + expires_in_s, **claims}
    return jwt.encode(payload, secret, algorithm="HS256")


@dataclass
class Gateway:
    """A running `python -m gateway`."""

    port: int
    state: Path
    process: asyncio.subprocess.Process
    output: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{'https' if self._trusted() else 'http'}://127.0.0.1:{self.port}"

    def client(self, *, with_token: bool = True, **options: Any) -> httpx.AsyncClient:  # noqa: ANN401  httpx's own
        headers = {"authorization": f"Bearer {token()}"} if with_token else {}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=30, verify=self._trusted() or True, **options
        )

    def _trusted(self) -> ssl.SSLContext | None:
        """What its clients trust: the certificate that it has now."""
        return tls.client_context(self.environment)

    async def raw(self, data: bytes, *, timeout_s: float = 20) -> bytes:
        """Sends bytes while it reads; returns the answer, or what came of it before the gateway closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        received = bytearray()

        async def receive() -> None:
            with contextlib.suppress(ConnectionError):
                while not _is_whole(received) and (chunk := await reader.read(65536)):
                    received.extend(chunk)

        try:
            writer.write(data)
            async with asyncio.timeout(timeout_s):
                await receive()
        finally:
            writer.transport.abort()
        return bytes(received)

    def access_log(self) -> list[dict[str, Any]]:
        """The requests logged so far."""
        lines = [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == "gateway.request"]

    async def until_logged(self, event: str) -> None:
        """Returns once the gateway has logged this event."""
        await until(lambda: f'"{event}"' in self.output.read_text())

    def envoy_pid(self) -> int:
        """The process that serves."""
        (child,) = psutil.Process(self.process.pid).children()
        return child.pid

    async def wait_ready(self, path: str = "/healthz", status: int = 200) -> None:
        """Returns once `path` answers `status`."""
        async with self.client(with_token=False) as client, asyncio.timeout(START_TIMEOUT_S):
            while True:
                if self.process.returncode is not None:
                    raise AssertionError(self.output.read_text())
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(path)).status_code == status:
                        return
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running_gateway(directory: Path, **environment: str) -> AsyncIterator[Gateway]:
    """Runs a gateway with these variables until the block ends."""
    port = ports.pick()
    state = directory / "state"
    output = directory / "output.log"
    variables = {
        "PATH": os.environ["PATH"],
        # So that the lines it runs are counted.
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_STATE_DIR": str(state),
        "GATEWAY_CONCURRENCY": "1",
        "JWT_SECRET": JWT_SECRET,
        "SHUTDOWN_NOTICE_S": "0",
        **environment,
    }
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", cwd=ROOT, env=variables, stdout=log, stderr=log
        )
    gateway = Gateway(port, state, process, output, variables)
    try:
        await gateway.wait_ready()
        yield gateway
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await process.wait()
