"""One caller leaves room for the others: a rate by role, and so many streams at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from services.runtime import context, limits
from services.runtime.context import Caller
from services.runtime.errors import StudioError
from services.runtime.limits import BURST_S, MAX_CALLERS, CallerLimits
from services.runtime.server import Servicer
from services.runtime.statuses import from_rpc_error, retry_after_s
from studio.options.v1 import access_pb2
from studio.redis.v1 import live_service_pb2 as live
from studio.redis.v1 import redis_service_pb2 as redis
from studio.redis.v1.live_service_pb2_grpc import (
    LiveServiceServicer,
    LiveServiceStub,
    add_LiveServiceServicer_to_server,
)
from tests.runtime.harness import UUID, Redis, bearer, redis_servicer, running, token

OWNER, READER = access_pb2.ROLE_OWNER, access_pb2.ROLE_READ_ONLY


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(counted: CallerLimits, caller: Caller, calls: int = 1000) -> int:
    """How many calls at once are let through."""
    let_through = 0
    refused: list[tuple[str, int | None]] = []
    while let_through < calls and not refused:
        try:
            counted.count(caller)
            let_through += 1
        except StudioError as error:
            refused.append((error.reason_name, retry_after_s(error)))
    assert refused in ([], [("RESOURCE_EXHAUSTED", 1)])
    return let_through


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    counted = CallerLimits({OWNER: 10}, 0, clock)
    caller = Caller("ann", OWNER)
    assert made(counted, caller) == 10 * BURST_S
    clock.now += 0.5
    assert made(counted, caller) == 5
    clock.now += 3600
    assert made(counted, caller) == 10 * BURST_S, "quiet time is not saved up"


def test_callers_and_roles_are_told_apart_and_services_have_no_limit() -> None:
    counted = CallerLimits({OWNER: 10, READER: 1, access_pb2.ROLE_DEVELOPER: 0}, 1, Clock())
    assert made(counted, Caller("ann", OWNER)) == 20
    assert made(counted, Caller("bob", OWNER)) == 20
    assert made(counted, Caller("ann", READER)) == 2
    assert made(counted, Caller("dev", access_pb2.ROLE_DEVELOPER)) == 1000, "0 is no limit"
    service = Caller("registry", access_pb2.ROLE_INTERNAL)
    assert made(counted, service) == 1000
    with counted.stream(service), counted.stream(service):
        pass


def test_the_anonymous_are_told_apart_by_address() -> None:
    counted = CallerLimits({access_pb2.ROLE_UNSPECIFIED: 1}, 0, Clock())
    anonymous = Caller("anon", access_pb2.ROLE_UNSPECIFIED, is_anonymous=True)
    for address in ("192.0.2.1", "192.0.2.2"):
        context.address.set(address)
        assert made(counted, anonymous) == 2


def test_the_table_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_CALLERS >= 1000
    monkeypatch.setattr(limits, "MAX_CALLERS", 3)
    counted = CallerLimits({OWNER: 1}, 0, Clock())
    for name in ("a", "b", "c"):
        assert made(counted, Caller(name, OWNER)) == 2
    assert made(counted, Caller("c", OWNER)) == 0
    assert made(counted, Caller("d", OWNER)) == 2
    assert made(counted, Caller("a", OWNER)) == 2, "it was forgotten for d"


async def test_a_caller_over_his_rate_is_refused_before_anything_is_done() -> None:
    async with running(redis_servicer(handler := Redis()), rate_read_only=1) as service:
        request = redis.GetStatusRequest()
        reader = bearer(token("read_only"))
        calls = [service.redis.GetStatus(request, metadata=reader) for _ in range(50)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in ended if isinstance(each, grpc.aio.AioRpcError)]
        assert refused
        assert len(handler.reached) == 50 - len(refused)
        error = from_rpc_error(refused[0])
        assert (error.reason_name, refused[0].code()) == (
            "RESOURCE_EXHAUSTED",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
        assert dict(refused[0].trailing_metadata() or ())["retry-after"] == "1"
        await service.redis.GetStatus(request, metadata=bearer(token("owner")))


class Endless(LiveServiceServicer):
    """Streams that never end."""

    async def Monitor(  # noqa: N802  the rpc's name
        self, request: live.MonitorRequest, context: object
    ) -> AsyncIterator[live.MonitorResponse]:
        del request, context
        yield live.MonitorResponse()
        await asyncio.Event().wait()

    # As generated: not implemented.
    Publish = LiveServiceServicer.Publish
    Subscribe = LiveServiceServicer.Subscribe
    WatchKeyspace = LiveServiceServicer.WatchKeyspace


async def test_a_caller_has_so_many_streams_and_a_closed_one_makes_room() -> None:
    servicer = Servicer("studio.redis.v1.LiveService", add_LiveServiceServicer_to_server, Endless())
    async with running(servicer, max_streams_per_caller=2) as service:
        stub = LiveServiceStub(service.channel)

        async def opened(name: str) -> grpc.aio.UnaryStreamCall[live.MonitorRequest, live.MonitorResponse]:
            call = stub.Monitor(live.MonitorRequest(database_id=UUID), metadata=bearer(token(sub=name)))
            await call.read()
            return call

        first, _ = await opened("ann"), await opened("ann")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await opened("ann")
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert dict(caught.value.trailing_metadata() or ())["retry-after"] == "5"
        await opened("bob")

        first.cancel()
        async with asyncio.timeout(20):
            while True:
                try:
                    await opened("ann")
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.01)
                else:
                    break
