"""Production databases ask for a confirmation before anything is destroyed, whoever calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from services.runtime.confirmation import HEADER, LIFETIME_S, Confirmations
from studio.redis.v1 import bulk_service_pb2 as bulk
from studio.redis.v1 import common_pb2 as common
from studio.redis.v1 import key_service_pb2 as pb
from studio.redis.v1.bulk_service_pb2_grpc import BulkServiceStub
from studio.redis.v1.key_service_pb2_grpc import KeyServiceStub
from tests.redis_svc.harness import Service, as_user, running_service
from tests.support.confirmations import asked

PRODUCTION: dict[str, object] = {"production": True}
NO_TOKENS = ["", "x", ".", "1.x", "99999999999.AAAA", "1" * 50]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


def deletion(database_id: str, *names: str) -> pb.DeleteKeysRequest:
    keys = [common.Blob(value=name) for name in names]
    return pb.DeleteKeysRequest(database_id=database_id, keys=keys)


async def refusal(call: grpc.aio.UnaryUnaryCall[Any, Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("role", ["developer", "owner"])
async def test_a_deletion_is_done_once_it_is_confirmed(
    service: Service, valkey: Redis, valkey_url: str, role: str
) -> None:
    await valkey.mset({"a": 1, "b": 1})
    keys = KeyServiceStub(service.channel)
    request = deletion(service.registry.register(valkey_url, config=PRODUCTION), "a")

    error = await refusal(keys.DeleteKeys(request, metadata=as_user(role)))
    assert (error.code(), await valkey.exists("a")) == (grpc.StatusCode.FAILED_PRECONDITION, 1)
    assert "production" in str(error.details())

    await keys.DeleteKeys(request, metadata=(*as_user(role), *asked(error)))
    assert (await valkey.exists("a"), await valkey.exists("b")) == (0, 1)


async def test_a_confirmation_is_for_one_request_of_one_caller(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    await valkey.mset({"a": 1, "b": 1})
    keys = KeyServiceStub(service.channel)
    database_id = service.registry.register(valkey_url, config=PRODUCTION)
    error = await refusal(keys.DeleteKeys(deletion(database_id, "a"), metadata=as_user()))
    token = asked(error)

    other = service.registry.register(valkey_url, config=PRODUCTION)
    expire = bulk.ExpireSelectedRequest(
        database_id=database_id, selection=common.KeySelection(keys=[common.Blob(value="a")]), ttl_ms=1
    )
    for request, caller in (
        (deletion(database_id, "a", "b"), as_user()),
        (deletion(database_id, "a"), as_user("developer")),
        (deletion(other, "a"), as_user()),
    ):
        again = await refusal(keys.DeleteKeys(request, metadata=(*caller, *token)))
        assert asked(again) != token
        assert str(again.details()).startswith("The confirmation is not for this request, or too old.")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await BulkServiceStub(service.channel).ExpireSelected(expire, metadata=(*as_user(), *token)).read()
    asked(caught.value)
    for nonsense in NO_TOKENS:
        metadata = (*as_user(), (HEADER, nonsense))
        asked(await refusal(keys.DeleteKeys(deletion(database_id, "a"), metadata=metadata)))
    assert await valkey.exists("a", "b") == 2


async def test_a_stream_asks_before_its_first_event(service: Service, valkey: Redis, valkey_url: str) -> None:
    await valkey.set("a", 1)
    database_id = service.registry.register(valkey_url, config=PRODUCTION)
    request = bulk.DeleteSelectedRequest(
        database_id=database_id, selection=common.KeySelection(keys=[common.Blob(value="a")])
    )
    stub = BulkServiceStub(service.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.DeleteSelected(request, metadata=as_user()).read()
    assert await valkey.exists("a") == 1
    async for _ in stub.DeleteSelected(request, metadata=(*as_user(), *asked(caught.value))):
        pass
    assert await valkey.exists("a") == 0


async def test_what_may_overwrite_asks_and_what_may_not_does_not(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    await valkey.mset({"a": 1, "b": 2})
    keys = KeyServiceStub(service.channel)
    database_id = service.registry.register(valkey_url, config=PRODUCTION)

    def copy(to: str, *, overwrite: bool) -> pb.CopyKeyRequest:
        new_key = common.Blob(value=to)
        return pb.CopyKeyRequest(database_id=database_id, key="a", new_key=new_key, overwrite=overwrite)

    await keys.CopyKey(copy("c", overwrite=False), metadata=as_user())
    asked(await refusal(keys.CopyKey(copy("b", overwrite=True), metadata=as_user())))
    assert await valkey.mget("b", "c") == [b"2", b"1"]


async def test_a_copy_to_a_production_database_asks_for_that_one(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    await valkey.set("a", 1)
    stub = BulkServiceStub(service.channel)
    source, target = (
        service.registry.register(valkey_url),
        service.registry.register(valkey_url, config=PRODUCTION),
    )
    request = bulk.CopySelectedRequest(
        database_id=source,
        target_database_id=target,
        selection=common.KeySelection(keys=[common.Blob(value="a")]),
        overwrite=True,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CopySelected(request, metadata=as_user()).read()
    event = await stub.CopySelected(request, metadata=(*as_user(), *asked(caught.value))).read()
    assert isinstance(event, common.WorkProgress)


async def test_one_confirmation_is_enough_for_all_parts_of_an_import(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    database_id = service.registry.register(valkey_url, config=PRODUCTION)
    stub = BulkServiceStub(service.channel)

    def part(lines: bytes, first_line: int) -> bulk.ImportKeysRequest:
        return bulk.ImportKeysRequest(
            database_id=database_id, lines=lines, first_line=first_line, overwrite=True
        )

    error = await refusal(stub.ImportKeys(part(b"", 1), metadata=as_user()))
    for place in (1, 2):
        line = b'{"key":{"value":"k%d"},"type":"string","value":{"value":"v"}}\n' % place
        answer = await stub.ImportKeys(part(line, place), metadata=(*as_user(), *asked(error)))
        assert answer.lines == 1
    del valkey


async def test_other_databases_do_not_ask(service: Service, valkey: Redis, valkey_url: str) -> None:
    keys = KeyServiceStub(service.channel)
    for config in ({}, {"production": False}, {"production": "no"}):
        await valkey.set("a", 1)
        database_id = service.registry.register(valkey_url, config=dict(config))
        await keys.DeleteKeys(deletion(database_id, "a"), metadata=as_user())
        assert await valkey.exists("a") == 0


def test_a_confirmation_ends() -> None:
    ours, now = Confirmations("a secret of the services 0123456789"), time.time()
    token = ours.issue([b"a", b"bc"], now)
    assert ours.accepts(token, [b"a", b"bc"], now + LIFETIME_S - 2)
    assert not ours.accepts(token, [b"a", b"bc"], now + LIFETIME_S + 1)
    assert not ours.accepts(token, [b"ab", b"c"], now)
