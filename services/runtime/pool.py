"""A pool of clients, one a key: created once, shared, closed when idle, never closed while in use.

Generic: what a client is and how it is made is the engine's business. Used from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from services.runtime import context, metrics
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED, ERROR_REASON_SERVICE_UNAVAILABLE

SpecT = TypeVar("SpecT")
ClientT = TypeVar("ClientT")

CLOSE_TIMEOUT_S = 5.0
"""Seconds that closing a client may take; what an engine that hangs would keep open is then given up."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """A pool at one moment."""

    open: int
    """Clients that are open or being created, in use or not."""
    in_use: int
    """Clients with at least one lease."""
    closing: int
    """Clients that were discarded while in use and close when their last lease ends."""
    created: int
    """Clients created so far."""
    evicted: int
    """Clients closed to make room."""
    expired: int
    """Clients closed because nobody used them."""
    refused: int
    """Leases refused because every client was in use."""
    waiting: int
    """Leases that wait until their client is made."""


class _Entry(Generic[ClientT]):
    """A client and what is known of its use."""

    __slots__ = ("client", "creation", "idle_since", "leases", "revision")

    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.leases = 0
        self.idle_since = 0.0
        self.client: ClientT | None = None
        self.creation: asyncio.Task[ClientT] | None = None


class ClientPool(Generic[SpecT, ClientT]):
    """Clients by key, at most `max_clients` of them.

    Args:
        name: name in metrics and logs.
        create: makes a client from a spec; what it raises reaches whoever waits for the lease. It bounds its own time:
            several calls may wait for it, so it has no deadline of one of them. When cancelled it closes what it
            has opened.
        close: closes a client; called once for each client that was created.
        on_discard: called with a client that is discarded while in use, before it can be closed: it may end what would
            run on for ever.
        max_clients: clients open at a time. Room is made by closing the one idle for the longest; when all are in
            use a lease is refused at once.
        idle_timeout_s: seconds after which a client nobody uses is closed by `run`.
    """

    def __init__(
        self,
        *,
        name: str,
        create: Callable[[SpecT], Awaitable[ClientT]],
        close: Callable[[ClientT], Awaitable[None]],
        on_discard: Callable[[ClientT], None] | None = None,
        max_clients: int = 10,
        idle_timeout_s: float = 300.0,
    ) -> None:
        self._name = name
        self._create = create
        self._close = close
        self._on_discard = on_discard
        self._max_clients = max_clients
        self._idle_timeout_s = idle_timeout_s
        self._entries: OrderedDict[str, _Entry[ClientT]] = OrderedDict()
        self._leaving: set[_Entry[ClientT]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._created = self._evicted = self._expired = self._refused = self._waiting = 0
        self._closed = False
        metrics.POOL_CLIENTS.labels(name, "open").set_function(lambda: len(self._entries))
        metrics.POOL_CLIENTS.labels(name, "in_use").set_function(lambda: self.stats().in_use)
        metrics.POOL_CLIENTS.labels(name, "closing").set_function(lambda: len(self._leaving))
        metrics.POOL_CLIENTS.labels(name, "waiting").set_function(lambda: self._waiting)
        metrics.POOL_MAX.labels(name).set(max_clients)

    def lease(self, key: str, spec: SpecT, revision: str) -> Lease[SpecT, ClientT]:
        """The client of a key for the time of an `async with`.

        Args:
            key: whose client.
            spec: what to create it from, where there is none.
            revision: of the spec; a client of another revision is discarded first.

        Raises:
            StudioError: RESOURCE_EXHAUSTED when `max_clients` clients are in use; SERVICE_UNAVAILABLE when the pool is
                closed, also while waiting.
        """
        return Lease(self, key, spec, revision)

    def discard(self, key: str) -> None:
        """Takes the client of a key out of the pool; it is closed now, or when its last lease ends."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._retire(entry, "discarded")

    async def run(self) -> None:
        """Closes what nobody uses, for ever."""
        while True:
            await asyncio.sleep(min(self._idle_timeout_s / 4, 30.0))
            self.close_idle()

    def close_idle(self) -> None:
        """Closes the clients that nobody has used for `idle_timeout_s`."""
        before = asyncio.get_running_loop().time() - self._idle_timeout_s
        for key, entry in list(self._entries.items()):
            if entry.leases == 0 and entry.idle_since <= before:
                del self._entries[key]
                self._expired += 1
                self._retire(entry, "expired")

    async def aclose(self) -> None:
        """Closes every client, also those in use, and waits until they are closed; ends creations."""
        self._closed = True
        for entry in (*self._entries.values(), *self._leaving):
            self._start_closing(entry)
        self._entries.clear()
        self._leaving.clear()
        while self._closing:
            await asyncio.wait(self._closing)

    def stats(self) -> PoolStats:
        """The pool at this moment."""
        return PoolStats(
            open=len(self._entries),
            # Copied first: metrics are read in another thread.
            in_use=sum(entry.leases > 0 for entry in list(self._entries.values())),
            closing=len(self._leaving),
            created=self._created,
            evicted=self._evicted,
            expired=self._expired,
            refused=self._refused,
            waiting=self._waiting,
        )

    def _acquire(self, key: str, spec: SpecT, revision: str) -> _Entry[ClientT]:
        entry = self._entries.get(key)
        if entry is not None and entry.revision == revision:
            entry.leases += 1
            return entry
        if self._closed:
            raise _stopping()
        if entry is not None:
            self.discard(key)
        self._make_room()
        entry = _Entry(revision)
        entry.leases = 1
        entry.creation = asyncio.create_task(
            self._run_creation(key, entry, spec), name=f"pool {self._name}", context=context.shared()
        )
        entry.creation.add_done_callback(lambda task: self._created_or_not(entry, task))
        self._entries[key] = entry
        return entry

    async def _run_creation(self, key: str, entry: _Entry[ClientT], spec: SpecT) -> ClientT:
        """Creates the client once for all who wait; runs on when one of them goes away."""
        try:
            client = await self._create(spec)
        except BaseException:
            if self._entries.get(key) is entry:
                del self._entries[key]
            raise
        entry.client = client
        entry.creation = None
        self._created += 1
        if entry in self._leaving:
            self._tell(client)
        metrics.POOL_EVENTS.labels(self._name, "created").inc()
        return client

    def _created_or_not(self, entry: _Entry[ClientT], task: asyncio.Task[ClientT]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and entry.leases == 0:  # else it reaches those who wait
            log.warning("pool.create_failed", pool=self._name, error=str(error) or type(error).__name__)

    def _release(self, key: str, entry: _Entry[ClientT]) -> None:
        entry.leases -= 1
        if entry.leases:
            return
        entry.idle_since = asyncio.get_running_loop().time()
        if self._entries.get(key) is entry:
            self._entries.move_to_end(key)  # idle ones stand in the order in which they became so
        elif entry in self._leaving:
            self._leaving.discard(entry)
            self._start_closing(entry)

    def _make_room(self) -> None:
        while len(self._entries) >= self._max_clients:
            key = next((key for key, entry in self._entries.items() if entry.leases == 0), None)
            if key is None:
                self._refused += 1
                metrics.POOL_EVENTS.labels(self._name, "refused").inc()
                raise StudioError(
                    ERROR_REASON_RESOURCE_EXHAUSTED,
                    f"All {self._max_clients} clients of this service are in use; try again in a moment.",
                )
            self._evicted += 1
            self._retire(self._entries.pop(key), "evicted")

    def _retire(self, entry: _Entry[ClientT], event: str) -> None:
        metrics.POOL_EVENTS.labels(self._name, event).inc()
        if entry.leases:
            self._leaving.add(entry)
            if entry.client is not None:
                self._tell(entry.client)
        else:
            self._start_closing(entry)

    def _tell(self, client: ClientT) -> None:
        if self._on_discard is not None:
            self._on_discard(client)

    def _start_closing(self, entry: _Entry[ClientT]) -> None:
        task = asyncio.create_task(self._close_entry(entry), name=f"pool {self._name} closing")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_entry(self, entry: _Entry[ClientT]) -> None:
        if entry.creation is not None:
            # Nobody waits for it any more, or the pool is closed.
            entry.creation.cancel()
            await asyncio.wait([entry.creation])
        client, entry.client = entry.client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._close(client)
        except Exception as error:  # noqa: BLE001  a client that can't be closed must not stop the others
            log.warning("pool.close_failed", pool=self._name, error=str(error) or type(error).__name__)


def _stopping() -> StudioError:
    return StudioError(ERROR_REASON_SERVICE_UNAVAILABLE, "The service is stopping.")


class Lease(Generic[SpecT, ClientT]):
    """One use of a client: `async with pool.lease(…) as client`."""

    __slots__ = ("_entry", "_key", "_pool", "_revision", "_spec")

    def __init__(self, pool: ClientPool[SpecT, ClientT], key: str, spec: SpecT, revision: str) -> None:
        self._pool = pool
        self._key = key
        self._spec = spec
        self._revision = revision
        self._entry: _Entry[ClientT] | None = None

    async def __aenter__(self) -> ClientT:
        entry = self._pool._acquire(self._key, self._spec, self._revision)  # noqa: SLF001  two halves of one thing
        try:
            client = await self._client(entry)
        except BaseException:
            self._pool._release(self._key, entry)  # noqa: SLF001  as above
            raise
        self._entry = entry
        return client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._entry is not None:
            self._pool._release(self._key, self._entry)  # noqa: SLF001  two halves of one thing
            self._entry = None

    async def _client(self, entry: _Entry[ClientT]) -> ClientT:
        creation = entry.creation
        if creation is not None:
            self._pool._waiting += 1  # noqa: SLF001  two halves of one thing
            try:
                # Shared by all who wait: one that goes away must not cancel it for the others.
                await asyncio.wait([creation])
            finally:
                self._pool._waiting -= 1  # noqa: SLF001  as above
            if creation.cancelled():
                raise _stopping()
            creation.result()  # raises what the creation did
        if entry.client is None:  # closed before this task had its turn
            raise _stopping()
        return entry.client
