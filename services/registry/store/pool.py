"""Connections to the platform database: bounded, with deadlines, back by themselves after an outage."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, TooManyRequests

from services.registry import metrics
from services.registry.store import statement_spans
from services.registry.store.failures import is_connection_lost, translated
from services.registry.store.guard import answered_within
from services.runtime import context, tracing
from services.runtime.backoff import retry

ACQUIRE_TIMEOUT_S = 2.0
"""How long a call waits for a connection."""
STATEMENT_TIMEOUT_MS = 5000
ANSWER_TIMEOUT_S = 6.0
"""How long a server may stay silent; longer than its own STATEMENT_TIMEOUT_MS."""
RETRY_WITHIN_S = 2.0
"""A read is repeated when its connection broke early; not after the caller has waited for a timeout."""
CONNECT_TIMEOUT_S = 5
RECONNECT_TIMEOUT_S = 1.0
"""How long the pool itself repeats a failed connect. Short: its waits double, and every call starts a new attempt."""
MAX_IDLE_S = 300.0
BY_INDEX = (
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), "
    "set_config('enable_seqscan', 'off', true)"
)
APPLICATION_NAME = "studio-databases registry"


def platform_name(database_url: str) -> str:
    """Which platform database a URL leads to: the same for every user and option."""
    given = conninfo.conninfo_to_dict(database_url)
    return json.dumps([str(given.get(name, "")) for name in ("host", "hostaddr", "port", "dbname")])


async def _do_nothing() -> None:
    return


class Connection(psycopg.AsyncConnection[TupleRow]):
    """A connection that knows its age."""

    opened_at: float = 0.0
    """Time of the event loop at which the pool opened it."""

    async def execute(
        self,
        query: Any,  # noqa: ANN401  psycopg's own arguments, passed on
        params: Any = None,  # noqa: ANN401  as above
        **options: Any,  # noqa: ANN401  as above
    ) -> psycopg.AsyncCursor[TupleRow]:
        """As psycopg's, and a span of the trace where there is one."""
        if tracing.tracer is None:
            return await super().execute(query, params, **options)
        with statement_spans.statement(query):
            return await super().execute(query, params, **options)


def connection_arguments(database_url: str) -> dict[str, Any]:
    """How every connection is made; what the URL says wins."""
    given = conninfo.conninfo_to_dict(database_url)
    # Every statement is prepared, and no plan depends on the values: planning a list anew took 0.4 ms, running it 0.5.
    limits = (
        f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=10000 "
        "-c plan_cache_mode=force_generic_plan"
    )
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": APPLICATION_NAME,
        # A server that vanished without a word is noticed within 25 s, not after the kernel's two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        **given,
        "options": f"{limits} {given.get('options', '')}".strip(),
    }


