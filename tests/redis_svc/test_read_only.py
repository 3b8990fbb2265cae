"""Connections that are registered as read-only change nothing, whoever calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.handlers.databases import Databases
from services.runtime import context as call
from services.runtime.contract import Method, load_contract
from services.runtime.errors import StudioError
from services.runtime.pool import ClientPool
from services.runtime.resolver import Connection, Resolver
from studio.options.v1.access_pb2 import ROLE_READ_ONLY
from studio.redis.v1 import redis_service_pb2 as pb
from tests.redis_svc.conftest import OpenClient
from tests.redis_svc.harness import Service, as_user, running_service

METHODS = [method for method in load_contract().of_area("redis") if not method.is_internal]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


def set_request(database_id: str) -> pb.SetValueRequest:
    return pb.SetValueRequest(database_id=database_id, key="k", value="new")


@pytest.mark.parametrize("role", ["developer", "administrator", "owner"])
async def test_a_change_is_refused_and_a_read_is_not(
    service: Service, valkey: Redis, valkey_url: str, role: str
) -> None:
    await valkey.set("k", "old")
    database_id = service.registry.register(valkey_url, config={"read_only": True})

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.redis.SetValue(set_request(database_id), metadata=as_user(role), timeout=10)
    value = await service.redis.GetValue(
        pb.GetValueRequest(database_id=database_id, key="k"), metadata=as_user(role), timeout=10
    )

    details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert (info.reason, caught.value.code()) == (
        "CONNECTION_READ_ONLY",
        grpc.StatusCode.PERMISSION_DENIED,
    )
    assert value.value == "old"


async def test_the_mark_can_be_taken_away(service: Service, valkey: Redis, valkey_url: str) -> None:
    database_id = service.registry.register(valkey_url, config={"read_only": True})
    with pytest.raises(grpc.aio.AioRpcError):
        await service.redis.SetValue(set_request(database_id), metadata=as_user(), timeout=10)

    service.registry.register(valkey_url, database_id, config={"read_only": False})
    while await valkey.get("k") != b"new":
        try:
            await service.redis.SetValue(set_request(database_id), metadata=as_user(), timeout=10)
        except grpc.aio.AioRpcError as error:
            # The registry tells of the change in its own time.
            if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
                raise


class OneConnection:
    """Resolves every id to the same connection, without a registry."""

    def __init__(self, url: str, config: dict[str, object]) -> None:
        self.connection = Connection(
            id="id",
            type="redis",
            revision="1",
            name="cache",
            project_ref="default",
            config=config,
            connection_string=SecretStr(url),
        )

    async def resolve(self, database_id: str) -> Connection:
        del database_id
        return self.connection


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_each_rpc_that_needs_more_than_the_role_read_only_counts_as_a_change(
    valkey_url: str, open_client: OpenClient, method: Method
) -> None:
    async def create(connection: Connection) -> RedisClient:
        return open_client(connection.connection_string.get_secret_value())

    pool = ClientPool[Connection, RedisClient](name="test", create=create, close=RedisClient.aclose)
    resolver = cast("Resolver", OneConnection(valkey_url, {"read_only": True}))
    databases = Databases(resolver, pool)
    token = call.method.set(method)
    try:
        if method.role > ROLE_READ_ONLY:
            with pytest.raises(StudioError) as caught:
                await databases.client("id")
            assert caught.value.reason_name == "CONNECTION_READ_ONLY"
        else:
            async with await databases.client("id") as client:
                assert await client.execute_everywhere(b"PING") == [b"PONG"]
    finally:
        call.method.reset(token)
        await pool.aclose()
