"""What a caller is on a database, and streams that go on by a right that is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from services.runtime.access import Registered, Role, role_on
from services.runtime.context import Caller
from services.runtime.contract import load_contract
from services.runtime.server import Servicer
from studio.options.v1.access_pb2 import (
    ROLE_ADMINISTRATOR,
    ROLE_DEVELOPER,
    ROLE_INTERNAL,
    ROLE_OWNER,
    ROLE_READ_ONLY,
    ROLE_UNSPECIFIED,
)
from studio.redis.v1 import live_service_pb2 as live
from studio.redis.v1 import redis_service_pb2 as redis
from studio.redis.v1.live_service_pb2_grpc import (
    LiveServiceServicer,
    LiveServiceStub,
    add_LiveServiceServicer_to_server,
)
from tests.runtime.harness import (
    UUID,
    Redis,
    Row,
    Running,
    bearer,
    call,
    redis_servicer,
    running_with,
    token,
    until,
)

Code = grpc.StatusCode
NONE = ROLE_UNSPECIFIED


@pytest.mark.parametrize(
    ("role", "projects", "granted", "expected"),
    [
        (ROLE_OWNER, None, NONE, ROLE_OWNER),
        (ROLE_OWNER, None, ROLE_READ_ONLY, ROLE_OWNER),
        (ROLE_READ_ONLY, None, ROLE_DEVELOPER, ROLE_DEVELOPER),
        (NONE, None, ROLE_ADMINISTRATOR, ROLE_ADMINISTRATOR),
        (NONE, None, NONE, NONE),
        (ROLE_OWNER, {"shop"}, NONE, ROLE_OWNER),
        (ROLE_OWNER, {"other"}, NONE, NONE),
        (ROLE_OWNER, set(), NONE, NONE),
        (NONE, {"shop"}, ROLE_READ_ONLY, ROLE_READ_ONLY),
        (NONE, {"other"}, ROLE_ADMINISTRATOR, NONE),
    ],
)
def test_a_role_on_a_database_is_the_higher_one_inside_the_projects(
    role: Role, projects: set[str] | None, granted: Role, expected: Role
) -> None:
    caller = Caller("ada", role, projects=None if projects is None else frozenset(projects))
    grants = {"ada": granted} if granted != NONE else {}
    assert role_on(caller, Row(UUID, project_ref="shop", grants=grants)) == expected
    assert role_on(caller, Row(UUID, project_ref="shop", grants={"bob": ROLE_OWNER})) in (role, NONE)


def test_no_grant_counts_for_anonymous_callers_and_services() -> None:
    row = Row(UUID, grants={"anon": ROLE_ADMINISTRATOR, "redis_svc": ROLE_ADMINISTRATOR})
    assert role_on(Caller("anon", NONE, is_anonymous=True), row) == NONE
    assert role_on(Caller("redis_svc", ROLE_INTERNAL), row) == NONE


class Live(LiveServiceServicer):
    """A stream that says one thing and goes on for ever, and swallows what ends it, once."""

    def __init__(self) -> None:
        self.closed = 0

    Publish = LiveServiceServicer.Publish
    Subscribe = LiveServiceServicer.Subscribe
    WatchKeyspace = LiveServiceServicer.WatchKeyspace

    async def Monitor(  # noqa: N802  the rpc
        self, request: live.MonitorRequest, context: object
    ) -> AsyncIterator[live.MonitorResponse]:
        del request, context
        try:
            yield live.MonitorResponse()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.Event().wait()
        finally:
            self.closed += 1


async def test_the_stream_of_who_lost_his_right_ends_and_those_of_others_go_on() -> None:
    grants: dict[str, Role] = {"ada": ROLE_ADMINISTRATOR, "bob": ROLE_ADMINISTRATOR}

    async def find(database_id: str) -> Registered:
        return Row(database_id, grants=grants)

    handler = Live()
    servicer = Servicer("studio.redis.v1.LiveService", add_LiveServiceServicer_to_server, handler)
    async with asyncio.timeout(20), running_with(find, servicer) as service:
        ada, bob = open_stream(service, "ada"), open_stream(service, "bob")
        await ada.read()
        await bob.read()
        service.runtime.rights.changed(UUID, {"bob": ROLE_ADMINISTRATOR, "ada": ROLE_ADMINISTRATOR})
        service.runtime.rights.changed(UUID, {"bob": ROLE_ADMINISTRATOR, "ada": ROLE_READ_ONLY})
        assert await end_of(ada) == ("PERMISSION_DENIED", Code.PERMISSION_DENIED), (
            "he may still read, but not this"
        )
        assert handler.closed == 1
        service.runtime.rights.changed(UUID, {"ada": ROLE_ADMINISTRATOR})
        assert await end_of(bob) == ("DB_NOT_FOUND", Code.NOT_FOUND)
        await until(lambda: handler.closed == 2)


async def end_of(stream: Any) -> tuple[str, grpc.StatusCode]:  # noqa: ANN401  gRPC's call has no public type
    """The last event, and the status."""
    event = await stream.read()
    with pytest.raises(grpc.aio.AioRpcError):
        await stream.read()
    return event.error.error_code, await stream.code()


def open_stream(service: Running, subject: str) -> Any:  # noqa: ANN401  gRPC's call has no public type
    metadata = bearer(token("authenticated", sub=subject))
    return LiveServiceStub(service.channel).Monitor(live.MonitorRequest(database_id=UUID), metadata=metadata)


async def test_a_caller_without_a_role_counts_by_his_grant_alone_and_learns_nothing_else() -> None:
    async def find(database_id: str) -> Registered:
        return Row(database_id, grants={"ada": ROLE_READ_ONLY})

    get = load_contract().methods["/studio.redis.v1.RedisService/GetValue"]
    put = load_contract().methods["/studio.redis.v1.RedisService/SetValue"]
    asked = redis.GetValueRequest(database_id=UUID, key="a")
    changed = redis.SetValueRequest(database_id=UUID, key="a", value="b")
    ada, bob = (bearer(token("authenticated", sub=subject)) for subject in ("ada", "bob"))
    async with running_with(find, redis_servicer(Redis())) as service:
        assert (await call(service.channel, get, asked, ada))[0] is Code.OK
        assert (await call(service.channel, put, changed, ada))[0] is Code.PERMISSION_DENIED
        hidden = (Code.NOT_FOUND, "There is no database of this id.")
        assert await call(service.channel, get, asked, bob) == hidden
        assert await call(service.channel, get, asked, bearer(token("anon"))) == hidden
