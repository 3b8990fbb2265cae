"""Watching: what changed while away, then live changes, then the end of a watch that could miss something."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psycopg
import pytest

from services.registry import watchers
from services.registry.feed import Feed
from services.registry.handlers import resolver as handler
from services.registry.store import Change
from services.runtime.errors import StudioError, reason_name
from studio.registry.v1.resolver_service_pb2 import (
    KnownConnection,
    ResolveConnectionRequest,
    WatchConnectionsRequest,
    WatchConnectionsResponse,
)
from tests.registry.harness import Registry, failing

Session = psycopg.Connection[tuple[Any, ...]]
Code = grpc.StatusCode
Event = WatchConnectionsResponse
CHANGED, DELETED, SYNCED = Event.KIND_CHANGED, Event.KIND_DELETED, Event.KIND_SYNCED


class Watch:
    """One watcher's stream."""

    def __init__(self, call: Any) -> None:  # noqa: ANN401  gRPC's call has no public type
        self._call = call

    async def next(self) -> tuple[int, str]:
        """The next event that is no heartbeat."""
        while True:
            async with asyncio.timeout(10):
                event = await self._call.read()
            assert isinstance(event, Event), "the stream ended"
            if event.kind != Event.KIND_HEARTBEAT:
                return event.kind, event.id

    async def next_of_any_kind(self) -> int:
        event = await self._call.read()
        return int(event.kind)

    async def until_synced(self) -> set[tuple[int, str]]:
        found = set()
        while (event := await self.next()) != (SYNCED, ""):
            found.add(event)
        return found


@contextlib.asynccontextmanager
async def watching(registry: Registry, *known: KnownConnection, type_: str = "redis") -> AsyncIterator[Watch]:
    call = registry.services.WatchConnections(
        WatchConnectionsRequest(type=type_, known=known), metadata=registry.as_service
    )
    try:
        yield Watch(call)
    finally:
        call.cancel()


async def known(registry: Registry, database_id: str) -> KnownConnection:
    request = ResolveConnectionRequest(id=database_id, type="redis")
    found = await registry.services.ResolveConnection(request, metadata=registry.as_service)
    return KnownConnection(id=found.id, revision=found.revision)


async def listening(registry: Registry) -> None:
    """Waits until changes arrive: right after the start the listener may still be connecting."""
    async with asyncio.timeout(10):
        while True:
            async with watching(registry) as watch:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await watch.until_synced()
                    return
            await asyncio.sleep(0.02)


@pytest.fixture
async def live(registry: Registry) -> Registry:
    await listening(registry)
    return registry


async def test_what_changed_meanwhile_is_told_first(live: Registry, db: Session) -> None:
    created = {name: await live.create(name=name) for name in ("same", "changed", "deleted", "retyped")}
    held = [await known(live, each.id) for each in created.values()]
    never = KnownConnection(id="00000000-0000-4000-8000-000000000000", revision="x")
    db.execute("UPDATE platform.databases SET config = '{\"a\": 1}' WHERE name = 'changed'")
    db.execute("DELETE FROM platform.databases WHERE name = 'deleted'")
    db.execute("UPDATE platform.databases SET type = 'mongodb' WHERE name = 'retyped'")
    async with watching(live, *held, never) as watch:
        assert await watch.until_synced() == {
            (CHANGED, created["changed"].id),
            (DELETED, created["deleted"].id),
            (DELETED, created["retyped"].id),
            (DELETED, never.id),
        }


async def test_changes_and_deletes_arrive_live_and_health_does_not(live: Registry, db: Session) -> None:
    first, second, third = [await live.create(name=name) for name in ("first", "second", "third")]
    async with watching(live) as watch, watching(live, type_="mongodb") as other:
        assert await watch.until_synced() == set()
        assert await other.until_synced() == set()
        db.execute("UPDATE platform.databases SET status = 'error', last_connected_at = now(), host = 'x'")
        db.execute("UPDATE platform.databases SET connection_string = 'other' WHERE id = %s", (first.id,))
        assert await watch.next() == (CHANGED, first.id)
        db.execute("DELETE FROM platform.databases WHERE id = %s", (second.id,))
        assert await watch.next() == (DELETED, second.id)
        db.execute("UPDATE platform.databases SET type = 'mongodb' WHERE id = %s", (third.id,))
        assert await watch.next() == (DELETED, third.id)
        # To the watcher of the other type the same change is the first it hears.
        assert await other.next() == (CHANGED, third.id)


async def test_every_watcher_hears_of_it(live: Registry, db: Session) -> None:
    created = await live.create()
    async with contextlib.AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(watching(live)) for _ in range(20)]
        for watch in watches:
            await watch.until_synced()
        db.execute("DELETE FROM platform.databases")
        assert [await watch.next() for watch in watches] == [(DELETED, created.id)] * 20


