"""REST requests reach the right rpc with the right fields; its message comes back as the JSON that REST promises."""

from __future__ import annotations

import base64
import math
import re

import httpx
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.contract import Method, load_contract
from studio.redis.v1 import redis_service_pb2 as redis_pb
from studio.registry.v1 import database_pb2 as database_pb
from studio.registry.v1 import registry_service_pb2 as registry_pb
from tests.gateway.harness import DATABASE_ID, Script

REDIS = f"/api/platform/redis/{DATABASE_ID}"
BYTES = b"\xfb\xff\x00"


async def test_path_and_query_bind(client: httpx.AsyncClient, redis: Script) -> None:
    redis.returns("ListKeys", redis_pb.ListKeysResponse())
    query = {"pattern": "user:*", "type": "hash", "count": "50", "cursor": "18446744073709551615"}
    assert (await client.get(f"{REDIS}/keys", params=query)).status_code == 200
    assert redis.calls[-1].request == redis_pb.ListKeysRequest(
        database_id=DATABASE_ID, pattern="user:*", type="hash", count=50, cursor="18446744073709551615"
    )


@pytest.mark.parametrize("name", ["project_ref", "projectRef"])
async def test_both_spellings_in_the_query(client: httpx.AsyncClient, registry: Script, name: str) -> None:
    registry.returns("ListDatabases", registry_pb.ListDatabasesResponse())
    assert (await client.get("/api/platform/databases", params={name: "default"})).status_code == 200
    assert registry.calls[-1].request.project_ref == "default"


@pytest.mark.parametrize(
    "body", [{"projectRef": "p", "skipTest": True}, {"project_ref": "p", "skip_test": True}]
)
async def test_both_spellings_in_the_body(
    client: httpx.AsyncClient, registry: Script, body: dict[str, object]
) -> None:
    registry.returns("CreateDatabase", database_pb.Database())
    assert (await client.post("/api/platform/databases", json=body)).status_code == 201
    assert registry.calls[-1].request == registry_pb.CreateDatabaseRequest(project_ref="p", skip_test=True)


