"""The service over gRPC: requests in, answers and errors out, and the life of its connections."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest
from google.protobuf import struct_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2, status_pb2
from pydantic import ValidationError
from redis.asyncio import Redis

from services import VERSION
from services.redis_svc.settings import Settings
from studio.redis.v1 import redis_service_pb2 as pb
from studio.registry.v1.engine_service_pb2 import DiagnoseConnectionRequest
from tests.redis_svc.harness import Service, as_service, as_user, running_service
from tests.support import engine_service as harness
from tests.support.engines import ValkeyServer
from tests.support.fault_proxy import FaultProxy
from tests.support.odd_servers import until

StartValkey = Callable[..., Awaitable[ValkeyServer]]

EVERY_BYTE = bytes(range(256))


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as running:
        yield running


@pytest.fixture
def database_id(service: Service, valkey: Redis, valkey_url: str) -> str:
    del valkey
    return service.registry.register(valkey_url)


async def failure(call: Awaitable[object]) -> tuple[str, grpc.StatusCode, error_details_pb2.ErrorInfo]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    details = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    return info.reason, caught.value.code(), info


async def get(service: Service, database_id: str, key: str = "k", **fields: object) -> pb.GetValueResponse:
    request = pb.GetValueRequest(database_id=database_id, key=key, **fields)  # type: ignore[arg-type]  # any field
    return await service.redis.GetValue(request, metadata=as_user("read_only"), timeout=10)


async def list_keys(service: Service, database_id: str, **fields: object) -> pb.ListKeysResponse:
    request = pb.ListKeysRequest(database_id=database_id, **fields)  # type: ignore[arg-type]  # any field
    return await service.redis.ListKeys(request, metadata=as_user("read_only"), timeout=10)


async def set_value(service: Service, role: str = "developer", **fields: object) -> pb.SetValueResponse:
    request = pb.SetValueRequest(**fields)  # type: ignore[arg-type]  # any field
    return await service.redis.SetValue(request, metadata=as_user(role), timeout=10)


async def test_status_needs_no_engine(service: Service) -> None:
    status = await service.redis.GetStatus(pb.GetStatusRequest(), metadata=as_user("read_only"), timeout=10)

    assert status == pb.GetStatusResponse(service="redis_svc", version=VERSION)


async def test_every_key_once_through_all_pages(service: Service, database_id: str, valkey: Redis) -> None:
    async with valkey.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"user:{number}", "v", px=1_000_000)
        for number in range(500):
            pipe.sadd(f"cart:{number}", "a", "b")
        await pipe.execute()

    names: list[str] = []
    cursor = ""
    while True:
        page = await list_keys(service, database_id, pattern="user:*", count=100, cursor=cursor)
        names += [key.key for key in page.keys]
        assert page.total_estimate == 1500
        for key in page.keys:
            assert (key.type, key.length) == ("string", 1)
            assert 0 < key.ttl_ms <= 1_000_000
            assert key.memory_bytes > 0
        cursor = page.cursor
        if not cursor:
            break

    assert sorted(names) == sorted(f"user:{number}" for number in range(1000))


async def test_keys_that_are_not_utf_8_come_as_bytes(
    service: Service, database_id: str, valkey: Redis
) -> None:
    await valkey.set(EVERY_BYTE, "v")
    await valkey.set("ü", "v")

    page = await list_keys(service, database_id, pattern_base64=b"*")

    assert {key.WhichOneof("name"): key.key_base64 or key.key for key in page.keys} == {
        "key_base64": EVERY_BYTE,
        "key": "ü",
    }


async def test_a_mask_chooses_the_fields(service: Service, database_id: str, valkey: Redis) -> None:
    await valkey.set("k", "value")

    (key,) = (await list_keys(service, database_id, read_mask=FieldMask(paths=["type", "length"]))).keys
    assert key == pb.Key(key="k", type="string", length=5)
    (key,) = (await list_keys(service, database_id, read_mask=FieldMask(paths=["key"]))).keys
    assert key == pb.Key(key="k")


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"cursor": "nonsense"}, "INVALID_CURSOR", None),
        ({"read_mask": FieldMask(paths=["value"])}, "INVALID_ARGUMENT", "read_mask"),
        ({"type": "strnig"}, "INVALID_ARGUMENT", "type"),
        ({"type": "a b"}, "INVALID_ARGUMENT", "type"),
        ({"count": -1}, "INVALID_ARGUMENT", "count"),
        ({"count": 10_001}, "INVALID_ARGUMENT", "count"),
        ({"pattern": "x" * 4097}, "INVALID_ARGUMENT", "pattern"),
    ],
)
async def test_a_listing_that_asks_for_what_there_is_not(
    service: Service, database_id: str, fields: dict[str, object], reason: str, field: str | None
) -> None:
    del field
    found, code, _ = await failure(list_keys(service, database_id, **fields))

    assert (found, code) == (reason, grpc.StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("key", [b"", b"text", EVERY_BYTE, b"k" * 1_000_000])
@pytest.mark.parametrize("value", [b"", b"text", EVERY_BYTE, b"v" * 3_000_000])
async def test_any_key_and_value_make_the_round_trip(
    service: Service, database_id: str, valkey: Redis, key: bytes, value: bytes
) -> None:
    was_set = await set_value(service, database_id=database_id, key_base64=key, value_base64=value)
    request = pb.GetValueRequest(database_id=database_id, key_base64=key, limit=8_000_000)
    found = await service.redis.GetValue(request, metadata=as_user(), timeout=10)

    assert await valkey.get(key) == value
    assert was_set.length == found.length == len(value)
    is_text = value != EVERY_BYTE
    assert found.WhichOneof("content") == ("value" if is_text else "value_base64")
    assert (found.value.encode() if is_text else found.value_base64) == value
    assert (found.key_base64 or found.key.encode()) == key
    assert (found.type, found.ttl_ms, found.offset, found.truncated) == ("string", -1, 0, False)


async def test_a_range_says_that_more_follows_and_may_cut_a_character(
    service: Service, database_id: str, valkey: Redis
) -> None:
    await valkey.set("k", "aüb")

    found = await get(service, database_id, offset=0, limit=2)
    assert (found.value_base64, found.length, found.truncated) == (b"a\xc3", 4, True)
    found = await get(service, database_id, offset=3, limit=2)
    assert (found.value, found.offset, found.truncated) == ("b", 3, False)
    found = await get(service, database_id, offset=100)
    assert (found.value, found.length, found.truncated) == ("", 4, False)


async def test_a_key_that_is_missing_or_of_another_type(
    service: Service, database_id: str, valkey: Redis
) -> None:
    await valkey.lpush("list", "a")

    assert (await failure(get(service, database_id)))[:2] == ("KEY_NOT_FOUND", grpc.StatusCode.NOT_FOUND)
    reason, code, info = await failure(get(service, database_id, "list"))
    assert (reason, code) == ("WRONG_TYPE", grpc.StatusCode.FAILED_PRECONDITION)
    assert info.metadata["type"] == "list"


@pytest.mark.parametrize("offset", [0.5, 1e-9])
async def test_an_offset_is_a_whole_number(service: Service, database_id: str, offset: float) -> None:
    assert (await failure(get(service, database_id, offset=offset)))[0] == "INVALID_ARGUMENT"


async def test_conditions_and_expiry(service: Service, database_id: str, valkey: Redis) -> None:
    target = {"database_id": database_id, "key": "k", "value": "v"}

    assert (await failure(set_value(service, **target, if_exists=True)))[0] == "KEY_NOT_FOUND"
    await set_value(service, **target, ttl_ms=500_000, if_not_exists=True)
    assert 0 < await valkey.pttl("k") <= 500_000
    reason, code, _ = await failure(set_value(service, **target, if_not_exists=True))
    assert (reason, code) == ("CONFLICT", grpc.StatusCode.ABORTED)
    await set_value(service, **target, keep_ttl=True)
    assert 0 < await valkey.pttl("k") <= 500_000
    assert (await failure(set_value(service, **target, ttl_ms=1.5)))[0] == "INVALID_ARGUMENT"
    assert (await failure(set_value(service, **target, ttl_ms=0)))[0] == "INVALID_ARGUMENT"


async def test_a_value_beyond_the_limit(service: Service, database_id: str) -> None:
    too_large = b"x" * (16 * 1024 * 1024 + 1)
    call = set_value(service, database_id=database_id, key="k", value_base64=too_large)

    assert (await failure(call))[0] == "PAYLOAD_TOO_LARGE"


async def test_info(service: Service, database_id: str) -> None:
    request = pb.GetInfoRequest(database_id=database_id, section="memory")
    found = await service.redis.GetInfo(request, metadata=as_user("read_only"), timeout=10)

    assert list(found.sections) == ["memory"]
    assert isinstance(found.sections["memory"]["used_memory"], float)


async def test_a_reader_may_not_set(service: Service, database_id: str, valkey: Redis) -> None:
    fields = {"database_id": database_id, "key": "k", "value": "v"}

    reason, code, _ = await failure(set_value(service, "read_only", **fields))

    assert (reason, code) == ("PERMISSION_DENIED", grpc.StatusCode.PERMISSION_DENIED)
    assert await valkey.exists("k") == 0


async def test_a_database_that_is_not_registered(service: Service) -> None:
    assert (await failure(get(service, str(uuid.uuid4()))))[:2] == ("DB_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


async def test_the_registry_is_asked_once_for_many_calls(service: Service, database_id: str) -> None:
    await until(lambda: service.registry.watchers == 1)
    await list_keys(service, database_id)
    asked = service.registry.resolved

    await asyncio.gather(*(list_keys(service, database_id) for _ in range(20)))

    assert service.registry.resolved == asked


async def test_concurrent_calls_share_one_connection_and_its_round_trips(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    await valkey.set("k", "v")
    async with FaultProxy("127.0.0.1", int(valkey_url.rpartition(":")[2])) as proxy:
        database_id = service.registry.register(f"{valkey_url.rpartition(':')[0]}:{proxy.port}")

        await asyncio.gather(*(get(service, database_id) for _ in range(64)))

        assert proxy.connections == 1


async def test_a_changed_connection_is_dropped_and_the_new_one_used(
    service: Service, database_id: str, valkey: Redis, valkey_url: str
) -> None:
    await until(lambda: service.registry.watchers == 1)
    await valkey.set("k", "in zero")
    assert (await get(service, database_id)).value == "in zero"

    service.registry.register(valkey_url + "/3", database_id)

    async with asyncio.timeout(10):
        while (await asyncio.gather(get(service, database_id), return_exceptions=True))[
            0
        ] == pb.GetValueResponse(key="k", type="string", ttl_ms=-1, value="in zero", length=7):
            pass
    assert (await failure(get(service, database_id)))[0] == "KEY_NOT_FOUND"


async def test_a_deleted_connection_is_closed(service: Service, database_id: str, valkey: Redis) -> None:
    await until(lambda: service.registry.watchers == 1)
    await list_keys(service, database_id)

    async def ours() -> int:
        return sum(each["name"] == "studio-databases" for each in await valkey.client_list())

    assert await ours() == 1
    service.registry.remove(database_id)
    async with asyncio.timeout(10):
        while await ours():
            pass
    assert (await failure(get(service, database_id)))[0] == "DB_NOT_FOUND"


async def test_the_service_works_on_while_the_registry_is_away(
    service: Service, database_id: str, valkey: Redis
) -> None:
    await valkey.set("k", "v")
    await get(service, database_id)
    service.registry.connections.clear()

    assert (await get(service, database_id)).value == "v"


async def test_a_connection_string_that_another_key_sealed(valkey_url: str) -> None:
    async with running_service(redis_crypto_key="another-key-than-the-registry-uses") as service:
        database_id = service.registry.register(valkey_url)

        reason, code, _ = await failure(get(service, database_id))

    assert (reason, code) == ("CONNECTION_UNREADABLE", grpc.StatusCode.FAILED_PRECONDITION)


async def test_more_busy_databases_than_clients_allowed_are_refused_at_once(
    valkey: Redis, valkey_url: str
) -> None:
    del valkey
    async with (
        FaultProxy("127.0.0.1", int(valkey_url.rpartition(":")[2])) as proxy,
        running_service(redis_max_connections=1) as service,
    ):
        busy = service.registry.register(f"{valkey_url.rpartition(':')[0]}:{proxy.port}")
        other = service.registry.register(valkey_url)
        await list_keys(service, busy)
        proxy.stall()
        waiting = asyncio.create_task(list_keys(service, busy))
        await until(lambda: proxy.bytes_to_server > 0)
        await asyncio.sleep(0.1)

        reason, code, _ = await failure(list_keys(service, other))
        proxy.resume()

        assert (reason, code) == ("RESOURCE_EXHAUSTED", grpc.StatusCode.RESOURCE_EXHAUSTED)
        await waiting
        await list_keys(service, other)


async def test_a_deadline_ends_the_call_and_leaves_the_connection_in_step(
    service: Service, valkey: Redis, valkey_url: str
) -> None:
    await valkey.set("k", "mine")
    await valkey.set("other", "another's")
    async with FaultProxy("127.0.0.1", int(valkey_url.rpartition(":")[2])) as proxy:
        database_id = service.registry.register(f"{valkey_url.rpartition(':')[0]}:{proxy.port}")
        await get(service, database_id)
        proxy.stall()
        request = pb.GetValueRequest(database_id=database_id, key="other")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.redis.GetValue(request, metadata=as_user(), timeout=0.1)
        proxy.resume()

        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert (await get(service, database_id)).value == "mine"
        assert proxy.connections == 1


async def test_a_storm_of_cancelled_calls_mixes_nothing_up(
    service: Service, database_id: str, valkey: Redis
) -> None:
    for number in range(32):
        await valkey.set(f"k{number}", f"value {number}")

    async def caller(number: int) -> None:
        for turn in range(30):
            request = pb.GetValueRequest(database_id=database_id, key=f"k{number}")
            call = service.redis.GetValue(request, metadata=as_user(), timeout=10)
            if (turn * 7 + number) % 3:
                await asyncio.sleep(0.0005 * (turn % 5))
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
            else:
                assert (await call).value == f"value {number}"

    await asyncio.gather(*(caller(number) for number in range(32)))


async def test_a_server_that_is_down_is_said_to_be_so_and_to_pass(service: Service, closed_port: int) -> None:
    database_id = service.registry.register(f"redis://:s3cr3t-canary@127.0.0.1:{closed_port}")

    reason, code, info = await failure(get(service, database_id))

    assert (reason, code) == ("DB_CONNECTION_FAILED", grpc.StatusCode.UNAVAILABLE)
    assert info.metadata["stage"] == "tcp"
    assert "canary" not in str(info)


async def diagnose(service: Service, url: str, config: dict[str, str] | None = None) -> tuple[bool, str, str]:
    row = str(uuid.uuid4())
    settings = struct_pb2.Struct()
    settings.update(config or {})
    request = DiagnoseConnectionRequest(
        id=row, ciphertext=harness.KEYS.seal(url, row_id=row, type_="redis"), config=settings
    )
    found = await service.engine.DiagnoseConnection(request, metadata=as_service(), timeout=10)
    return found.success, found.stage, found.error_code


async def test_the_registry_has_connections_tested(
    service: Service, valkey_url: str, closed_port: int
) -> None:
    assert await diagnose(service, valkey_url) == (True, "done", "")
    assert await diagnose(service, f"redis://127.0.0.1:{closed_port}") == (
        False,
        "tcp",
        "DB_CONNECTION_FAILED",
    )
    assert await diagnose(service, "nonsense") == (False, "parse", "INVALID_CONNECTION_STRING")


async def test_an_authority_in_the_settings_is_used(service: Service, start_valkey: StartValkey) -> None:
    server = await start_valkey(tls=True)
    assert server.authority is not None

    assert await diagnose(service, server.url) == (False, "tls", "DB_TLS_FAILED")
    config = {"tls_ca_pem": server.authority.certificate.read_text()}
    assert await diagnose(service, server.url, config) == (True, "done", "")


async def test_a_ciphertext_of_another_row_is_not_tested(service: Service, valkey_url: str) -> None:
    sealed = harness.KEYS.seal(valkey_url, row_id=str(uuid.uuid4()), type_="redis")
    request = DiagnoseConnectionRequest(id=str(uuid.uuid4()), ciphertext=sealed)

    reason, _, _ = await failure(
        service.engine.DiagnoseConnection(request, metadata=as_service(), timeout=10)
    )

    assert reason == "CONNECTION_UNREADABLE"


async def test_no_user_may_have_connections_tested_past_the_registry(service: Service) -> None:
    request = DiagnoseConnectionRequest(id=str(uuid.uuid4()), ciphertext="x")

    reason, _, _ = await failure(service.engine.DiagnoseConnection(request, metadata=as_user(), timeout=10))

    assert reason == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"redis_crypto_key": None}, "REDIS_CRYPTO_KEY"),
        ({"outbound_deny": "not-a-network"}, "must list networks"),
        ({"redis_command_timeout_s": 0}, "greater than 0"),
    ],
)
def test_a_setting_that_can_not_be_used_stops_the_start(settings: dict[str, object], says: str) -> None:
    values = {
        "jwt_secret": harness.JWT_SECRET,
        "service_token_secret": harness.SERVICE_SECRET,
        "redis_crypto_key": harness.CRYPTO_KEY,
        **settings,
    }
    with pytest.raises(ValidationError, match=says):
        Settings.model_validate(values)
