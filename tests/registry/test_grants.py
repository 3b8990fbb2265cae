"""Grants on single databases, the projects of a token, and what callers see of the registry by either."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
import psycopg
from psycopg.rows import TupleRow

from services.registry.environment import VARIABLES
from services.registry.store.grants import MAX_GRANTS
from studio.options.v1 import access_pb2
from studio.registry.v1 import access_service_pb2 as messages
from studio.registry.v1 import health_pb2
from studio.registry.v1 import registry_service_pb2 as registering
from studio.registry.v1 import resolver_service_pb2 as resolving
from tests.registry.harness import Registry, failing, running_registry, settings, user_token

Code = grpc.StatusCode
Metadata = tuple[tuple[str, str], ...]
Event = resolving.WatchConnectionsResponse
HIDDEN = "There is no database of this id."
ENV_REDIS = next(each.id for each in VARIABLES if each.type == "redis")


def as_caller(subject: str, role: str = "authenticated", **claims: object) -> Metadata:
    return (("authorization", f"Bearer {user_token(role, sub=subject, **claims)}"),)


ADA = as_caller("ada")


async def names(registry: Registry, caller: Metadata) -> dict[str, str]:
    """What a list shows: names, and the caller's role on each."""
    listed = await registry.users.ListDatabases(registering.ListDatabasesRequest(), metadata=caller)
    return {each.name: each.caller_role for each in listed.databases}


async def total(registry: Registry, caller: Metadata) -> int:
    return (
        await registry.users.GetDatabaseStats(health_pb2.GetDatabaseStatsRequest(), metadata=caller)
    ).total


async def event_of(watch: Any) -> Event:  # noqa: ANN401  gRPC's call has no public type
    async with asyncio.timeout(20):
        event = await watch.read()
    assert isinstance(event, Event)
    return event


async def get(registry: Registry, database_id: str, caller: Metadata) -> str:
    request = registering.GetDatabaseRequest(id=database_id)
    return (await registry.users.GetDatabase(request, metadata=caller)).caller_role


async def test_a_grant_is_given_changed_shown_and_taken_back(registry: Registry) -> None:
    database = await registry.create()
    first = await registry.grant(database.id, "ada", "read")
    assert (first.database_id, first.subject, first.role, first.created_by) == (
        database.id,
        "ada",
        "read",
        "owner@test",
    )
    again = await registry.grant(database.id, "ada", "admin")
    assert (again.id, again.role) == (first.id, "admin"), "a subject has one"
    await registry.grant(database.id, "Bob", "write")
    request = messages.ListGrantsRequest(database_id=database.id)
    listed = await registry.access.ListGrants(request, metadata=registry.as_user)
    assert [(each.subject, each.role) for each in listed.permissions] == [("Bob", "write"), ("ada", "admin")]
    gone = messages.DeleteGrantRequest(database_id=database.id, id=first.id)
    await registry.access.DeleteGrant(gone, metadata=registry.as_user)
    async with failing("NOT_FOUND", Code.NOT_FOUND):
        await registry.access.DeleteGrant(gone, metadata=registry.as_user)


async def test_a_caller_without_a_role_sees_what_was_granted_and_the_rest_does_not_exist(
    registry: Registry,
) -> None:
    shown = await registry.create(name="shown")
    other = await registry.create(name="other")
    assert (await names(registry, ADA), await total(registry, ADA)) == ({}, 0)
    await registry.grant(shown.id, "ada", "read")
    assert (await names(registry, ADA), await total(registry, ADA)) == ({"shown": "read_only"}, 1)
    assert await get(registry, shown.id, ADA) == "read_only"
    for database_id in (other.id, str(uuid.uuid4())):
        async with failing("DB_NOT_FOUND", Code.NOT_FOUND) as failure:
            await get(registry, database_id, ADA)
        assert (failure.message, failure.facts) == (HIDDEN, {}), "word for word"
        async with failing("DB_NOT_FOUND", Code.NOT_FOUND) as failure:
            request = registering.DeleteDatabaseRequest(id=database_id)
            await registry.users.DeleteDatabase(request, metadata=ADA)
        assert failure.message == HIDDEN
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        request = registering.DeleteDatabaseRequest(id=shown.id)
        await registry.users.DeleteDatabase(request, metadata=ADA)
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await registry.users.CreateDatabase(registering.CreateDatabaseRequest(), metadata=ADA)