class Pool:
    """Runs statements, each on a connection of its own.

    Args:
        database_url: libpq URL of the platform database.
        size: connections at most.
        waiting: calls that may wait for one; one more is refused at once.
        after_write: called when a write has been committed, before its caller hears of it.
    """

    def __init__(
        self,
        database_url: str,
        *,
        size: int,
        waiting: int,
        after_write: Callable[[], Awaitable[None]] = _do_nothing,
    ) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs={**connection_arguments(database_url), "autocommit": True},
            min_size=1,
            max_size=size,
            max_waiting=waiting,
            timeout=ACQUIRE_TIMEOUT_S,
            max_idle=MAX_IDLE_S,
            reconnect_timeout=RECONNECT_TIMEOUT_S,
            name="platform",
            connection_class=Connection,
            configure=_note_age,
            open=False,
        )
        self._after_write = after_write
        self._broken_at = -math.inf
        metrics.PLATFORM_POOL_MAX.set(size)
        for state in ("open", "in_use", "waiting"):
            metrics.PLATFORM_POOL.labels(state).set_function(functools.partial(self._connections, state))

    async def open(self) -> None:
        """Starts connecting; does not wait for it, since PostgreSQL may come later than we do."""
        await self._pool.open(wait=False)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._pool.close()

    async def read(self, query: str, parameters: dict[str, Any], *, by_index: bool = False) -> list[TupleRow]:
        """The rows of a query that changes nothing, so that it is repeated when its connection turns out dead.

        Args:
            query: with parameters as psycopg has them.
            parameters: their values.
            by_index: it wants a few rows of a large table in the order of an index. The planner, which plans for any
                values, sooner believes in sorting a part of the table.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE, RESOURCE_EXHAUSTED.
        """
        give_up_at = asyncio.get_running_loop().time() + RETRY_WITHIN_S

        async def once() -> list[TupleRow]:
            async with self._acquired() as connection:
                if not by_index:
                    cursor = await connection.execute(query, parameters)
                    return await cursor.fetchall()
                async with connection.transaction(), connection.pipeline():
                    await connection.execute(BY_INDEX)
                    cursor = await connection.execute(query, parameters)
                    return await cursor.fetchall()

        def is_worth_a_retry(error: BaseException) -> bool:
            return is_connection_lost(error) and asyncio.get_running_loop().time() < give_up_at

        with translated():
            return await retry(once, when=is_worth_a_retry)

    @contextlib.asynccontextmanager
    async def write(self, *, changes_lists: bool = True) -> AsyncIterator[Connection]:
        """A connection in a transaction. Checked before: a statement that may have run is never repeated.

        Args:
            changes_lists: whether it may write something that lists show.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE, RESOURCE_EXHAUSTED.
        """
        with translated():
            async with self._acquired(check=True) as connection, connection.transaction():
                yield connection
        if changes_lists:
            await self._after_write()

    def _connections(self, state: str) -> float:
        stats = self._pool.get_stats()
        if state == "waiting":
            return float(stats.get("requests_waiting", 0))
        opened = stats.get("pool_size", 0)
        return float(opened if state == "open" else opened - stats.get("pool_available", 0))

    @contextlib.asynccontextmanager
    async def _acquired(self, *, check: bool = False) -> AsyncIterator[Connection]:
        connection = await (retry(self._live, when=is_connection_lost) if check else self._get())
        try:
            with answered_within(connection, ANSWER_TIMEOUT_S):
                yield connection
        except psycopg.OperationalError:
            self._note_failure(connection)
            raise
        finally:
            await self._pool.putconn(connection)

    async def _get(self) -> Connection:
        """A connection that is younger than the last failure: what broke one (a restart) broke the others, too."""
        while True:
            try:
                connection = await self._pool.getconn(timeout=context.remaining_s(ACQUIRE_TIMEOUT_S))
            except TooManyRequests:
                if not self._forget_given_up():
                    raise
                continue
            if connection.opened_at > self._broken_at:
                return connection
            await connection.close()
            await self._pool.putconn(connection)

    def _forget_given_up(self) -> bool:
        """Drops from the pool's queue who waits no more; whether that made room.

        psycopg counts those until a connection comes, and opens none for a call that it refuses: a queue that was full
        when PostgreSQL came back would stay full, and every call be refused for ever.
        """
        queue = self._pool._waiting  # noqa: SLF001  no other way leads to it
        alive = [each for each in queue if each.error is None and each.conn is None]
        has_room = len(alive) < len(queue)
        queue.clear()
        queue.extend(alive)
        return has_room

    async def _live(self) -> Connection:
        connection = await self._get()
        try:
            with answered_within(connection, ACQUIRE_TIMEOUT_S):
                await AsyncConnectionPool.check_connection(connection)
        except BaseException:
            self._note_failure(connection)
            await self._pool.putconn(connection)
            raise
        return connection

    def _note_failure(self, connection: Connection) -> None:
        if connection.closed:
            self._broken_at = asyncio.get_running_loop().time()


async def _note_age(connection: Connection) -> None:
    connection.opened_at = asyncio.get_running_loop().time()
