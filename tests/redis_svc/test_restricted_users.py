"""ACL users who may do little: told which permission is missing, by every rpc, and never a failure of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.redis_svc import values
from services.redis_svc.keyspace import Query
from services.redis_svc.values import Setting
from services.runtime.contract import Method, load_contract
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.harness import Service, as_user, running_service
from tests.redis_svc.pages import all_names
from tests.support.engines import ValkeyServer
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinel import redis_sentinel

StartValkey = Callable[..., Awaitable[ValkeyServer]]

METHODS = [method for method in load_contract().of_area("redis") if not method.is_internal]
DEFECTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
TIMEOUT_S = 10
DEPTH = 3


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


def request_of(method: Method, database_id: str) -> Message:
    """A request with something in every field, so that it gets as far as the engine wherever that is possible."""
    descriptor = Default().FindMessageTypeByName(method.request)
    request = message_factory.GetMessageClass(descriptor)()
    fill(request, descriptor, DEPTH)
    if "database_id" in descriptor.fields_by_name:
        setattr(request, "database_id", database_id)  # noqa: B010  its class is known at run time only
    return request


def fill(message: Message, descriptor: Descriptor, depth: int) -> None:
    chosen: set[str] = set()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None:
            if oneof.name in chosen:
                continue
            chosen.add(oneof.name)
        inside = field.message_type
        if inside is not None:
            if inside.full_name.startswith("google.") or depth == 0:
                continue
            inner = getattr(message, field.name)
            if field.is_repeated:
                if not inside.GetOptions().map_entry:
                    fill(inner.add(), inside, depth - 1)
            else:
                inner.SetInParent()
                fill(inner, inside, depth - 1)
        elif (
            field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES} and field.name != "cursor"
        ):
            text: Any = "k" if field.type == FieldDescriptor.TYPE_STRING else b"k"
            if field.is_repeated:
                getattr(message, field.name).append(text)
            else:
                setattr(message, field.name, text)


async def outcome(service: Service, method: Method, request: Message) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a call; of a stream the first event is enough."""
    answer = message_factory.GetMessageClass(Default().FindMessageTypeByName(method.response))
    kinds = service.channel.unary_stream if method.server_streaming else service.channel.unary_unary
    rpc: Any = kinds(
        method.path,
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer.FromString,
    )
    try:
        running = rpc(request, metadata=as_user(), timeout=TIMEOUT_S)
        if method.server_streaming:
            async for _ in running:
                running.cancel()
                break
        else:
            await running
    except grpc.aio.AioRpcError as error:
        info = error_details_pb2.ErrorInfo()
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if isinstance(details, bytes):
            status_pb2.Status.FromString(details).details[0].Unpack(info)
        return error.code(), info.reason
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize(
    "rules", ["+ping", "+@all -@all +ping ~*", "+@all ~nothing:*"], ids=["no command", "only PING", "no key"]
)
async def test_no_rpc_fails_for_a_user_who_may_do_nothing(
    service: Service, start_valkey: StartValkey, rules: str
) -> None:
    server = await start_valkey(users=(f"nobody on >pw {rules}",))
    database_id = service.registry.register(server.url_of("nobody", "pw"))
    outcomes = {
        method.path: await outcome(service, method, request_of(method, database_id)) for method in METHODS
    }

    assert {path: found for path, found in outcomes.items() if found[0] in DEFECTS} == {}
    refused = [path for path, (_, reason) in outcomes.items() if reason == "DB_PERMISSION_DENIED"]
    assert "/studio.redis.v1.RedisService/GetValue" in refused
    assert "/studio.redis.v1.RedisService/SetValue" in refused


async def test_a_user_who_may_not_see_the_slots_is_told_so(
    cluster: RedisCluster, open_client: OpenClient
) -> None:
    for node in cluster.masters:
        with node.client() as other:
            other.execute_command("ACL SETUSER", "blind", "on", ">pw", "~*", "+@all", "-cluster")
    client = open_client(cluster.url.replace("//", "//blind:pw@"))

    with pytest.raises(StudioError) as caught:
        await client.ready()

    assert caught.value.reason_name == "DB_PERMISSION_DENIED"
    assert caught.value.metadata["permission"] == "+cluster|slots"
    assert caught.value.metadata["stage"] == "cluster"


async def test_a_user_who_may_see_nothing_of_a_cluster_but_its_slots_lists_every_key(
    cluster: RedisCluster, open_client: OpenClient
) -> None:
    expected = cluster.fill(300)
    for node in cluster.masters:
        with node.client() as other:
            rules = ("-@all", "+cluster|slots", "+scan", "+type", "+pttl", "+strlen", "+memory|usage")
            other.execute_command("ACL SETUSER", "modest", "on", ">pw", "~*", *rules)
    client = open_client(cluster.url.replace("//", "//modest:pw@"))
    await client.ready()

    names = await all_names(client, Query(count=50))

    assert set(names) == expected
    assert len(names) == len(expected)


async def test_a_user_who_may_not_ask_for_the_role_is_served_all_the_same(
    tmp_path: Path, open_client: OpenClient
) -> None:
    with redis_sentinel(tmp_path / "servers", replicas=1, sentinels=3) as servers:
        for server in servers.servers:
            with server.client() as other:
                other.execute_command(
                    "ACL SETUSER",
                    "modest",
                    "on",
                    ">pw",
                    "~*",
                    "-@all",
                    "+get",
                    "+set",
                    "+getrange",
                    "+type",
                    "+pttl",
                    "+strlen",
                )
        client = open_client(servers.url.replace("//", "//modest:pw@"))

        await values.set_value(client, b"k", b"v", Setting())

        assert (await values.get(client, b"k")).content == b"v"