async def test_an_administrator_by_grant_manages_his_database_and_no_other(registry: Registry) -> None:
    database, other = await registry.create(name="his"), await registry.create(name="other")
    await registry.grant(database.id, "ada", "admin")
    give = messages.CreateGrantRequest(database_id=database.id, subject="bob", role="write")
    assert (await registry.access.CreateGrant(give, metadata=ADA)).created_by == "ada"
    request = registering.UpdateDatabaseRequest(id=database.id, description="mine")
    assert (await registry.users.UpdateDatabase(request, metadata=ADA)).caller_role == "administrator"
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        give = messages.CreateGrantRequest(database_id=other.id, subject="ada", role="read")
        await registry.access.CreateGrant(give, metadata=ADA)
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        give = messages.CreateGrantRequest(database_id=database.id, subject="eve", role="admin")
        await registry.access.CreateGrant(give, metadata=as_caller("bob"))


async def test_a_token_of_other_projects_sees_nothing_here_whatever_was_granted(registry: Registry) -> None:
    database = await registry.create()
    await registry.grant(database.id, "ada", "admin")
    for role in ("owner", "authenticated"):
        here = as_caller("ada", role, projects=["default"])
        assert await get(registry, database.id, here) in ("owner", "administrator")
        for projects in (["elsewhere"], []):
            elsewhere = as_caller("ada", role, projects=projects)
            assert (await names(registry, elsewhere), await total(registry, elsewhere)) == ({}, 0)
            async with failing("DB_NOT_FOUND", Code.NOT_FOUND) as failure:
                await get(registry, database.id, elsewhere)
            assert failure.message == HIDDEN
    new: dict[str, Any] = {
        "project_ref": "default",
        "name": "more",
        "type": "redis",
        "connection_string": "redis://h",
    }
    request = registering.CreateDatabaseRequest(**new, skip_test=True)
    async with failing("PROJECT_NOT_FOUND", Code.NOT_FOUND):
        await registry.users.CreateDatabase(request, metadata=as_caller("a", "owner", projects=["elsewhere"]))
    made = await registry.users.CreateDatabase(
        request, metadata=as_caller("a", "owner", projects=["default"])
    )
    assert made.caller_role == "owner"


async def test_grants_reach_services_with_the_connection_and_changes_by_an_event_of_their_own(
    registry: Registry,
) -> None:
    database = await registry.create()
    await registry.grant(database.id, "ada", "write")
    request = resolving.ResolveConnectionRequest(id=database.id, type="redis")
    found = await registry.services.ResolveConnection(request, metadata=registry.as_service)
    assert [(each.subject, each.role) for each in found.grants] == [("ada", access_pb2.ROLE_DEVELOPER)]
    known = resolving.KnownConnection(
        id=found.id, revision=found.revision, access_revision=found.access_revision
    )
    stale = resolving.KnownConnection(id=found.id, revision=found.revision, access_revision="older")
    for held, told in ((known, [Event.KIND_SYNCED]), (stale, [Event.KIND_ACCESS_CHANGED, Event.KIND_SYNCED])):
        watch = registry.services.WatchConnections(
            resolving.WatchConnectionsRequest(type="redis", known=[held]), metadata=registry.as_service
        )
        assert [(await event_of(watch)).kind for _ in told] == told
        if held is known:
            await registry.grant(database.id, "ada", "read")
            event = await event_of(watch)
            assert (event.kind, event.id) == (Event.KIND_ACCESS_CHANGED, database.id)
            assert [each.role for each in event.grants] == [access_pb2.ROLE_READ_ONLY]
            again = await registry.services.ResolveConnection(request, metadata=registry.as_service)
            assert (again.revision, again.access_revision) == (found.revision, event.access_revision)
        watch.cancel()


