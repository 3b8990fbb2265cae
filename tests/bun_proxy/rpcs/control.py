"""What the tests of the service's rpcs share: callers on gRPC, and small HTTP servers that answer what a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import grpc
from google.rpc import error_details_pb2, status_pb2

from studio.bun.v1 import bun_service_pb2 as pb
from studio.bun.v1 import routes_pb2 as routes_pb
from studio.bun.v1.bun_service_pb2_grpc import BunServiceStub
from tests.support.engine_service import as_user
from tests.support.odd_servers import StartServer

Reply = tuple[int, str, bytes | str | dict[str, Any]]
"""Status, content type (and further header lines), body."""


class Control:
    """A caller of one registered API's rpcs."""

    def __init__(self, channel: grpc.aio.Channel, database_id: str, role: str = "read_only") -> None:
        self.id = database_id
        self._stub = BunServiceStub(channel)
        self._as = as_user(role)

    async def health(self) -> pb.GetHealthResponse:
        return await self._stub.GetHealth(pb.GetHealthRequest(database_id=self.id), metadata=self._as)

    async def info(self) -> pb.GetInfoResponse:
        return await self._stub.GetInfo(pb.GetInfoRequest(database_id=self.id), metadata=self._as)

    async def routes(self, **fields: Any) -> routes_pb.ListRoutesResponse:  # noqa: ANN401  of the message
        return await self._stub.ListRoutes(
            routes_pb.ListRoutesRequest(database_id=self.id, **fields), metadata=self._as
        )

    async def refresh(self) -> routes_pb.RefreshRoutesResponse:
        return await self._stub.RefreshRoutes(
            routes_pb.RefreshRoutesRequest(database_id=self.id), metadata=self._as
        )

    async def calls(self, **fields: Any) -> pb.ListCallsResponse:  # noqa: ANN401  of the message
        return await self._stub.ListCalls(
            pb.ListCallsRequest(database_id=self.id, **fields), metadata=self._as
        )


class Register(Protocol):
    """Registers a base URL with the shared service; a caller of its rpcs."""

    def __call__(
        self, url: str, config: dict[str, object] | None = None, database_id: str = "", /
    ) -> Control: ...


async def failure(call: Awaitable[object]) -> tuple[str, str]:
    """The reason and the sentence with which a call fails."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        raw = next(value for name, value in error.trailing_metadata() if name == "grpc-status-details-bin")
        status = status_pb2.Status.FromString(raw)
        info = error_details_pb2.ErrorInfo()
        status.details[0].Unpack(info)
        return info.reason, status.message
    raise AssertionError("the call succeeded")


async def serve(start: StartServer, replies: Mapping[str, Reply]) -> tuple[int, list[str]]:
    """An HTTP server with these answers by path, 404 for any other; its port, and the paths that it was asked for."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            asked.append(path)
            status, headers, body = replies.get(path, (404, "text/plain", "none"))
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            data = data.encode() if isinstance(data, str) else data
            writer.write(
                f"HTTP/1.1 {status} X\r\ncontent-type: {headers}\r\ncontent-length: {len(data)}\r\n\r\n".encode()
            )
            writer.write(data)
            await writer.drain()

    return await start(answer), asked


def document(paths: dict[str, Any], **more: object) -> dict[str, Any]:
    """An OpenAPI document."""
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths, **more}
