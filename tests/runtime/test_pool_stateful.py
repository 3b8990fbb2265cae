"""Whatever happens in whatever order, the pool keeps its promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from services.runtime.errors import StudioError
from services.runtime.pool import ClientPool, Lease

MAX_CLIENTS = 3
keys = st.sampled_from(["a", "b", "c", "d", "e"])
revisions = st.sampled_from(["1", "2"])


class Client:
    def __init__(self, spec: tuple[str, str]) -> None:
        self.spec = spec
        self.closed = 0


class Held:
    """A lease a test has asked for: being waited for, or held."""

    def __init__(self, lease: Lease[tuple[str, str], Client], loop: asyncio.AbstractEventLoop) -> None:
        self.lease = lease
        self.leave = asyncio.Event()
        self.client: Client | None = None
        self.error: Exception | None = None
        self.task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with self.lease as client:
                self.client = client
                await self.leave.wait()
                self.client = None
        except (StudioError, OSError) as error:
            self.error = error


class PoolMachine(RuleBasedStateMachine):
    """Leases, cancellations, discards, failures and idle closing in any order, creations ending when they like."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.made: list[Client] = []
        self.creating: list[tuple[tuple[str, str], asyncio.Future[None]]] = []
        self.held: list[Held] = []
        self.pool = ClientPool[tuple[str, str], Client](
            name="stateful",
            create=self._create,
            close=self._close,
            max_clients=MAX_CLIENTS,
            idle_timeout_s=0.0,
        )

    async def _create(self, spec: tuple[str, str]) -> Client:
        waiting = (spec, self.loop.create_future())
        self.creating.append(waiting)
        try:
            await waiting[1]
        finally:
            self.creating.remove(waiting)
        self.made.append(Client(spec))
        return self.made[-1]

    async def _close(self, client: Client) -> None:
        client.closed += 1

    def within(self, act: Callable[[], object] = lambda: None) -> None:
        """Does something inside the event loop and lets every task that can run do so."""

        async def turns() -> None:
            act()
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    @rule(target=holds, key=keys, revision=revisions)
    def ask(self, key: str, revision: str) -> Held:
        held = Held(self.pool.lease(key, (key, revision), revision), self.loop)
        self.held.append(held)
        self.within()
        return held

    @rule(held=consumes(holds))
    def leave(self, held: Held) -> None:
        held.leave.set()
        self.within()

    @rule(held=consumes(holds))
    def cancel(self, held: Held) -> None:
        held.task.cancel()
        held.client = None
        self.within()

    @rule(key=keys)
    def discard(self, key: str) -> None:
        self.within(lambda: self.pool.discard(key))

    @rule()
    def close_idle(self) -> None:
        self.within(self.pool.close_idle)

    @rule(which=st.integers(min_value=0, max_value=9), fails=st.booleans())
    def end_a_creation(self, which: int, fails: bool) -> None:  # noqa: FBT001  hypothesis calls by keyword
        if self.creating:
            future = self.creating[which % len(self.creating)][1]
            if not future.done():
                future.set_exception(OSError("refused")) if fails else future.set_result(None)
        self.within()

    @invariant()
    def what_is_in_use_is_open(self) -> None:
        assert all(not held.client.closed for held in self.held if held.client is not None)

    @invariant()
    def nothing_is_closed_twice(self) -> None:
        assert all(client.closed <= 1 for client in self.made)

    @invariant()
    def the_bound_holds(self) -> None:
        stats = self.pool.stats()
        assert stats.open <= MAX_CLIENTS
        # Beside those of the pool, only what was discarded while in use is still open.
        in_use = {id(held.client) for held in self.held if held.client is not None}
        idle = [client for client in self.made if not client.closed and id(client) not in in_use]
        assert len(idle) <= stats.open

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        waiting = [held for held in self.held if not held.task.done() and held.client is None]
        assert not waiting or self.creating

    def teardown(self) -> None:
        try:
            self.loop.run_until_complete(self._finish())
        finally:
            self.loop.close()
        assert all(client.closed == 1 for client in self.made)
        assert not self.creating

    async def _finish(self) -> None:
        await self.pool.aclose()
        for held in self.held:
            held.leave.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*(held.task for held in self.held), return_exceptions=True)


PoolMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestPool = PoolMachine.TestCase