async def test_what_decides_is_told_of_a_database_that_is_out_of_use_too(registry: Registry) -> None:
    database = await registry.create()
    await registry.grant(database.id, "ada", "read")
    await registry.update(database.id, status="inactive")
    request = resolving.ResolveAccessRequest(id=database.id, type="redis")
    found = await registry.services.ResolveAccess(request, metadata=registry.as_service)
    assert (found.name, found.project_ref, len(found.grants)) == ("cache", "default", 1)
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        request = resolving.ResolveAccessRequest(id=database.id, type="mongodb")
        await registry.services.ResolveAccess(request, metadata=registry.as_service)


async def test_grants_go_with_their_database_and_are_bounded(
    registry: Registry, db: psycopg.Connection[TupleRow]
) -> None:
    database = await registry.create()
    db.execute(
        "INSERT INTO platform.database_permissions (database_id, subject, role) "
        "SELECT %s, 'user ' || n, 'read' FROM generate_series(1, %s) n",
        (database.id, MAX_GRANTS),
    )
    await registry.grant(database.id, "user 1", "write")
    async with failing("CONFLICT", Code.ABORTED):
        await registry.grant(database.id, "one more", "read")
    await registry.delete(database.id)
    assert db.execute("SELECT count(*) FROM platform.database_permissions").fetchone() == (0,)


async def test_a_connection_of_the_environment_takes_grants(migrated_url: str) -> None:
    variables: dict[str, Any] = {"environment_connections": True, "redis_url": "redis://:pw@127.0.0.1:6379/0"}
    async with running_registry(settings(migrated_url, **variables)) as registry:
        assert "env-redis" not in await names(registry, ADA)
        await registry.grant(ENV_REDIS, "ada", "write")
        assert await names(registry, ADA) == {"env-redis": "developer"}
        assert (await get(registry, ENV_REDIS, ADA), await total(registry, ADA)) == ("developer", 1)
        request = resolving.ResolveConnectionRequest(id=ENV_REDIS, type="redis")
        found = await registry.services.ResolveConnection(request, metadata=registry.as_service)
        assert [each.subject for each in found.grants] == ["ada"]


async def test_without_a_platform_database_grants_are_read_and_not_written() -> None:
    variables: dict[str, Any] = {"environment_connections": True, "redis_url": "redis://:pw@127.0.0.1:6379/0"}
    async with running_registry(settings(None, **variables)) as registry:
        request = messages.ListGrantsRequest(database_id=ENV_REDIS)
        listed = await registry.access.ListGrants(request, metadata=registry.as_user)
        assert list(listed.permissions) == []
        async with failing("REGISTRY_READ_ONLY", Code.FAILED_PRECONDITION):
            await registry.grant(ENV_REDIS, "ada", "read")
        gone = messages.DeleteGrantRequest(database_id=ENV_REDIS, id=str(uuid.uuid4()))
        async with failing("REGISTRY_READ_ONLY", Code.FAILED_PRECONDITION):
            await registry.access.DeleteGrant(gone, metadata=registry.as_user)


async def test_callers_are_told_what_they_are_and_may_do(registry: Registry) -> None:
    database = await registry.create(config={"production": True, "read_only": True})
    await registry.grant(database.id, "ada", "write")
    request = messages.GetPermissionsRequest(database_id=database.id)
    mine = await registry.access.GetPermissions(request, metadata=ADA)
    assert (mine.subject, mine.role, mine.credential, mine.all_projects) == ("ada", "none", "token", True)
    assert "redis.key.get" not in mine.actions
    assert (mine.database.role, mine.database.production, mine.database.read_only) == (
        "developer",
        True,
        True,
    )
    assert "redis.string.set" not in mine.database.actions, "whoever asks, while it is read-only"
    assert "registry.database.delete" not in mine.database.actions
    assert "registry.database.test" in mine.database.actions
    assert not any(action.startswith(("mongodb.", "bun.")) for action in mine.database.actions)
    owner = await registry.access.GetPermissions(messages.GetPermissionsRequest(), metadata=registry.as_user)
    assert owner.role == "owner"
    assert {"registry.database.create", "registry.grant.create"} <= set(owner.actions)
    assert not owner.HasField("database")
    async with failing("DB_NOT_FOUND", Code.NOT_FOUND):
        await registry.access.GetPermissions(request, metadata=as_caller("bob"))
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await registry.access.GetPermissions(
            messages.GetPermissionsRequest(), metadata=as_caller("anon", "anon")
        )
