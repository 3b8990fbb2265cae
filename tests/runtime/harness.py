"""A real service on a free loopback port, whose handlers a test supplies."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from pydantic import SecretStr

from services.runtime import server
from services.runtime.access import Registered, Role
from services.runtime.auth.service_tokens import ServiceTokens
from services.runtime.contract import Method
from services.runtime.rights import Find
from services.runtime.server import Runtime, Servicer
from services.runtime.settings import ServiceSettings
from studio.redis.v1 import redis_service_pb2 as redis
from studio.redis.v1.redis_service_pb2_grpc import (
    RedisServiceServicer,
    RedisServiceStub,
    add_RedisServiceServicer_to_server,
)
from studio.registry.v1 import resolver_service_pb2 as resolving
from studio.registry.v1.resolver_service_pb2_grpc import (
    ResolverServiceServicer,
    add_ResolverServiceServicer_to_server,
)

JWT_SECRET = "user-secret-0123456789-abcdefghijkl"
SERVICE_SECRET = "service-secret-0123456789-abcdefghi"
UUID = "6f1c1c7e-3d0b-4b0e-9a75-0d5a3a1b2c3d"

Metadata = tuple[tuple[str, str], ...]
Answer = Callable[[Message, grpc.aio.ServicerContext[Any, Any]], Awaitable[None]]


def settings(**changes: object) -> ServiceSettings:
    values: dict[str, Any] = {
        "grpc_address": "127.0.0.1:0",
        "http_address": "127.0.0.1:0",
        "jwt_secret": JWT_SECRET,
        "service_token_secret": SERVICE_SECRET,
        "shutdown_grace_s": 5.0,
    }
    return ServiceSettings(**{**values, **changes})


def token(
    role: str | None = "owner", *, secret: str = JWT_SECRET, algorithm: str = "HS256", **claims: object
) -> str:
    """A user's token; a claim given as None is left out."""
    all_claims = {"role": role, "sub": "somebody", "exp": int(time.time()) + 4 * 3600, **claims}
    kept = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm)


