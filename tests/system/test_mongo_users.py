"""Users and roles through the gateway, on the sample MongoDB."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from tests.support.local_system import LocalSystem
from tests.support.mongo_accounts import registered_as
from tests.support.mongo_api import MongoApi

Engine = AsyncMongoClient[dict[str, Any]]

CANARY = "correct-horse-battery-staple"


@pytest.fixture
async def user(mongo_engine: Engine, mongo_database: str) -> AsyncIterator[str]:
    """The name of a user of the test's own; the users and roles of the test's database are dropped afterwards."""
    yield f"user-{secrets.token_hex(4)}"
    await mongo_engine[mongo_database].command("dropAllUsersFromDatabase")
    await mongo_engine[mongo_database].command("dropAllRolesFromDatabase")


async def test_a_user_is_created_changed_and_dropped(
    system: LocalSystem, mongo_admin: MongoApi, mongo_database: str, user: str
) -> None:
    created = await mongo_admin.send(
        "POST",
        "users",
        body={
            "databaseName": mongo_database,
            "user": user,
            "password": CANARY,
            "roles": [{"role": "read"}, {"role": "readWrite", "databaseName": "other"}],
            "customData": {"team": "shop"},
        },
    )
    assert created.status_code == 201
    assert CANARY not in created.text
    assert created.json()["roles"] == [
        {"role": "read", "database_name": mongo_database},
        {"role": "readWrite", "database_name": "other"},
    ]
    assert await can_log_in(system, mongo_database, user, CANARY)

    changed = await mongo_admin.send(
        "PATCH",
        "users",
        body={"database_name": mongo_database, "user": user, "password": f"{CANARY}2", "clear": ["roles"]},
    )
    assert changed.json()["roles"] == []
    assert await can_log_in(system, mongo_database, user, f"{CANARY}2")
    assert not await can_log_in(system, mongo_database, user, CANARY)

    roles = await mongo_admin.post(
        "users/roles", database_name=mongo_database, user=user, grant=[{"role": "dbAdmin"}, {"role": "read"}]
    )
    assert {each["role"] for each in roles["roles"]} == {"dbAdmin", "read"}
    roles = await mongo_admin.post(
        "users/roles", database_name=mongo_database, user=user, revoke=[{"role": "dbAdmin"}]
    )
    assert roles["roles"] == [{"role": "read", "database_name": mongo_database}]

    dropped = await mongo_admin.send("DELETE", "users", query={"database_name": mongo_database, "user": user})
    assert (dropped.status_code, dropped.content) == (204, b"")
    again = await mongo_admin.send("DELETE", "users", query={"database_name": mongo_database, "user": user})
    assert (again.status_code, again.json()["error_code"]) == (404, "NAMESPACE_NOT_FOUND")
    for process in ("mongo_svc", "gateway"):
        assert CANARY not in system.log(process)


async def test_users_are_listed_page_by_page_without_credentials(
    mongo_admin: MongoApi, mongo_database: str, user: str
) -> None:
    for number in range(3):
        await mongo_admin.post(
            "users", database_name=mongo_database, user=f"{user}-{number}", password=CANARY, roles=[]
        )
    first = await mongo_admin.get("users", database_name=mongo_database, page_size=2)
    rest = await mongo_admin.get(
        "users", database_name=mongo_database, page_size=2, page_token=first["next_page_token"]
    )
    assert [each["user"] for each in first["users"] + rest["users"]] == [f"{user}-{n}" for n in range(3)]
    assert rest["next_page_token"] == ""
    assert "credentials" not in str(first).lower()
    found = await mongo_admin.get("users", database_name=mongo_database, search=f"{user}-1")
    assert [each["user"] for each in found["users"]] == [f"{user}-1"]
    assert await mongo_admin.get_refused("users", database_name=mongo_database, user="nobody") == (
        404,
        "NAMESPACE_NOT_FOUND",
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"password": ""}, "INVALID_ARGUMENT"),
        ({"roles": [{"role": "no-such-role"}]}, "NAMESPACE_NOT_FOUND"),
        ({"mechanisms": ["MONGODB-CR"]}, "INVALID_ARGUMENT"),
        ({"customData": 5}, "INVALID_ARGUMENT"),
        ({"pwd": CANARY}, "INVALID_ARGUMENT"),
    ],
)
async def test_a_wrong_user_is_refused_without_repeating_its_password(
    mongo_admin: MongoApi, mongo_database: str, user: str, body: dict[str, object], code: str
) -> None:
    whole = {"databaseName": mongo_database, "user": user, "password": CANARY, **body}
    answer = await mongo_admin.send("POST", "users", body=whole)
    assert (answer.json()["error_code"], 400 <= answer.status_code < 500) == (code, True), answer.text
    assert CANARY not in answer.text


async def test_a_user_of_the_same_name_is_refused(
    mongo_admin: MongoApi, mongo_database: str, user: str
) -> None:
    body: dict[str, Any] = {"database_name": mongo_database, "user": user, "password": CANARY}
    await mongo_admin.post("users", **body)
    assert await mongo_admin.post_refused("users", **body) == (409, "ALREADY_EXISTS")


async def test_the_user_of_the_connection_itself_is_spared_unless_forced(
    system: LocalSystem, mongo_engine: Engine
) -> None:
    async with registered_as(system, mongo_engine, [{"role": "root", "db": "admin"}]) as api:
        own = next(each for each in (await api.get("users", database_name="admin"))["users"] if each["ours"])[
            "user"
        ]
        who = {"database_name": "admin", "user": own}
        dropped = await api.send("DELETE", "users", query=dict(who))
        assert (dropped.status_code, dropped.json()["error_code"]) == (400, "COMMAND_REFUSED")
        for change in ({"password": CANARY}, {"clear": ["roles"]}):
            changed = await api.send("PATCH", "users", body={**who, **change})
            assert (changed.status_code, changed.json()["error_code"]) == (400, "COMMAND_REFUSED")
        revoked = await api.post_refused("users/roles", **who, revoke=[{"role": "root"}])
        assert revoked == (400, "COMMAND_REFUSED")
        forced = await api.send("PATCH", "users", body={**who, "roles": [{"role": "root"}], "force": True})
        assert forced.status_code == 200, forced.text


async def test_a_role_is_created_changed_and_dropped(
    mongo_admin: MongoApi, mongo_database: str, user: str
) -> None:
    role = f"role-{user}"
    find = {"resource": {"database_name": mongo_database, "collection": "c"}, "actions": ["find"]}
    created = await mongo_admin.send(
        "POST",
        "roles",
        body={
            "databaseName": mongo_database,
            "role": role,
            "privileges": [find],
            "roles": [{"role": "read"}],
        },
    )
    assert created.status_code == 201, created.text
    assert created.json()["privileges"][0]["actions"] == ["find"]
    assert created.json()["inherited_roles"] == [{"role": "read", "database_name": mongo_database}]

    insert = {"resource": {"database_name": mongo_database}, "actions": ["insert"]}
    granted = await mongo_admin.post(
        "roles/grants",
        database_name=mongo_database,
        role=role,
        grant_privileges=[insert],
        revoke_privileges=[find],
        revoke_roles=[{"role": "read"}],
    )
    assert [each["actions"] for each in granted["privileges"]] == [["insert"]]
    assert granted["roles"] == []

    changed = await mongo_admin.send(
        "PATCH", "roles", body={"database_name": mongo_database, "role": role, "clear": ["privileges"]}
    )
    assert changed.json()["privileges"] == []
    listed = await mongo_admin.get("roles", database_name=mongo_database)
    assert [each["role"] for each in listed["roles"]] == [role]
    built_in = await mongo_admin.get("roles", database_name=mongo_database, built_in=True)
    assert {"read", "readWrite"} <= {each["role"] for each in built_in["roles"] if each["built_in"]}
    query: dict[str, object] = {"database_name": mongo_database, "role": role}
    assert (await mongo_admin.send("DELETE", "roles", query=query)).status_code == 204
    assert (await mongo_admin.send("DELETE", "roles", query=query)).status_code == 404


async def test_users_and_roles_need_an_administrator(mongo_api: MongoApi, mongo_database: str) -> None:
    for route in ("users", "roles"):
        refused = await mongo_api.get_refused(route, database_name=mongo_database)
        assert refused == (403, "PERMISSION_DENIED")


async def test_a_connection_without_the_right_is_told_what_it_lacks(
    system: LocalSystem, mongo_engine: Engine, mongo_database: str
) -> None:
    async with registered_as(system, mongo_engine, [{"role": "read", "db": mongo_database}]) as api:
        assert await api.get_refused("users", database_name=mongo_database) == (403, "DB_PERMISSION_DENIED")


async def test_a_connection_registered_as_read_only_changes_no_user(
    system: LocalSystem, mongo_engine: Engine, mongo_database: str
) -> None:
    async with registered_as(system, mongo_engine, [{"role": "root", "db": "admin"}], read_only=True) as api:
        await api.get("users", database_name=mongo_database)
        refused = await api.post_refused("users", database_name=mongo_database, user="x", password=CANARY)
    assert refused == (403, "CONNECTION_READ_ONLY")


async def can_log_in(system: LocalSystem, database: str, user: str, password: str) -> bool:
    where = system.engines["mongodb"].rpartition("@")[2].partition("/")[0]
    url = f"mongodb://{user}:{password}@{where}/{database}?directConnection=true"
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        try:
            await client[database].command("connectionStatus")
        except OperationFailure:
            return False
        return True
