"""The console over REST."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.local_system import LocalSystem
from tests.support.redis_api import Json, RedisApi, blob, content
from tests.system.conftest import OpenRedisApi

EVERY_BYTE = bytes(range(256))
CANARY = "canary-7f3d9b"


@pytest.fixture
async def admin(system: LocalSystem) -> AsyncIterator[RedisApi]:
    async with system.client("administrator") as client:
        yield RedisApi(client, await RedisApi.sample_id(client))


async def confirmation(api: RedisApi, *lines: str) -> str:
    answer = await api.http.post(f"{api.base}/console", json={"commands": [{"line": line} for line in lines]})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "CONFIRMATION_REQUIRED"
    return str(answer.json()["details"][0]["metadata"]["confirmation"])


async def run(api: RedisApi, *lines: str, token: str = "") -> list[Json]:
    answer = await api.post("console", commands=[{"line": line} for line in lines], confirmation=token)
    return [each["reply"] for each in answer["replies"]]


async def test_a_pipeline_is_answered_with_types_and_times(redis_api: RedisApi, redis_key: str) -> None:
    answer = await redis_api.post(
        "console",
        commands=[
            {"line": f"HSET {redis_key} \"field\\x00\" 1 'two words' 2"},
            {"line": f"HGETALL {redis_key}"},
            {"arguments": [{"value": "INCR"}, blob(f"{redis_key}:n".encode())]},
            {"line": "NOSUCHCOMMAND"},
        ],
    )

    replies = [each["reply"] for each in answer["replies"]]
    assert replies[0] == {"integer": "2"}
    items = replies[1]["map"]["items"]
    assert sorted(content(each["bulk"]) for each in items) == [b"1", b"2", b"field\0", b"two words"]
    assert replies[2] == {"integer": "1"}
    assert "unknown command" in replies[3]["error"]
    assert all(each["duration_ms"] > 0 and each["truncated"] is False for each in answer["replies"])


async def test_every_byte_survives(redis_api: RedisApi, redis_key: str) -> None:
    commands = [
        {"arguments": [{"value": "SET"}, {"value": redis_key}, blob(EVERY_BYTE)]},
        {"line": f"GET {redis_key}"},
    ]
    answer = await redis_api.post("console", commands=commands)
    assert base64.b64decode(answer["replies"][1]["reply"]["bulk"]["value_base64"]) == EVERY_BYTE


async def test_roles_are_those_of_the_commands(
    redis_api: RedisApi, redis_reader: RedisApi, admin: RedisApi, redis_key: str
) -> None:
    assert await redis_reader.post_refused("console", commands=[{"line": f"SET {redis_key} 1"}]) == (
        403,
        "PERMISSION_DENIED",
    )
    assert await redis_api.post_refused("console", commands=[{"line": "CONFIG GET maxmemory"}]) == (
        403,
        "PERMISSION_DENIED",
    )
    assert await run(redis_reader, f"GET {redis_key}") == [{"null": True}]
    assert await run(redis_api, f"SET {redis_key} 1") == [{"status": "OK"}]
    (reply,) = await run(admin, "CONFIG GET maxmemory")
    assert reply["map"]["items"][0]["bulk"]["value"] == "maxmemory"


@pytest.mark.parametrize(
    "line", ["SUBSCRIBE a", "BLPOP a 0", "MULTI", "SELECT 1", "SHUTDOWN", "CLIENT REPLY OFF"]
)
async def test_some_commands_are_refused_to_everybody(admin: RedisApi, line: str) -> None:
    assert await admin.post_refused("console", commands=[{"line": line}]) == (400, "COMMAND_REFUSED")


async def test_a_dangerous_command_needs_its_own_confirmation(
    admin: RedisApi, system: LocalSystem, redis_engine: Redis, redis_key: str
) -> None:
    line = f"SORT {redis_key}"
    await redis_engine.rpush(redis_key, 2, 1)
    token = await confirmation(admin, line)

    assert await admin.post_refused(
        "console", commands=[{"line": line}, {"line": line}], confirmation=token
    ) == (400, "CONFIRMATION_REQUIRED")
    async with system.client("owner") as other:
        another = RedisApi(other, await RedisApi.sample_id(other))
        assert await another.post_refused("console", commands=[{"line": line}], confirmation=token) == (
            400,
            "CONFIRMATION_REQUIRED",
        )
    (reply,) = await run(admin, line, token=token)
    assert [each["bulk"]["value"] for each in reply["list"]["items"]] == ["1", "2"]


async def test_nothing_runs_where_one_command_may_not(
    redis_api: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    status = await redis_api.post_refused(
        "console", commands=[{"line": f"SET {redis_key} 1"}, {"line": "FLUSHALL"}]
    )

    assert status == (403, "PERMISSION_DENIED")
    assert not await redis_engine.exists(redis_key)


async def test_unclosed_quotes_and_empty_commands_are_named(redis_api: RedisApi) -> None:
    for command in ({"line": 'GET "a'}, {"line": ""}, {}, {"line": "GET a", "arguments": [{"value": "GET"}]}):
        assert await redis_api.post_refused("console", commands=[{"line": "PING"}, command]) == (
            400,
            "INVALID_ARGUMENT",
        )
    assert await redis_api.post_refused("console", commands=[]) == (400, "INVALID_ARGUMENT")


async def test_the_commands_are_described_with_what_they_need(redis_reader: RedisApi) -> None:
    answer = await redis_reader.get("console/commands")

    by_name = {each["name"]: each for each in answer["commands"]}
    assert by_name["GET"]["role"] == "read_only"
    assert by_name["GET"]["summary"]
    assert by_name["GET"]["group"] == "string"
    assert (by_name["FLUSHALL"]["role"], by_name["FLUSHALL"]["confirmation"]) == ("administrator", True)
    assert by_name["CONFIG SET"]["confirmation"] is True
    assert (by_name["MULTI"]["role"], bool(by_name["MULTI"]["refused"])) == ("", True)


async def test_a_read_only_connection_refuses_changes_to_owners_too(
    system: LocalSystem, redis_key: str
) -> None:
    async with system.client("owner") as owner:
        answer = await owner.post(
            "/api/platform/databases",
            json={
                "projectRef": "default",
                "name": redis_key,
                "type": "redis",
                "connectionString": system.engines["redis"],
                "config": {"read_only": True},
            },
        )
        assert answer.is_success, answer.text
        api = RedisApi(owner, answer.json()["id"])
        try:
            assert await api.post_refused("console", commands=[{"line": f"SET {redis_key} 1"}]) == (
                403,
                "CONNECTION_READ_ONLY",
            )
            assert await run(api, f"GET {redis_key}") == [{"null": True}]
        finally:
            await owner.delete(f"/api/platform/databases/{answer.json()['id']}")


async def test_a_restricted_user_learns_which_permission_is_missing(
    restricted_redis_api: OpenRedisApi,
) -> None:
    api = await restricted_redis_api("get")
    assert await api.permission("POST", "console", commands=[{"line": "GET a"}]) == "+command|info"


async def test_secrets_of_commands_are_in_no_log(admin: RedisApi, system: LocalSystem) -> None:
    lines = [f"CONFIG SET requirepass {CANARY}", f"ACL SETUSER nobody >{CANARY}"]
    await confirmation(admin, *lines)
    await admin.post_refused("console", commands=[{"line": f"AUTH {CANARY}"}])
    await admin.post_refused("console", commands=[{"line": f'AUTH "{CANARY}'}])

    for process in ("redis_svc", "gateway", "registry"):
        assert CANARY not in system.log(process)