@pytest.mark.parametrize("name", ["key_base64", "keyBase64"])
@pytest.mark.parametrize("encode", [base64.standard_b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
async def test_bytes_in_the_query(
    client: httpx.AsyncClient, redis: Script, name: str, encode: object, *, padded: bool
) -> None:
    assert callable(encode)
    text = encode(BYTES + b"\xff").decode()
    redis.returns("GetValue", redis_pb.GetValueResponse())
    answer = await client.get(f"{REDIS}/get", params={name: text if padded else text.rstrip("=")})
    assert answer.status_code == 200
    assert redis.calls[-1].request.key_base64 == BYTES + b"\xff"


async def test_a_bare_plus_is_a_space_as_in_forms(client: httpx.AsyncClient, redis: Script) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse())
    assert (await client.get(f"{REDIS}/get?key=a+b%20c%2Bd")).status_code == 200
    assert redis.calls[-1].request.key == "a b c+d"
    assert (await client.get(f"{REDIS}/get?key_base64=+/8=")).status_code == 400


@pytest.mark.parametrize("header", ["x-$mine", "x|y", "~", "x-mine-bin"])
async def test_headers_that_grpc_cannot_carry_stay_behind(
    client: httpx.AsyncClient, redis: Script, header: str
) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse())
    answer = await client.get(f"{REDIS}/get", params={"key": "a"}, headers={header: "no base64!"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("key", ["", "\x00", "ключ 🔑", "a/b?c#d%", '"\\'])
async def test_text_keys_in_the_query(client: httpx.AsyncClient, redis: Script, key: str) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse())
    assert (await client.get(f"{REDIS}/get", params={"key": key})).status_code == 200
    request = redis.calls[-1].request
    assert (request.WhichOneof("name"), request.key) == ("key", key)


@pytest.mark.parametrize(
    "query", ["read_mask=type,ttl_ms", "readMask=type,ttlMs", "read_mask=type&read_mask=ttl_ms"]
)
async def test_field_masks_in_the_query(client: httpx.AsyncClient, redis: Script, query: str) -> None:
    redis.returns("ListKeys", redis_pb.ListKeysResponse())
    assert (await client.get(f"{REDIS}/keys?{query}")).status_code == 200
    assert list(redis.calls[-1].request.read_mask.paths) == ["type", "ttl_ms"]


async def test_quantities_are_numbers_and_cursors_strings(client: httpx.AsyncClient, redis: Script) -> None:
    key = redis_pb.Key(key="k", type="hash", ttl_ms=-1, memory_bytes=12345678901, length=0.5)
    redis.returns(
        "ListKeys",
        redis_pb.ListKeysResponse(keys=[key], cursor="18446744073709551615", total_estimate=2.0**53),
    )
    answer = await client.get(f"{REDIS}/keys")
    assert answer.text == (
        '{"keys":[{"key":"k","type":"hash","ttl_ms":-1,"memory_bytes":12345678901,"length":0.5}],'
        '"cursor":"18446744073709551615","scanned":0,"total_estimate":9007199254740992}'
    )


async def test_what_json_has_no_number_for_is_a_string(client: httpx.AsyncClient, redis: Script) -> None:
    redis.returns("ListKeys", redis_pb.ListKeysResponse(total_estimate=math.nan))
    assert (await client.get(f"{REDIS}/keys")).json()["total_estimate"] == "NaN"


async def test_only_the_oneof_member_that_is_set_is_printed(client: httpx.AsyncClient, redis: Script) -> None:
    redis.returns("GetValue", redis_pb.GetValueResponse(key_base64=BYTES, type="string", value=""))
    assert (await client.get(f"{REDIS}/get?key=k")).json() == {
        "key_base64": base64.b64encode(BYTES).decode(),
        "type": "string",
        "ttl_ms": 0,
        "value": "",
        "length": 0,
        "offset": 0,
        "truncated": False,
    }


async def test_structs_are_plain_json(client: httpx.AsyncClient, redis: Script) -> None:
    section = Struct()
    section.update({"a": 1, "b": 1.5, "c": "x", "d": None, "e": [1, {"f": True}], "g": {}, "big": 2**53})
    redis.returns("GetInfo", redis_pb.GetInfoResponse(sections={"memory": section}))
    assert (await client.get(f"{REDIS}/info")).json() == {
        "sections": {
            "memory": {"a": 1, "b": 1.5, "c": "x", "d": None, "e": [1, {"f": True}], "g": {}, "big": 2**53}
        }
    }


async def test_a_list_is_a_bare_array_with_the_next_token_in_a_header(
    client: httpx.AsyncClient, registry: Script
) -> None:
    databases = [
        database_pb.Database(id="1", name='"}],[{\\"', created_at=Timestamp(seconds=1)),
        database_pb.Database(id="2", description='"next_page_token":"forged"'),
    ]
    registry.returns(
        "ListDatabases", registry_pb.ListDatabasesResponse(databases=databases, next_page_token="a<=b")
    )
    answer = await client.get("/api/platform/databases")
    assert answer.headers["x-next-page-token"] == "a<=b"
    first, second = answer.json()
    assert (first["name"], first["port"], first["created_at"]) == ('"}],[{\\"', 0, "1970-01-01T00:00:01Z")
    assert second["description"] == '"next_page_token":"forged"'


async def test_the_last_page_has_no_token(client: httpx.AsyncClient, registry: Script) -> None:
    registry.returns("ListDatabases", registry_pb.ListDatabasesResponse())
    answer = await client.get("/api/platform/databases")
    assert (answer.text, answer.headers.get("x-next-page-token")) == ("[]", None)


async def test_a_token_that_the_service_sends_as_metadata_stays(
    client: httpx.AsyncClient, registry: Script
) -> None:
    response = registry_pb.ListDatabasesResponse(next_page_token="other")
    registry.returns("ListDatabases", response, metadata={"x-next-page-token": "own"})
    answer = await client.get("/api/platform/databases")
    assert answer.headers.get_list("x-next-page-token") == ["own"]


async def test_a_large_list_is_unwrapped_as_well(client: httpx.AsyncClient, registry: Script) -> None:
    databases = [database_pb.Database(name=f"n{i}", description='"x"\\' * 1000) for i in range(500)]
    registry.returns("ListDatabases", registry_pb.ListDatabasesResponse(databases=databases))
    found = (await client.get("/api/platform/databases")).json()
    assert [each["name"] for each in found] == [f"n{i}" for i in range(500)]


async def test_create_answers_201(client: httpx.AsyncClient, registry: Script) -> None:
    registry.returns("CreateDatabase", database_pb.Database(id="1", name="a"))
    answer = await client.post("/api/platform/databases", json={"name": "a"})
    assert (answer.status_code, answer.json()["id"]) == (201, "1")


async def test_a_literal_path_wins_over_a_variable(client: httpx.AsyncClient, registry: Script) -> None:
    registry.returns("TestConnection", database_pb.ConnectionDiagnosis(success=True))
    answer = await client.post("/api/platform/databases/test", json={"type": "redis"})
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    registry.returns("TestDatabase", database_pb.ConnectionDiagnosis())
    await client.post(f"/api/platform/databases/{DATABASE_ID}/test", json={})
    assert [call.method for call in registry.calls] == ["TestConnection", "TestDatabase"]
    assert registry.calls[-1].request.id == DATABASE_ID


async def test_answers_of_many_megabytes_arrive_whole(client: httpx.AsyncClient, redis: Script) -> None:
    value = bytes(range(256)) * 40_000
    redis.returns("GetValue", redis_pb.GetValueResponse(key="k", value_base64=value))
    for encoding in ("identity", "gzip"):
        answer = await client.get(f"{REDIS}/get?key=k", headers={"accept-encoding": encoding})
        assert answer.headers.get("content-encoding", "identity") == encoding
        assert base64.b64decode(answer.json()["value_base64"]) == value


async def test_small_answers_are_not_compressed(client: httpx.AsyncClient, redis: Script) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse(service="s"))
    assert "content-encoding" not in (await client.get("/api/platform/redis/status")).headers


def test_every_message_that_is_transcoded_keeps_64_bit_integers_out() -> None:
    # proto3 JSON prints them as strings; quantities are doubles or 32-bit instead.
    kinds = {3, 4, 6, 16, 18}
    found = [
        f"{message.name}.{field.name}"
        for file in load_contract().files.file
        if file.package.startswith("studio.")
        for message in file.message_type
        for field in message.field
        if field.type in kinds
    ]
    assert found == []


WITHOUT_BODY = [method for method in load_contract().methods.values() if method.success_status == 204]


@pytest.mark.parametrize("method", WITHOUT_BODY, ids=lambda method: method.name)
async def test_204_has_no_body(
    client: httpx.AsyncClient, registry: Script, redis: Script, mongodb_script: Script, method: Method
) -> None:
    for script in (registry, redis, mongodb_script):
        script.returns(method.name, Empty())  # whatever it is called, it has no field
    rule = method.http[0]
    for _ in range(2):
        # Twice on one connection: bytes after a 204 would be taken for the next answer.
        answer = await client.request(rule.verb, re.sub(r"\{[^}]+\}", DATABASE_ID, rule.template))
        assert (answer.status_code, answer.content) == (204, b"")
        assert not {"content-type", "content-length", "transfer-encoding"} & set(answer.headers)
