"""Checks databases in the background: one replica does, and another goes on when it is gone.

Who holds an advisory lock of PostgreSQL checks. The lock belongs to a connection of its own, which also carries
everything that the checker reads and writes: with the connection the lock and the ability to write are lost together.
The server ends a session that says nothing for HUNG_S, so a process that hangs loses its turn as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import psycopg

from services.registry import metrics
from services.registry.health import schedule, state
from services.registry.health.schedule import Schedule
from services.registry.health.state import Due, Result
from services.registry.store.guard import Connection, answered_within
from services.registry.store.pool import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    connection_arguments,
)
from services.registry.vault import Vault
from services.runtime.crypto import SealedValueError
from services.runtime.logs import get_logger
from studio.registry.v1.database_pb2 import ConnectionDiagnosis

LOCK_KEY = 7237110983
"""Advisory lock of the replica that checks; of this database, not of the server."""
UNREADABLE = "CONNECTION_UNREADABLE"
STATUSES = ("active", "inactive", "error")

log = get_logger(__name__)


class Diagnoses(Protocol):
    """What tests connections."""

    async def diagnose(
        self, type_: str, *, row_id: str, ciphertext: str, config: Mapping[str, Any]
    ) -> ConnectionDiagnosis:
        """Tests one connection."""


class Checker:
    """Checks while it is the one that does.

    Args:
        database_url: libpq URL of the platform database; not through a transaction pooler.
        engines: tests connections.
        types: the types that they test here; databases of others are left as they are.
        vault: reads values in older formats.
        when: how often.
    """

    def __init__(
        self, database_url: str, engines: Diagnoses, types: Sequence[str], vault: Vault, when: Schedule
    ) -> None:
        self._types = types
        self._arguments = connection_arguments(database_url)
        self._engines = engines
        self._vault = vault
        self._when = when

    async def run(self) -> None:
        """Checks, or waits for its turn, for ever."""
        while True:
            try:
                await self._hold_and_check()
            except (psycopg.Error, TimeoutError, OSError) as error:
                # The class says enough; the text of a refused login names the user.
                log.warning("health.checker_lost", failure=type(error).__name__)
            finally:
                metrics.HEALTH_LEADER.set(0)
                metrics.DATABASES.clear()
            await asyncio.sleep(schedule.TAKEOVER_S)

    async def _hold_and_check(self) -> None:
        async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
            connection = await psycopg.AsyncConnection.connect(**self._arguments, autocommit=True)
        async with connection:
            await self._take_lock(connection)
            log.info("health.checker_elected", interval_s=self._when.interval_s)
            metrics.HEALTH_LEADER.set(1)
            await _Turn(connection, self._engines, self._types, self._vault, self._when).run()

    async def _take_lock(self, connection: Connection) -> None:
        """Waits until it is this replica's turn."""
        while True:
            with answered_within(connection, ANSWER_TIMEOUT_S):
                await connection.execute(f"SET idle_session_timeout = '{schedule.HUNG_S}s'")
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,))
                if await cursor.fetchone() == (True,):
                    return
            await asyncio.sleep(schedule.TAKEOVER_S)


