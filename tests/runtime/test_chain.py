"""The steps around every handler: their order, what each call goes through, and what goes around them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.runtime import context, server
from services.runtime.audit.log import AuditLog
from services.runtime.contract import Method, load_contract
from services.runtime.interceptors.chain import Chain, Context, Handler, Request
from services.runtime.limits import CallerLimits
from services.runtime.rights import Rights
from services.runtime.service_client import open_channel
from studio.redis.v1 import redis_service_pb2 as redis
from studio.registry.v1 import resolver_service_pb2 as resolving
from studio.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub
from tests.runtime.conftest import Output
from tests.runtime.harness import (
    OWNER,
    UUID,
    Redis,
    Resolving,
    bearer,
    redis_servicer,
    resolver_servicer,
    running,
    service_tokens,
    settings,
    token,
)

Code = grpc.StatusCode


def test_the_steps_stand_in_the_order_of_the_design() -> None:
    audit = AuditLog.open("tests", settings())
    limits = CallerLimits({}, 0)
    chain = server.steps(settings(), server.identity_of(settings()), audit, limits, Rights())
    audit.close()
    assert [step.name for step in chain] == [
        "recover",
        "request_id",
        "observe",
        "admit",
        "authenticate",
        "limit",
        "audit",
        "authorize",
        "validate",
        "confirm",
    ]


async def test_the_first_step_is_the_outermost() -> None:
    entered: list[str] = []

    class Step:
        def __init__(self, name: str) -> None:
            self.name = name

        def wrap(self, method: Method, handler: Handler) -> Handler:
            del method

            async def wrapped(request: Request, call: Context) -> Message | None:
                entered.append(self.name)
                return await handler(request, call)

            return wrapped

    async def handle(request: object, call: object) -> None:
        del request, call
        entered.append("handle")

    chain = Chain(load_contract(), [Step("first"), Step("second")])
    inner: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(handle)

    async def continuation(_details: object) -> grpc.RpcMethodHandler[Any, Any]:
        return inner

    details = cast("grpc.HandlerCallDetails", _Details("/studio.redis.v1.RedisService/GetStatus"))
    wrapped = cast("Any", await chain.intercept_service(continuation, details))
    await wrapped.unary_unary(redis.GetStatusRequest(), None)
    assert await chain.intercept_service(continuation, details) is wrapped, "wrapped once, not at each call"
    assert entered == ["first", "second", "handle"]


class _Details:
    def __init__(self, method: str) -> None:
        self.method = method


async def test_a_call_without_a_token_is_not_told_what_is_wrong_with_its_request(output: Output) -> None:
    """Authenticate before authorize, authorize before validate."""
    async with running(redis_servicer(handler := Redis())) as service:
        bad = redis.SetValueRequest(database_id=UUID)  # and no key
        for metadata, code in (
            ((), Code.UNAUTHENTICATED),
            (bearer(token("read_only")), Code.PERMISSION_DENIED),
            (bearer(token("developer")), Code.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await service.redis.SetValue(bad, metadata=metadata)
            assert raised.value.code() is code
        assert handler.reached == []
    assert [line["code"] for line in output.of("rpc.failed")] == [
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "INVALID_ARGUMENT",
    ], "refusals pass through `observe`"


async def test_a_violation_names_the_field_where_it_stands_in_a_list() -> None:
    async with running(resolver_servicer(Resolving())) as service:
        channel = open_channel(service.address, service_tokens())
        request = resolving.WatchConnectionsRequest(
            type="redis", known=[resolving.KnownConnection(id=UUID), resolving.KnownConnection(id="nonsense")]
        )
        stream = ResolverServiceStub(channel).WatchConnections(request)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in stream:
                pass
        assert raised.value.code() is Code.INVALID_ARGUMENT
        assert raised.value.details() == "known[1].id: must be a valid UUID."
        await channel.close()


async def test_a_proxy_in_the_environment_is_not_used_between_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with running(resolver_servicer(Resolving())) as service:
        channel = open_channel(service.address, service_tokens())
        # Refused by the service itself, so it was reached.
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ResolverServiceStub(channel).ResolveConnection(
                resolving.ResolveConnectionRequest(id="nonsense")
            )
        assert raised.value.code() is Code.INVALID_ARGUMENT
        await channel.close()


async def test_what_is_missing_is_named_as_the_caller_writes_it() -> None:
    async with running(redis_servicer(Redis())) as service:
        for request, said in (
            (redis.SetValueRequest(database_id=UUID, value="v"), "key: must be given (or key_base64)."),
            (
                redis.SetValueRequest(database_id=UUID, key=""),
                "value: must be given (or value_base64).",
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await service.redis.SetValue(request, metadata=OWNER)
            assert raised.value.code() is Code.INVALID_ARGUMENT
            assert raised.value.details() == said


async def test_an_unknown_method_is_unimplemented_with_a_reason() -> None:
    async with running(redis_servicer(Redis())) as service:
        for path in (
            "/studio.redis.v1.RedisService/Nothing",
            "/no.Such/Service",
            "/studio.redis.v1.RedisService/",
        ):
            unknown: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = service.channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await unknown(b"x" * 100, metadata=OWNER)
            assert raised.value.code() is Code.UNIMPLEMENTED
            assert dict(raised.value.trailing_metadata() or ())["grpc-status-details-bin"]


async def test_a_declared_rpc_that_the_service_leaves_out_is_unimplemented(output: Output) -> None:
    async with running(redis_servicer(Redis())) as service:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.redis.GetInfo(redis.GetInfoRequest(database_id=UUID), metadata=OWNER)
    assert raised.value.code() is Code.UNIMPLEMENTED
    assert raised.value.details() == "GetInfo is not implemented by this version."
    assert output.of("rpc.defect") == []


async def test_an_rpc_outside_the_contract_is_denied_to_everybody() -> None:
    """A service registered by mistake, without access rules, is closed rather than open."""

    def add(handler: object, target: grpc.aio.Server) -> None:
        del handler

        async def answer(request: bytes, call: object) -> bytes:
            del call
            return request

        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Open": grpc.unary_unary_rpc_method_handler(answer)
        }
        target.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("other.Service", handlers),))

    async with running(server.Servicer("other.Service", add, object())) as service:
        undeclared: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = service.channel.unary_unary(
            "/other.Service/Open"
        )
        for metadata in (OWNER, bearer(service_tokens().current())):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await undeclared(b"", metadata=metadata)
            assert raised.value.code() is Code.PERMISSION_DENIED


async def test_health_and_reflection_need_no_token() -> None:
    async with running(redis_servicer(Redis())) as service:
        health: Any = health_pb2_grpc.HealthStub(service.channel)
        for name in ("", "studio.redis.v1.RedisService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", service.channel))
        stream = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="*")]))
        listed = [each.name async for reply in stream for each in reply.list_services_response.service]
        assert "studio.redis.v1.RedisService" in listed


async def test_calls_do_not_see_each_others_context() -> None:
    seen: list[tuple[str, str]] = []
    both = asyncio.Barrier(2)

    async def look(request: object, call: object) -> None:
        del request, call
        await both.wait()
        caller = context.caller.get()
        seen.append((context.request_id.get(), caller.subject if caller else ""))

    async with running(redis_servicer(Redis(look))) as service:
        await asyncio.gather(
            *(
                service.redis.GetStatus(
                    redis.GetStatusRequest(),
                    metadata=(("x-request-id", f"id-{name}"), *bearer(token(sub=name))),
                )
                for name in ("ann", "bob")
            )
        )
    assert sorted(seen) == [("id-ann", "ann"), ("id-bob", "bob")]
    assert context.request_id.get() == ""
    assert context.caller.get() is None


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, '{"forged":1}'])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(sent: str) -> None:
    seen: list[str] = []

    async def look(request: object, call: object) -> None:
        del request, call
        seen.append(context.request_id.get())

    async with running(redis_servicer(Redis(look))) as service:
        await service.redis.GetStatus(redis.GetStatusRequest(), metadata=(("x-request-id", sent), *OWNER))
    assert seen[0] != sent
    assert len(seen[0]) == 32


async def test_the_request_id_travels_to_the_next_service() -> None:
    seen: list[str] = []

    class Next(Resolving):
        async def ResolveConnection(  # noqa: N802  the rpc's name
            self, request: resolving.ResolveConnectionRequest, context: object
        ) -> resolving.ResolveConnectionResponse:
            seen.append(dict(cast("Any", context).invocation_metadata())["x-request-id"])
            return await super().ResolveConnection(request, context)

    async with running(resolver_servicer(Next())) as service:
        channel = open_channel(service.address, service_tokens())
        context.request_id.set("from-before")
        await ResolverServiceStub(channel).ResolveConnection(
            resolving.ResolveConnectionRequest(id=UUID, type="redis")
        )
        context.request_id.set("")
        await channel.close()
    assert seen == ["from-before"]


async def test_a_stream_that_its_caller_leaves_is_closed_in_the_handler() -> None:
    handler = Resolving()
    handler.forever = True
    async with running(resolver_servicer(handler)) as service:
        channel = open_channel(service.address, service_tokens())
        stream = ResolverServiceStub(channel).WatchConnections(
            resolving.WatchConnectionsRequest(type="redis")
        )
        assert isinstance(await stream.read(), resolving.WatchConnectionsResponse)
        stream.cancel()
        await asyncio.wait_for(handler.closed.wait(), 10)
        await channel.close()


async def test_a_full_service_refuses_at_once_and_stays_healthy() -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold(request: object, call: object) -> None:
        del request, call
        inside.set()
        await leave.wait()

    async with running(redis_servicer(Redis(hold)), max_concurrent_rpcs=1) as service:
        first = service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        await inside.wait()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        assert raised.value.code() is Code.RESOURCE_EXHAUSTED
        metadata = dict(raised.value.trailing_metadata() or ())
        assert metadata["retry-after"] == "1"
        assert b"RESOURCE_EXHAUSTED" in cast("bytes", metadata["grpc-status-details-bin"])
        health: Any = health_pb2_grpc.HealthStub(service.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        leave.set()
        await first
        await service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)  # there is room again
