"""Native gRPC callers reach what has a REST form, through the same checks, and get plain gRPC statuses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from google.rpc import status_pb2

from services.runtime.contract import load_contract
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import redis_service_pb2 as redis_pb
from studio.registry.v1 import registry_service_pb2 as registry_pb
from tests.gateway.harness import REDIS, REGISTRY, Gateway, Script, token

STATUS = f"/{REDIS}/GetStatus"
OWNER = (("authorization", f"Bearer {token()}"),)


@pytest.fixture
async def channel(gateway: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as found:
        yield found


async def call(
    channel: grpc.aio.Channel,
    path: str,
    request: bytes = b"",
    metadata: tuple[tuple[str, str], ...] = OWNER,
    timeout_s: float | None = None,
) -> bytes:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    return await method(request, metadata=metadata, timeout=timeout_s)


async def refused(
    channel: grpc.aio.Channel, path: str, metadata: tuple[tuple[str, str], ...] = OWNER
) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, path, metadata=metadata)
    return caught.value


async def test_calls_pass_with_all_their_bytes(channel: grpc.aio.Channel, redis: Script) -> None:
    response = redis_pb.GetStatusResponse(service="redis_svc", version="1")
    redis.returns("GetStatus", response)
    assert await call(channel, STATUS) == response.SerializeToString()


async def test_a_list_is_not_unwrapped(channel: grpc.aio.Channel, registry: Script) -> None:
    response = registry_pb.ListDatabasesResponse(next_page_token="t")
    registry.returns("ListDatabases", response)
    assert await call(channel, f"/{REGISTRY}/ListDatabases") == response.SerializeToString()


async def test_the_callers_deadline_reaches_the_service(channel: grpc.aio.Channel, redis: Script) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    await call(channel, STATUS, timeout_s=1)
    # gRPC rounds a deadline up; the route's own is 2 s.
    assert 0 < redis.calls[-1].time_remaining_s < 1.5


async def test_without_a_deadline_the_routes_own_counts(channel: grpc.aio.Channel, redis: Script) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    await call(channel, STATUS)
    assert 1.5 < redis.calls[-1].time_remaining_s < 2.1


async def test_rich_errors_pass_unchanged(channel: grpc.aio.Channel, redis: Script) -> None:
    redis.fails("GetStatus", StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "busy", retry_after_s=3))
    error = await refused(channel, STATUS)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "busy")
    trailing = dict(error.trailing_metadata() or ())
    assert status_pb2.Status.FromString(bytes(trailing["grpc-status-details-bin"])).message == "busy"
    assert trailing["retry-after"] == "3"


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer x.y.z"),)])
async def test_tokens_are_checked(
    channel: grpc.aio.Channel, redis: Script, metadata: tuple[tuple[str, str], ...]
) -> None:
    error = await refused(channel, STATUS, metadata)
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not (error.details() or "").startswith("{")
    assert not redis.calls


async def test_internal_rpcs_have_no_route(
    channel: grpc.aio.Channel, client: httpx.AsyncClient, registry: Script
) -> None:
    internal = [method.path for method in load_contract().methods.values() if method.is_internal]
    assert internal
    for path in internal:
        assert (await refused(channel, path)).code() == grpc.StatusCode.UNIMPLEMENTED
        for content_type in ("application/json", "application/grpc", "application/grpc-web", "text/plain"):
            answer = await client.post(path, content=b"{}", headers={"content-type": content_type})
            assert answer.status_code == 404 or answer.headers["grpc-status"] == "12"
    assert not registry.calls


async def test_services_that_are_not_of_the_contract_have_no_route(channel: grpc.aio.Channel) -> None:
    for path in (
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/a/b",
    ):
        assert (await refused(channel, path)).code() == grpc.StatusCode.UNIMPLEMENTED


async def test_an_engine_that_is_off_says_so(channel: grpc.aio.Channel) -> None:
    error = await refused(channel, "/studio.bun.v1.BunService/Forward")
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "BUN_PROXY_ADDRESS" in (error.details() or "")


@pytest.mark.parametrize("content_type", ["application/json", "application/grpc-web", "text/plain", ""])
async def test_rpc_paths_take_grpc_alone(client: httpx.AsyncClient, redis: Script, content_type: str) -> None:
    answer = await client.post(STATUS, content=b"{}", headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ROUTE_NOT_FOUND")
    assert not redis.calls


async def test_a_rest_request_that_calls_itself_grpc_reaches_nobody(
    client: httpx.AsyncClient, redis: Script
) -> None:
    headers = {"content-type": "application/grpc"}
    answer = await client.get("/api/platform/redis/status", headers=headers)
    assert answer.headers["grpc-status"] == "12"
    assert not redis.calls
