"""Live streams over REST, as server-sent events."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.local_system import LocalSystem
from tests.support.redis_api import RedisApi, blob, content
from tests.support.sse import Event, events

EVERY_BYTE = bytes(range(256))
CANARY = "canary-1c5e2a"


@pytest.fixture
async def admin(system: LocalSystem) -> AsyncIterator[RedisApi]:
    async with system.client("administrator") as client:
        yield RedisApi(client, await RedisApi.sample_id(client))


async def next_event(stream: AsyncIterator[Event]) -> Event:
    async with asyncio.timeout(20):
        return await anext(stream)


async def streams_open(redis_engine: Redis) -> int:
    """Connections of the service that listen: MONITOR or subscriptions."""
    clients = await redis_engine.client_list()
    return sum("O" in each["flags"] or int(each["sub"]) + int(each["psub"]) > 0 for each in clients)


async def until_closed(redis_engine: Redis, before: int) -> None:
    async with asyncio.timeout(20):
        while await streams_open(redis_engine) > before:  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0.02)


async def test_messages_arrive_at_once_and_hanging_up_closes_the_connection(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    before = await streams_open(redis_engine)
    query: dict[str, str | list[str]] = {
        "channels": [f"{redis_key}:a", f"{redis_key}:ü"],
        "patterns": f"{redis_key}:p*",
    }
    async with events(redis_reader.http, "GET", f"{redis_reader.base}/subscribe", query=query) as stream:
        assert (await next_event(stream))["subscribed"] is True
        answer = await redis_api.post(
            "publish", channel={"value": f"{redis_key}:ü"}, payload=blob(EVERY_BYTE)
        )
        assert answer == {"receivers": 1}
        event = await next_event(stream)
        assert (content(event["channel"]), content(event["payload"])) == (
            f"{redis_key}:ü".encode(),
            EVERY_BYTE,
        )
        await redis_api.post("publish", channel={"value": f"{redis_key}:px"}, payload={"value": "m"})
        event = await next_event(stream)
        assert (event["pattern"], event["payload"]["value"]) == (f"{redis_key}:p*", "m")
        assert event["at_unix_ms"] > 1.6e12
        assert await streams_open(redis_engine) == before + 1

    await until_closed(redis_engine, before)


async def test_monitor_shows_commands_without_secrets(
    admin: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    before = await streams_open(redis_engine)
    query: dict[str, str | list[str]] = {"seconds": "60", "filter": redis_key}
    async with events(admin.http, "GET", f"{admin.base}/monitor", query=query) as stream:
        assert (await next_event(stream))["heartbeat"] is True
        words = ("MIGRATE", "127.0.0.1", "1", redis_key, "0", "10", "AUTH", CANARY)
        await redis_engine.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's
        event = await next_event(stream)
        assert [each["value"] for each in event["arguments"]] == [*words[:-1], "***"]
        assert event["client"].startswith("127.0.0.1:")

    await until_closed(redis_engine, before)


async def test_monitor_ends_after_its_seconds(admin: RedisApi) -> None:
    async with events(admin.http, "GET", f"{admin.base}/monitor", query={"seconds": "1"}) as stream:
        async with asyncio.timeout(20):
            found = [event async for event in stream]
    assert found
    assert all("error" not in event or not event["error"] for event in found)


async def test_events_of_keys_or_the_setting_that_is_missing(
    redis_api: RedisApi, redis_reader: RedisApi, redis_engine: Redis, redis_key: str
) -> None:
    was = (await redis_engine.config_get("notify-keyspace-events"))["notify-keyspace-events"]
    try:
        await redis_engine.config_set("notify-keyspace-events", "")
        answer = await redis_reader.http.get(f"{redis_reader.base}/keyspace-events")
        assert (answer.status_code, answer.json()["error_code"]) == (400, "NOT_SUPPORTED")
        assert answer.json()["details"][0]["metadata"]["setting"] == "notify-keyspace-events"
        await redis_engine.config_set("notify-keyspace-events", "KA")
        query: dict[str, str | list[str]] = {"pattern.value": f"{redis_key}*"}
        route = f"{redis_reader.base}/keyspace-events"
        async with events(redis_reader.http, "GET", route, query=query) as stream:
            assert (await next_event(stream))["heartbeat"] is True
            name = redis_key.encode() + EVERY_BYTE
            await redis_api.post("set", key_base64=base64.b64encode(name).decode(), value="x")
            event = await next_event(stream)
            assert (content(event["key"]), event["event"]) == (name, "set")
    finally:
        await redis_engine.config_set("notify-keyspace-events", was or "")


@pytest.mark.parametrize(("role", "route"), [("developer", "monitor"), ("read_only", "monitor")])
async def test_monitor_is_for_administrators(system: LocalSystem, role: str, route: str) -> None:
    async with system.client(role) as client:
        api = RedisApi(client, await RedisApi.sample_id(client))
        assert await api.get_refused(route) == (403, "PERMISSION_DENIED")


async def test_readers_do_not_publish(redis_reader: RedisApi) -> None:
    body = {"channel": {"value": "c"}, "payload": {"value": "m"}}
    assert await redis_reader.post_refused("publish", **body) == (403, "PERMISSION_DENIED")
    assert await redis_reader.get_refused("subscribe") == (400, "INVALID_ARGUMENT")