class _Turn:
    """The checks of one replica, from the lock to the loss of the connection."""

    def __init__(
        self,
        connection: Connection,
        engines: Diagnoses,
        types: Sequence[str],
        vault: Vault,
        when: Schedule,
    ) -> None:
        self._connection = connection
        self._types = types
        self._engines = engines
        self._vault = vault
        self._when = when
        self._due: deque[Due] = deque()
        self._running: dict[asyncio.Task[Result | None], Due] = {}
        self._results: list[Result] = []
        # Until when the databases that could not be checked are left alone.
        self._skipped: dict[str, float] = {}
        self._spoke_at = 0.0
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Raises when the connection is lost."""
        prune_at = ask_at = count_at = 0.0
        try:
            while True:
                if not self._due and self._loop.time() >= ask_at:
                    await self._ask()
                    ask_at = self._loop.time() + self._when.tick_s
                self._start()
                await self._wait(ask_at)
                await self._record()
                await self._keep_turn()
                if self._loop.time() >= count_at:
                    await self._count()
                    count_at = self._loop.time() + schedule.COUNT_EVERY_S
                if self._loop.time() >= prune_at:
                    await self._prune()
                    prune_at = self._loop.time() + schedule.PRUNE_EVERY_S
        finally:
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[None]:
        with answered_within(self._connection, ANSWER_TIMEOUT_S):
            yield
        self._spoke_at = self._loop.time()

    async def _keep_turn(self) -> None:
        """Says something before HUNG_S is over, also while every check takes long or can't be made."""
        if self._loop.time() - self._spoke_at > schedule.HUNG_S / 4:
            with self._speaking():
                await self._connection.execute("SELECT 1")

    async def _ask(self) -> None:
        now = self._loop.time()
        self._skipped = {id_: until for id_, until in self._skipped.items() if until > now}
        busy = [*(due.id for due in self._running.values()), *self._skipped]
        with self._speaking():
            found = await state.due(
                self._connection, self._when, types=self._types, running=busy, limit=schedule.MAX_DUE
            )
        self._due.extend(found)

    def _start(self) -> None:
        while self._due and len(self._running) < schedule.MAX_CONCURRENT:
            due = self._due.popleft()
            task = asyncio.create_task(self._try(due), name=f"health {due.type}")
            self._running[task] = due
        metrics.HEALTH_RUNNING.set(len(self._running))

    async def _wait(self, until: float) -> None:
        """Until a check ends; with a free place no longer than until it is time to ask again."""
        timeout = max(0.0, until - self._loop.time())
        if not self._running:
            await asyncio.sleep(timeout)
            return
        # Something is said to the server at least every tick: see HUNG_S.
        done, _ = await asyncio.wait(
            self._running, timeout=timeout or self._when.tick_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            due = self._running.pop(task)
            result = task.result()
            if result is None:
                # Not the database's failure, and not to be tried again at once either.
                self._skipped[due.id] = self._loop.time() + self._when.interval_s
            else:
                self._results.append(result)

    async def _try(self, due: Due) -> Result | None:
        try:
            return await self._check(due)
        except Exception:
            # A defect that one row brings out must not end the checks of all.
            log.exception("health.check_failed", database_id=due.id, type=due.type)
            metrics.HEALTH_CHECKS.labels(due.type, "not_checked").inc()
            return None

    async def _check(self, due: Due) -> Result | None:
        begun = self._loop.time()
        try:
            sealed = self._vault.renew(due.stored, row_id=due.id, type_=due.type) or due.stored
        except SealedValueError:
            return _failure(due, UNREADABLE)
        found = await self._engines.diagnose(due.type, row_id=due.id, ciphertext=sealed, config=due.config)
        metrics.HEALTH_SECONDS.labels(due.type).observe(self._loop.time() - begun)
        if found.success:
            metrics.HEALTH_CHECKS.labels(due.type, "success").inc()
            return Result(due.id, due.version, found.latency_ms, "")
        if found.stage == "service" and found.error_code != UNREADABLE:
            metrics.HEALTH_CHECKS.labels(due.type, "not_checked").inc()
            return None
        return _failure(due, found.error_code)

    async def _record(self) -> None:
        while self._results:
            some = self._results[: schedule.MAX_RESULTS]
            with self._speaking():
                moved = await state.record(self._connection, some)
            del self._results[: len(some)]
            for each in moved:
                metrics.HEALTH_CHANGES.labels(each.type, each.after).inc()
                log.info(
                    "health.status_changed",
                    database_id=each.id,
                    type=each.type,
                    before=each.before,
                    after=each.after,
                )

    async def _count(self) -> None:
        with self._speaking():
            found = await state.count(self._connection, self._types)
        for type_ in self._types:
            for status in STATUSES:
                metrics.DATABASES.labels(type_, status).set(found.get((type_, status), 0))

    async def _prune(self) -> None:
        for what in ("samples", "hours"):
            more = True
            while more:
                with self._speaking():
                    more = await state.prune(self._connection, what)
        with self._speaking(), contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            await self._connection.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY platform.database_stats")


def _failure(due: Due, error_code: str) -> Result:
    metrics.HEALTH_CHECKS.labels(due.type, "failure").inc()
    return Result(due.id, due.version, None, error_code)
