"""Services that go away and come back, bounds that are reached, a gateway that is asked to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from deploy.local import ports
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e
from studio.redis.v1 import redis_service_pb2 as redis_pb
from tests.gateway.harness import (
    DATABASE_ID,
    REDIS,
    Gateway,
    Script,
    Service,
    running_gateway,
    token,
    until,
)
from tests.gateway.test_errors import assert_shape
from tests.support.fault_proxy import FaultProxy

STATUS = "/api/platform/redis/status"
SET = f"/api/platform/redis/{DATABASE_ID}/set"


@pytest.fixture
async def own_redis() -> AsyncIterator[Service]:
    service = Service(Script(), (REDIS,), ports.pick())
    await service.start()
    service.script.returns("GetStatus", redis_pb.GetStatusResponse(service="redis_svc"))
    service.script.returns("SetValue", redis_pb.SetValueResponse(length=1))
    yield service
    await service.stop()


@pytest.fixture
async def own_gateway(
    own_redis: Service, services: dict[str, Service], tmp_path: Path
) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path,
        REGISTRY_ADDRESS=f"localhost:{services['registry'].port}",
        REDIS_SVC_ADDRESS=f"127.0.0.1:{own_redis.port}",
        GATEWAY_MAX_REQUESTS_PER_SERVICE="2",
        GATEWAY_MAX_CONNECTIONS="8",
        GATEWAY_DRAIN_S="5",
        GATEWAY_REQUEST_TIMEOUT_S="3",
    ) as running:
        await running.wait_ready("/readyz")
        yield running


async def until_called(script: Script, count: int) -> None:
    await until(lambda: len(script.calls) >= count)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_service_that_is_down_is_named_and_used_again_when_it_is_back(
    own_gateway: Gateway, own_redis: Service
) -> None:
    async with own_gateway.client() as client:
        assert (await client.get(STATUS)).status_code == 200
        await own_redis.stop()
        for answer in (await client.get(STATUS), await client.post(SET, json={"key": "k", "value": "v"})):
            message = assert_shape(answer, 503, "SERVICE_UNAVAILABLE", retryable=True)
            assert "redis_svc" in message
            assert "connect" not in message
        async with grpc.aio.insecure_channel(f"127.0.0.1:{own_gateway.port}") as channel:
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                f"/{REDIS}/GetStatus"
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await method(b"", metadata=(("authorization", f"Bearer {token()}"),))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "redis_svc" in (caught.value.details() or "")
        await own_gateway.wait_ready("/readyz", 503)
        assert (await client.get("/healthz")).status_code == 200
        await own_redis.start()
        assert (await client.get(STATUS)).status_code == 200
        await own_gateway.wait_ready("/readyz")


async def test_a_service_that_says_not_serving_makes_the_gateway_not_ready(
    own_gateway: Gateway, own_redis: Service
) -> None:
    assert own_redis.health is not None
    await own_redis.health.enter_graceful_shutdown()
    await own_gateway.wait_ready("/readyz", 503)


async def test_a_service_whose_name_is_unknown(services: dict[str, Service], tmp_path: Path) -> None:
    async with running_gateway(
        tmp_path,
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        REDIS_SVC_ADDRESS="redis-svc.invalid:50052",
    ) as gateway:
        async with gateway.client() as client:
            answer = await client.get(STATUS)
        assert "redis_svc" in assert_shape(answer, 503, "SERVICE_UNAVAILABLE", retryable=True)


async def test_a_service_that_breaks_off_an_idempotent_call_is_tried_again(
    own_gateway: Gateway, own_redis: Service
) -> None:
    own_redis.script.hangs("GetStatus")
    async with own_gateway.client() as client:
        pending = asyncio.create_task(client.get(STATUS))
        await until_called(own_redis.script, 1)
        await own_redis.stop()
        own_redis.script.returns("GetStatus", redis_pb.GetStatusResponse(service="again"))
        await own_redis.start()
        answer = await pending
    # Either the repetition came after the restart, or the connection was refused until the tries were used up.
    assert answer.status_code in {200, 503}
    if answer.status_code == 503:
        assert_shape(answer, 503, "SERVICE_UNAVAILABLE", retryable=True)


async def test_what_changes_something_is_never_repeated(own_gateway: Gateway, own_redis: Service) -> None:
    own_redis.script.hangs("SetValue")
    async with own_gateway.client() as client:
        pending = asyncio.create_task(client.post(SET, json={"key": "k", "value": "v"}))
        await until_called(own_redis.script, 1)
        await own_redis.stop()
        await own_redis.start()
        assert_shape(await pending, 503, "SERVICE_UNAVAILABLE", retryable=True)
        assert len(own_redis.script.calls) == 1


async def test_a_service_that_dies_with_a_call_is_down_and_not_busy(
    own_redis: Service, services: dict[str, Service], tmp_path: Path
) -> None:
    own_redis.script.hangs("SetValue")
    async with (
        FaultProxy("127.0.0.1", own_redis.port) as line,
        running_gateway(
            tmp_path,
            REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
            REDIS_SVC_ADDRESS=f"127.0.0.1:{line.port}",
        ) as gateway,
        gateway.client() as client,
    ):
        await gateway.wait_ready("/readyz")
        pending = asyncio.create_task(client.post(SET, json={"key": "k", "value": "v"}))
        await until_called(own_redis.script, 1)
        line.cut()
        message = assert_shape(await pending, 503, "SERVICE_UNAVAILABLE", retryable=True)
    assert "redis_svc" in message


async def test_a_services_own_unavailable_is_not_repeated(client: httpx.AsyncClient, redis: Script) -> None:
    redis.fails("GetStatus", StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "m"))
    assert (await client.get(STATUS)).status_code == 503
    assert len(redis.calls) == 1


async def test_more_requests_than_a_service_may_have_are_429(
    own_gateway: Gateway, own_redis: Service
) -> None:
    own_redis.script.hangs("GetStatus")
    async with own_gateway.client() as client:
        running = [asyncio.create_task(client.get(STATUS)) for _ in range(2)]
        await until_called(own_redis.script, 2)
        message = assert_shape(await client.get(STATUS), 429, "RESOURCE_EXHAUSTED", retryable=True)
        assert "redis_svc" in message
        for answer in await asyncio.gather(*running):
            assert_shape(answer, 504, "DEADLINE_EXCEEDED", retryable=True)


async def test_a_caller_that_goes_away_ends_its_call(own_gateway: Gateway, own_redis: Service) -> None:
    ended = asyncio.Event()

    async def hang(_request: object, _context: object) -> redis_pb.GetStatusResponse:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    own_redis.script.answers["GetStatus"] = hang
    async with own_gateway.client() as client:
        pending = asyncio.create_task(client.get(STATUS))
        await until_called(own_redis.script, 1)
        pending.cancel()
        async with asyncio.timeout(2):
            await ended.wait()


async def test_more_connections_than_allowed_are_closed(own_gateway: Gateway) -> None:
    held = [await asyncio.open_connection("127.0.0.1", own_gateway.port) for _ in range(8)]
    try:
        async with asyncio.timeout(10):
            while True:
                reader, writer = await asyncio.open_connection("127.0.0.1", own_gateway.port)
                try:
                    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                    if not await reader.read(1):
                        break
                except ConnectionError:
                    break
                finally:
                    writer.transport.abort()
    finally:
        for _, writer in held:
            writer.transport.abort()
    await own_gateway.wait_ready()


async def test_a_slow_reader_gets_the_whole_answer(client: httpx.AsyncClient, redis: Script) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse(key="k", value="x" * (8 * 2**20)))
    path = f"/api/platform/redis/{DATABASE_ID}/get?key=k"
    received = 0
    async with client.stream("GET", path, headers={"accept-encoding": "identity"}) as answer:
        async for chunk in answer.aiter_raw(2**18):
            received += len(chunk)
            await asyncio.sleep(0.001)
        assert received == int(answer.headers["content-length"])


async def test_sigterm_lets_running_requests_finish(own_gateway: Gateway, own_redis: Service) -> None:
    release = asyncio.Event()

    async def wait(_request: object, _context: object) -> redis_pb.GetStatusResponse:
        await release.wait()
        return redis_pb.GetStatusResponse(service="finished")

    own_redis.script.answers["GetStatus"] = wait
    async with own_gateway.client() as client:
        pending = asyncio.create_task(client.get(STATUS))
        await until_called(own_redis.script, 1)
        own_gateway.process.send_signal(signal.SIGTERM)
        await own_gateway.until_logged("gateway.draining")
        release.set()
        assert (await pending).json()["service"] == "finished"
    async with asyncio.timeout(10):
        assert await own_gateway.process.wait() == 0


async def test_after_sigterm_requests_are_still_taken_until_others_have_noticed(
    own_redis: Service, services: dict[str, Service], tmp_path: Path
) -> None:
    own_redis.script.returns("GetStatus", redis_pb.GetStatusResponse(service="taken"))
    async with running_gateway(
        tmp_path,
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        REDIS_SVC_ADDRESS=f"127.0.0.1:{own_redis.port}",
        SHUTDOWN_NOTICE_S="600",
    ) as gateway:
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.wait_ready(status=503)
        async with gateway.client() as client:
            answer = await client.get(STATUS)
        assert answer.json()["service"] == "taken"
        assert answer.headers["connection"] == "close"
        gateway.process.send_signal(signal.SIGTERM)  # does not want to wait
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0


async def test_sigterm_ends_what_does_not_finish_in_time(
    own_redis: Service, services: dict[str, Service], tmp_path: Path
) -> None:
    own_redis.script.hangs("GetStatus")
    async with (
        running_gateway(
            tmp_path,
            REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
            REDIS_SVC_ADDRESS=f"127.0.0.1:{own_redis.port}",
            GATEWAY_DRAIN_S="0.2",
        ) as gateway,
        gateway.client() as client,
    ):
        pending = asyncio.create_task(client.get(STATUS))
        await until_called(own_redis.script, 1)
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.process.wait() == 0
        with pytest.raises(httpx.TransportError):
            await pending


async def test_an_envoy_that_dies_ends_the_gateway(own_gateway: Gateway) -> None:
    os.kill(own_gateway.envoy_pid(), signal.SIGKILL)
    async with asyncio.timeout(10):
        assert await own_gateway.process.wait() != 0


async def test_envoy_does_not_outlive_its_parent(own_gateway: Gateway) -> None:
    envoy = own_gateway.envoy_pid()
    own_gateway.process.kill()
    await own_gateway.process.wait()
    await until(lambda: not is_running(envoy))