async def test_a_deleted_project_takes_its_databases_with_it(live: Registry, db: Session) -> None:
    created = await live.create()
    async with watching(live) as watch:
        await watch.until_synced()
        db.execute("DELETE FROM platform.projects")
        assert await watch.next() == (DELETED, created.id)


async def test_a_silent_watch_sends_heartbeats(live: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "HEARTBEAT_S", 0.05)
    async with watching(live) as watch:
        await watch.until_synced()
        assert [await watch.next_of_any_kind() for _ in range(3)] == [Event.KIND_HEARTBEAT] * 3


async def test_a_lost_listener_ends_the_watch_and_the_next_one_misses_nothing(
    live: Registry, db: Session
) -> None:
    created = await live.create()
    held = await known(live, created.id)
    async with watching(live, held) as watch:
        await watch.until_synced()
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            await watch.next()
    db.execute("DELETE FROM platform.databases")
    await listening(live)
    async with watching(live, held) as watch:
        assert await watch.until_synced() == {(DELETED, created.id)}


@pytest.mark.parametrize("message", ["TRUNCATE platform.databases", "NOTIFY studio_databases, 'nonsense'"])
async def test_what_is_not_understood_makes_watchers_compare(
    live: Registry, db: Session, message: str
) -> None:
    async with watching(live) as watch:
        await watch.until_synced()
        db.execute(message.encode())
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            await watch.next()


async def test_no_user_may_watch(live: Registry) -> None:
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        call = live.services.WatchConnections(WatchConnectionsRequest(type="redis"), metadata=live.as_user)
        await call.read()


async def test_a_watcher_that_reads_too_slowly_is_ended() -> None:
    feed = Feed()
    feed.up()
    with feed.subscribe("redis") as slow:
        for number in range(watchers.MAX_PENDING + 1):
            feed.publish(str(number), ["redis"], deleted=False)
        with pytest.raises(StudioError) as ended:
            await slow.next(1)
    assert reason_name(ended.value.reason) == "RESOURCE_EXHAUSTED"


async def test_events_of_one_database_are_merged_and_the_last_one_wins() -> None:
    feed = Feed()
    feed.up()
    with feed.subscribe("redis") as watcher:
        for _ in range(2 * watchers.MAX_PENDING):
            feed.publish("a", ["redis"], deleted=False)
        feed.publish("b", ["redis"], deleted=False)
        feed.publish("a", ["redis"], deleted=True)
        assert [await watcher.next(1), await watcher.next(1)] == [
            Change("b", deleted=False),
            Change("a", deleted=True),
        ]
        assert await watcher.next(0.01) is None


async def test_watchers_are_limited_and_refused_while_nothing_can_be_heard() -> None:
    feed = Feed()
    with pytest.raises(StudioError) as down, feed.subscribe("redis"):
        pass
    assert reason_name(down.value.reason) == "REGISTRY_UNAVAILABLE"
    feed.up()
    with contextlib.ExitStack() as stack:
        for _ in range(watchers.MAX_WATCHERS):
            stack.enter_context(feed.subscribe("redis"))
        with pytest.raises(StudioError) as full:
            stack.enter_context(feed.subscribe("redis"))
    assert reason_name(full.value.reason) == "RESOURCE_EXHAUSTED"


async def test_a_renamed_project_and_a_database_out_of_use_are_told(live: Registry, db: Session) -> None:
    created = await live.create()
    held = await known(live, created.id)
    async with watching(live) as watch:
        await watch.until_synced()
        for change in ("name = 'Renamed'", "ref = 'renamed'"):
            db.execute(f"UPDATE platform.projects SET {change}".encode())
            assert await watch.next() == (CHANGED, created.id)
        db.execute("UPDATE platform.projects SET updated_at = now()")
        db.execute("UPDATE platform.databases SET deactivated_at = now()")
        assert await watch.next() == (CHANGED, created.id)
    async with watching(live, held) as watch:
        assert await watch.until_synced() == {(DELETED, created.id)}
    db.execute("UPDATE platform.databases SET deactivated_at = NULL")
    # The ref is part of what services hold.
    async with watching(live, held) as watch:
        assert await watch.until_synced() == {(CHANGED, created.id)}


async def test_a_project_of_many_databases_makes_watchers_compare(live: Registry, db: Session) -> None:
    created = await live.create()
    held = await known(live, created.id)
    db.execute(
        "INSERT INTO platform.databases (project_id, name, type, connection_string) "
        "SELECT p.id, 'n' || n, 'redis', 'sealed' FROM platform.projects p, generate_series(1, 100) n"
    )
    async with watching(live, held) as watch:
        await watch.until_synced()
        db.execute("UPDATE platform.projects SET ref = 'renamed'")
        async with failing("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE):
            await watch.next()
    async with watching(live, held) as watch:
        assert await watch.until_synced() == {(CHANGED, created.id)}
