"""The audit log from end to end: what a caller did through the gateway is what an administrator reads there."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.support.failures import until
from tests.support.local_system import LocalSystem
from tests.support.redis_api import RedisApi

AUDIT_LOG = "/api/platform/audit-log"


async def test_a_call_is_read_where_and_as_it_was_made(
    system: LocalSystem, redis_api: RedisApi, redis_key: str
) -> None:
    """In the list, in the database's own list, and in an export, all the same."""
    await redis_api.post("set", key=redis_key, value="a value is never recorded")
    wanted = {"target": redis_key, "action": "redis.", "effect": "changes", "since": "2020-01-01T00:00:00Z"}
    async with system.client("administrator") as admin:

        async def arrived() -> bool:
            return bool(await listed(admin, AUDIT_LOG, wanted))

        await until(arrived)
        (event,) = await listed(admin, AUDIT_LOG, wanted)
        told = {
            name: event[name] for name in ("action", "outcome", "effect", "credential", "role", "service")
        }
        assert told == {
            "action": "redis.key.set",
            "outcome": "ok",
            "effect": "changes",
            "credential": "token",
            "role": "developer",
            "service": "redis_svc",
        }
        assert event["target"]["key"] == redis_key
        assert event["duration_ms"] > 0
        assert "a value" not in json.dumps(event)
        own = f"/api/platform/databases/{event['database_id']}/audit-log"
        assert await listed(admin, own, wanted) == [event]

        answer = await admin.get(f"{AUDIT_LOG}/export", params=wanted)
        assert answer.headers["content-type"] == "application/x-ndjson"
        (line,) = [json.loads(each) for each in answer.text.splitlines()]
        for name in ("at", "recorded_at"):
            assert line.pop(name)[:19] == event.pop(name)[:19]
        assert line == event


async def test_reading_the_log_is_recorded_and_not_for_developers(system: LocalSystem) -> None:
    async with system.client("developer") as developer, system.client("administrator") as admin:
        assert (await developer.get(f"{AUDIT_LOG}/export")).status_code == 403
        refused = await developer.get(AUDIT_LOG)
        assert refused.status_code == 403
        denied = {"outcome": "denied", "request_id": refused.headers["x-request-id"]}

        async def told() -> bool:
            return bool(await listed(admin, AUDIT_LOG, denied))

        await until(told)
        (event,) = await listed(admin, AUDIT_LOG, denied)
        assert (event["action"], event["reason"]) == ("registry.audit.list", "PERMISSION_DENIED")
        assert event["role"] == "developer"


async def test_a_wrong_parameter_is_the_callers_mistake(system: LocalSystem) -> None:
    async with system.client("administrator") as admin:
        for wrong in (
            {"effect": "writes"},
            {"since": "yesterday"},
            {"page_size": "1001"},
            {"page_token": "none-of-ours"},
            {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        ):
            answer = await admin.get(AUDIT_LOG, params=wrong)
            assert answer.status_code == 400, wrong
            assert answer.json()["message"]


async def listed(client: httpx.AsyncClient, path: str, filters: dict[str, str]) -> list[dict[str, Any]]:
    answer = await client.get(path, params=filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["events"]
    return found
