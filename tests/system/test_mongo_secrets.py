"""Secrets of MongoDB databases are in no answer, log or metric: connection strings, keys, passwords of new users."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.mongodb import MongoFactory, MongoServer, MongoUser
from tests.support.tls import Authority

CANARY = f"canary-{secrets.token_hex(8)}"
ADMIN = MongoUser("admin", f"{CANARY}-connection", ("root",))
DATABASES = "/api/platform/databases"
PROCESSES = ("registry", "mongo_svc", "gateway", "redis_svc")


@pytest.fixture
async def server(start_mongodb: MongoFactory) -> MongoServer:
    return await asyncio.to_thread(start_mongodb, users=(ADMIN,))


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as client:
        yield client


def with_key(url: str, authority: Authority) -> tuple[str, str]:
    """The URL with a client's certificate and key, and a line of that key."""
    issued = authority.issue(name="client")
    key = issued.key.read_text()
    pem = quote(issued.certificate.read_text() + key, safe="")
    return f"{url}&tls=true&tlsCertificateKeyData={pem}", key.splitlines()[1]


def shown(system: LocalSystem) -> str:
    """All that processes have logged, and all metrics."""
    logs = [system.log(name) for name in PROCESSES]
    metrics = [str(system.metrics(name)) for name in ("registry", "mongo_svc")]
    return "\n".join(logs + metrics)


async def test_connection_strings_and_keys_stay_secret(
    system: LocalSystem, owner: httpx.AsyncClient, server: MongoServer, tmp_path: Path
) -> None:
    good = server.url_of(ADMIN.name, ADMIN.password)
    wrong = server.url_of(ADMIN.name, f"{CANARY}-wrong")
    keyed, key = with_key(good, Authority(tmp_path))
    new: dict[str, Any] = {"projectRef": "default", "type": "mongodb"}
    answers = [
        await owner.post(f"{DATABASES}/test", json={"type": "mongodb", "connectionString": url})
        for url in (good, wrong, keyed, f"{good}&tlsCAData={CANARY}", f"{good}&authMechanism={CANARY}")
    ]
    assert [answer.json().get("success") for answer in answers] == [True, False, False, False, None]
    for url, status in ((good, 201), (wrong, 400), (keyed, 400)):
        name = f"test-{secrets.token_hex(8)}"
        answers.append(await owner.post(DATABASES, json={**new, "name": name, "connectionString": url}))
        assert answers[-1].status_code == status, answers[-1].text
    created = next(answer.json()["id"] for answer in answers if answer.status_code == 201)
    answers += [
        await owner.patch(f"{DATABASES}/{created}", json={"password": f"{CANARY}-other"}),
        await owner.patch(f"{DATABASES}/{created}", json={"password": f"{CANARY}-other", "skipTest": True}),
        # What it logs in with is wrong now.
        await owner.get(f"/api/platform/mongodb/{created}/documents", params={"collection": CANARY[:3]}),
        await owner.get(f"{DATABASES}/{created}"),
        await owner.get(DATABASES),
        await owner.delete(f"{DATABASES}/{created}"),
        await owner.get("/api/platform/audit-log"),
    ]
    for text in (*(answer.text + str(answer.headers) for answer in answers), shown(system)):
        assert CANARY not in text
        assert key not in text


async def test_passwords_of_new_users_stay_secret(
    system: LocalSystem, mongo_admin: MongoApi, mongo_database: str
) -> None:
    password = f"{CANARY}-user"
    user: dict[str, object] = {"databaseName": mongo_database, "user": "u", "password": password}
    role = {"role": "read", "databaseName": mongo_database}
    await mongo_admin.send("PUT", "server/profiler", body={"databaseName": mongo_database, "level": 2})
    answers = [
        await mongo_admin.send("POST", "users", body={**user, "roles": [role]}),
        await mongo_admin.send("POST", "users", body={**user, "roles": [role]}),
        await mongo_admin.send(
            "POST", "users", body={**user, "user": "v", "roles": [{"role": password[:8]}]}
        ),
        await mongo_admin.send("POST", "users", body={**user, "roles": password[:3]}),
        await mongo_admin.send("POST", "users", body={**user, "password": {"pwd": password}}),
        await mongo_admin.send("PATCH", "users", body={**user, "mechanisms": [password]}),
        await mongo_admin.send("PATCH", "users", body=user),
        await mongo_admin.send("GET", "users", query={"databaseName": mongo_database}),
        await mongo_admin.send("GET", "server/profiler/entries", query={"databaseName": mongo_database}),
        await mongo_admin.send("GET", "server/operations", query={"idle": "true", "system": "true"}),
        await mongo_admin.send("GET", "server/log"),
        await mongo_admin.http.post(
            f"{mongo_admin.base}/users",
            content=f'{{"user": "u", "password": "{password}", "roles": [}}'.encode(),
        ),
        await mongo_admin.send("DELETE", "users", query={"databaseName": mongo_database, "user": "u"}),
    ]
    await mongo_admin.send("PUT", "server/profiler", body={"databaseName": mongo_database, "level": 0})
    assert [answers[0].status_code, answers[1].status_code, answers[6].status_code] == [201, 409, 200]
    assert not any(answer.is_server_error for answer in answers)
    for text in (*(answer.text + str(answer.headers) for answer in answers), shown(system)):
        assert CANARY not in text