def encoded(part: bytes | dict[str, object]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(
    header: bytes | dict[str, object], payload: bytes | dict[str, object], secret: str | bytes = JWT_SECRET
) -> str:
    """A token made by hand, rightly signed whatever stands in it."""
    text = f"{encoded(header)}.{encoded(payload)}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{text}.{encoded(hmac.digest(key, text.encode(), hashlib.sha256))}"


def service_tokens(name: str = "tests") -> ServiceTokens:
    return ServiceTokens(name, SecretStr(SERVICE_SECRET))


def bearer(value: str) -> Metadata:
    return (("authorization", f"Bearer {value}"),)


OWNER = bearer(token())


class Redis(RedisServiceServicer):
    """GetStatus does what the test says; GetValue answers; the rest stays as generated."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer
        self.reached: list[str] = []

    async def GetStatus(  # noqa: N802  the rpc's name
        self, request: redis.GetStatusRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> redis.GetStatusResponse:
        self.reached.append("GetStatus")
        if self.answer is not None:
            await self.answer(request, context)
        return redis.GetStatusResponse(service="up")

    async def GetValue(  # noqa: N802
        self, request: redis.GetValueRequest, context: object
    ) -> redis.GetValueResponse:
        del context
        self.reached.append("GetValue")
        return redis.GetValueResponse(key=request.key)

    async def SetValue(  # noqa: N802
        self, request: redis.SetValueRequest, context: object
    ) -> redis.SetValueResponse:
        del context
        self.reached.append("SetValue")
        return redis.SetValueResponse(key=request.key)

    # As generated: not implemented.
    ListKeys = RedisServiceServicer.ListKeys
    GetInfo = RedisServiceServicer.GetInfo


class Resolving(ResolverServiceServicer):
    """One answer and a stream of two events."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.forever = False

    async def ResolveConnection(  # noqa: N802
        self, request: resolving.ResolveConnectionRequest, context: object
    ) -> resolving.ResolveConnectionResponse:
        del context
        return resolving.ResolveConnectionResponse(id=request.id)

    ResolveAccess = ResolverServiceServicer.ResolveAccess

    async def WatchConnections(  # noqa: N802
        self, request: resolving.WatchConnectionsRequest, context: object
    ) -> AsyncIterator[resolving.WatchConnectionsResponse]:
        del request, context
        try:
            yield resolving.WatchConnectionsResponse(kind=resolving.WatchConnectionsResponse.KIND_SYNCED)
            if self.forever:
                await asyncio.Event().wait()
            yield resolving.WatchConnectionsResponse(kind=resolving.WatchConnectionsResponse.KIND_HEARTBEAT)
        finally:
            self.closed.set()


def redis_servicer(handler: Redis) -> Servicer:
    return Servicer("studio.redis.v1.RedisService", add_RedisServiceServicer_to_server, handler)


def resolver_servicer(handler: ResolverServiceServicer) -> Servicer:
    return Servicer("studio.registry.v1.ResolverService", add_ResolverServiceServicer_to_server, handler)


@dataclass(frozen=True)
class Row:
    """A registered database."""

    id: str
    type: str = "redis"
    name: str = "a database"
    project_ref: str = "default"
    config: Mapping[str, Any] = field(default_factory=dict)
    grants: Mapping[str, Role] = field(default_factory=dict)


async def every_database(database_id: str) -> Registered:
    """Finds a database, in the project `default` and without grants, for whatever id."""
    return Row(database_id.lower())


@dataclass
class Running:
    """A service that runs."""

    port: int
    runtime: Runtime[ServiceSettings]
    channel: grpc.aio.Channel
    stop: asyncio.Event
    task: asyncio.Task[None]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def redis(self) -> RedisServiceStub:
        return RedisServiceStub(self.channel)


@contextlib.asynccontextmanager
async def running(*servicers: Servicer, **changes: object) -> AsyncIterator[Running]:
    """Runs `server.serve` as a service's main does, with these servicers; every database is there."""
    async with running_with(every_database, *servicers, **changes) as service:
        yield service


@contextlib.asynccontextmanager
async def running_with(find: Find, *servicers: Servicer, **changes: object) -> AsyncIterator[Running]:
    """As `running`, with other databases."""
    runtimes: list[Runtime[ServiceSettings]] = []

    @contextlib.asynccontextmanager
    async def open_app(
        _settings: ServiceSettings, runtime: Runtime[ServiceSettings]
    ) -> AsyncIterator[Sequence[Servicer]]:
        runtimes.append(runtime)
        runtime.rights.use(find)
        yield servicers

    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        server.serve("tests", settings(**changes), open_app, stop=stop, started=started)
    )
    both: list[asyncio.Future[Any]] = [task, started]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{started.result()}")
    service = Running(started.result(), runtimes[0], channel, stop, task)
    try:
        yield service
    finally:
        await channel.close()
        stop.set()
        await service.task


def request_of(method: Method) -> Message:
    """An empty request of an rpc."""
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(method.request))()


async def call(
    channel: grpc.aio.Channel, method: Method, request: Message, metadata: Metadata = ()
) -> tuple[grpc.StatusCode, str]:
    """Calls any rpc of the contract; returns how it ended."""
    ended: grpc.aio.UnaryStreamCall[Message, bytes] | grpc.aio.UnaryUnaryCall[Message, bytes]
    serialize = type(request).SerializeToString
    if method.server_streaming:
        streamed: grpc.aio.UnaryStreamMultiCallable[Message, bytes] = channel.unary_stream(
            method.path, serialize
        )
        ended = streamed(request, metadata=metadata, timeout=10)
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for _ in ended:
                pass
        ended.cancel()
    else:
        unary: grpc.aio.UnaryUnaryMultiCallable[Message, bytes] = channel.unary_unary(method.path, serialize)
        ended = unary(request, metadata=metadata, timeout=10)
    return await ended.code(), await ended.details() or ""


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds that another task brings about; the test's own time limit ends a wait in vain."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.005)
