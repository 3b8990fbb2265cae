"""The pool of clients: created once, shared, bounded, never closed while in use."""

from __future__ import annotations

import asyncio
import gc

import pytest

from services.runtime import context, pool
from services.runtime.errors import StudioError
from services.runtime.pool import ClientPool
from tests.runtime.conftest import Output
from tests.runtime.harness import until


class Client:
    """Knows whether it is open."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.closed = 0

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1


class Factory:
    """Makes clients, when it is let."""

    def __init__(self) -> None:
        self.made: list[Client] = []
        self.asked: list[str] = []
        self.cancelled = 0
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None
        self.deadline: float | None = -1.0

    async def create(self, spec: str) -> Client:
        self.asked.append(spec)
        self.deadline = context.deadline.get()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        self.made.append(Client(spec))
        return self.made[-1]

    @property
    def open(self) -> list[str]:
        return [client.spec for client in self.made if not client.closed]


Pool = ClientPool[str, Client]


@pytest.fixture
async def factory() -> Factory:
    return Factory()


def pool_of(factory: Factory, *, max_clients: int = 2, idle_timeout_s: float = 300.0) -> Pool:
    return ClientPool(
        name="tests",
        create=factory.create,
        close=Client.aclose,
        max_clients=max_clients,
        idle_timeout_s=idle_timeout_s,
    )


async def use(clients: Pool, key: str, spec: str = "", revision: str = "1") -> Client:
    async with clients.lease(key, spec or key, revision) as client:
        assert not client.closed
        return client


def using(clients: Pool, key: str) -> asyncio.Task[Client]:
    return asyncio.create_task(use(clients, key))


async def settle() -> None:
    """Lets every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_client_is_made_once_and_shared(factory: Factory) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    waiting = [using(clients, "a") for _ in range(20)]
    await settle()
    assert factory.asked == ["a"]
    assert clients.stats().waiting == 20
    factory.go.set()
    assert len({id(client) for client in await asyncio.gather(*waiting)}) == 1
    assert await use(clients, "a") is factory.made[0]
    assert (clients.stats().created, clients.stats().open, clients.stats().in_use) == (1, 1, 0)
    assert clients.stats().waiting == 0
    await clients.aclose()


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(factory: Factory) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    factory.error = OSError("refused")
    waiting = [using(clients, "a") for _ in range(3)]
    await settle()
    factory.go.set()
    assert [str(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == ["refused"] * 3
    assert clients.stats().open == 0
    factory.error = None
    assert (await use(clients, "a")).spec == "a"
    assert factory.asked == ["a", "a"]
    await clients.aclose()


async def test_one_who_goes_away_does_not_stop_the_others(factory: Factory) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    first, second = using(clients, "a"), using(clients, "a")
    await settle()
    first.cancel()
    await settle()
    factory.go.set()
    assert (await second).spec == "a"
    assert clients.stats().in_use == 0
    with pytest.raises(asyncio.CancelledError):
        await first
    await clients.aclose()


async def test_when_all_go_away_the_client_is_kept_for_the_next(factory: Factory) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    going = using(clients, "a")
    await settle()
    going.cancel()
    await settle()
    factory.go.set()
    await settle()
    assert (await use(clients, "a")) is factory.made[0]
    assert factory.asked == ["a"]
    await clients.aclose()


async def test_a_failure_that_nobody_waits_for_is_logged_and_not_lost(
    factory: Factory, output: Output
) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    factory.error = OSError("refused by redis://u:canary@h")
    going = using(clients, "a")
    await settle()
    going.cancel()
    await settle()
    factory.go.set()
    await settle()
    gc.collect()
    assert [line["event"] for line in output.lines] == ["pool.create_failed"], (
        "no 'exception was never retrieved'"
    )
    assert "canary" not in output.text
    assert clients.stats().open == 0
    await clients.aclose()


async def test_the_first_callers_deadline_is_not_everybodys(factory: Factory) -> None:
    clients = pool_of(factory)
    reset = context.deadline.set(0.0)
    await use(clients, "a")
    context.deadline.reset(reset)
    assert factory.deadline is None
    await clients.aclose()


async def test_room_is_made_by_closing_the_one_idle_for_the_longest(factory: Factory) -> None:
    clients = pool_of(factory, max_clients=2)
    async with clients.lease("a", "a", "1"):
        await use(clients, "b")
    # `a` was asked for first, but `b` has been idle for longer.
    await use(clients, "c")
    await settle()
    assert factory.open == ["a", "c"]
    assert clients.stats().evicted == 1
    await clients.aclose()


async def test_a_client_in_use_is_never_evicted_and_a_full_pool_refuses_at_once(factory: Factory) -> None:
    clients = pool_of(factory, max_clients=2)
    async with clients.lease("a", "a", "1") as a, clients.lease("b", "b", "1"):
        refused = clients.lease("c", "c", "1").__aenter__()
        with pytest.raises(StudioError) as raised:
            refused.send(None)  # raises before it ever waits
        assert raised.value.reason_name == "RESOURCE_EXHAUSTED"
        async with clients.lease("a", "a", "1") as again:  # those who are in share on
            assert again is a
        assert factory.asked == ["a", "b"]
        assert clients.stats().refused == 1
    await use(clients, "c")
    await settle()
    assert factory.open == ["a", "c"], "`b` was given back first"
    await clients.aclose()


async def test_clients_being_made_count(factory: Factory) -> None:
    clients = pool_of(factory, max_clients=1)
    factory.go.clear()
    going = using(clients, "a")
    await settle()
    with pytest.raises(StudioError):
        await use(clients, "b")
    factory.go.set()
    await going
    await clients.aclose()


async def test_a_discarded_client_is_closed_with_its_last_lease(factory: Factory) -> None:
    clients = pool_of(factory)
    async with clients.lease("a", "old", "1") as old:
        async with clients.lease("a", "old", "1"):
            clients.discard("a")
            clients.discard("a")
            assert (clients.stats().open, clients.stats().closing) == (0, 1)
            assert (await use(clients, "a", "new")).spec == "new"
        await settle()
        assert not old.closed, "one lease is left"
    await settle()
    assert factory.open == ["new"]
    assert clients.stats().closing == 0
    clients.discard("a")
    clients.discard("unknown")
    await settle()
    assert factory.open == []
    await clients.aclose()


async def test_a_client_discarded_while_it_is_made_serves_those_who_wait_and_goes(factory: Factory) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    going = using(clients, "a")
    await settle()
    clients.discard("a")
    factory.go.set()
    client = await going
    await settle()
    assert client.closed == 1
    assert (await use(clients, "a")) is not client
    await clients.aclose()


async def test_a_client_that_is_discarded_in_use_is_told_once(factory: Factory) -> None:
    told: list[str] = []
    clients = ClientPool[str, Client](
        name="tests",
        create=factory.create,
        close=Client.aclose,
        on_discard=lambda client: told.append(client.spec),
    )
    await use(clients, "idle")
    clients.discard("idle")
    async with clients.lease("a", "used", "1"):
        clients.discard("a")
        clients.discard("a")
        assert told == ["used"]
    factory.go.clear()
    going = using(clients, "made meanwhile")
    await settle()
    clients.discard("made meanwhile")
    factory.go.set()
    await going
    assert told == ["used", "made meanwhile"]
    await clients.aclose()


async def test_a_creation_nobody_wants_any_more_is_ended(factory: Factory) -> None:
    clients = pool_of(factory)
    factory.go.clear()
    going = using(clients, "a")
    await settle()
    clients.discard("a")
    going.cancel()
    await settle()
    assert factory.cancelled == 1
    assert clients.stats().closing == 0
    await clients.aclose()


async def test_another_revision_replaces_the_client(factory: Factory) -> None:
    clients = pool_of(factory)
    old = await use(clients, "a", "one", "1")
    new = await use(clients, "a", "two", "2")
    await settle()
    assert (old.closed, new.spec, new.closed) == (1, "two", 0)
    assert clients.stats().open == 1
    await clients.aclose()


async def test_idle_clients_are_closed_and_busy_ones_are_not(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    clients = pool_of(factory, idle_timeout_s=100)
    await use(clients, "a")
    ahead[0] += 60
    async with clients.lease("b", "b", "1"):
        ahead[0] += 60
        clients.close_idle()
        await settle()
        assert factory.open == ["b"]
    clients.close_idle()
    await settle()
    assert factory.open == ["b"], "idle only since its lease ended"
    assert clients.stats().expired == 1
    await clients.aclose()


async def test_run_closes_idle_clients(factory: Factory) -> None:
    clients = pool_of(factory, idle_timeout_s=0.02)
    await use(clients, "a")
    running = asyncio.create_task(clients.run())
    await until(lambda: factory.open == [])
    running.cancel()
    await clients.aclose()


async def test_closing_ends_everything(factory: Factory) -> None:
    clients = pool_of(factory, max_clients=5)
    await use(clients, "idle")
    factory.go.clear()
    making = using(clients, "making")
    await settle()
    async with clients.lease("idle", "idle", "1"):
        await clients.aclose()
        assert factory.open == [], "also what is in use"
    assert factory.cancelled == 1
    with pytest.raises(StudioError) as raised:
        await making
    assert raised.value.reason_name == "SERVICE_UNAVAILABLE"
    with pytest.raises(StudioError) as raised:
        await use(clients, "later")
    assert raised.value.reason_name == "SERVICE_UNAVAILABLE"
    await clients.aclose()
    assert all(client.closed == 1 for client in factory.made)


async def test_a_client_that_was_made_but_not_handed_over_when_the_pool_closed(factory: Factory) -> None:
    clients = pool_of(factory)
    going = using(clients, "a")
    closing = asyncio.create_task(clients.aclose())
    found = await asyncio.gather(going, closing, return_exceptions=True)
    assert isinstance(found[0], (Client, StudioError))
    assert factory.open == []


async def test_a_client_that_can_not_be_closed_does_not_stop_the_others(
    factory: Factory, monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    monkeypatch.setattr(pool, "CLOSE_TIMEOUT_S", 0.01)
    closed: list[str] = []

    async def close(client: Client) -> None:
        if client.spec == "hangs":
            await asyncio.Event().wait()
        if client.spec == "fails":
            raise OSError("redis://u:canary@h is gone")
        closed.append(client.spec)

    clients: Pool = ClientPool(name="tests", create=factory.create, close=close)
    for key in ("hangs", "fails", "fine"):
        await use(clients, key)
    await clients.aclose()
    assert closed == ["fine"]
    assert sorted(line["error"] for line in output.of("pool.close_failed")) == [
        "TimeoutError",
        "redis://***@h is gone",
    ]


async def test_a_lease_that_raises_is_returned(factory: Factory) -> None:
    clients = pool_of(factory)
    with pytest.raises(KeyError):
        async with clients.lease("a", "a", "1"):
            raise KeyError
    assert clients.stats().in_use == 0
    await clients.aclose()
