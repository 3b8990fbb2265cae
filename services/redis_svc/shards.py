"""Walks through the keys of every shard of a Redis Cluster with one cursor, also while slots move.

Each slot is in one of five states, and the cursor holds them all, compressed: a listing needs nothing of this process.
A node is scanned from its first key to its last. Then those of its slots that it held all the while, whole, are done;
those that were leaving it are half done: what was not found here is where they went, so that node is scanned after it,
for these slots alone where it was scanned before. Only keys of slots that a node is scanned for are returned.

So a key that exists all the while is returned at least once, whatever moves; exactly once where nothing does. A shard
whose master is gone begins anew, since SCAN's cursors belong to one process. Slots that move on and on end the listing
with INVALID_CURSOR: each node is visited a bounded number of times.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import TYPE_CHECKING, Protocol

from services.redis_svc.cursors import MAX_CURSOR, invalid_cursor, parse_cursor
from services.redis_svc.replies import ServerError, pack
from services.redis_svc.slots import SLOTS, View, key_slot, parse_nodes, ranges_of
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    from services.redis_svc.cluster import Cluster
    from services.redis_svc.link import Link
    from services.redis_svc.redirects import NodeLink

TODO, DONE, HALF, HELD, LEAVING = range(5)
"""Not looked at; every key was returned; what its former node still had was; on the node being scanned: whole, or
going away."""
MAX_CURSOR_CHARS = 8192
VISITS_A_NODE = 4
"""Scans of a node that a listing begins, on average, before it gives up."""
SPARE_VISITS = 16
MAX_MISSES = 8
"""Nodes in a row that turn out not to hold what the map of slots says, before a call gives up."""

_CURSOR = re.compile(r"([0-9a-zA-Z:.'_-]{0,80})~([0-9]{1,20})~([0-9]{1,6})~([A-Za-z0-9_-]+)")
_NODES = pack(((b"CLUSTER", b"NODES"),))


class Walk(Protocol):
    """A way through all keys."""

    @property
    def link(self) -> Link:
        """The server to scan now."""

    @property
    def position(self) -> int:
        """SCAN's cursor there."""

    async def next(self) -> bool:
        """Whether there is a server to scan; sets `link` and `position`."""

    async def reached(self, position: int) -> None:
        """Says how far SCAN has come there; 0 is the end."""

    def keep(self, names: list[bytes]) -> list[bytes]:
        """Those of some keys that were not returned before."""

    @property
    def cursor(self) -> str:
        """Where to go on; empty at the end."""


class ServerWalk:
    """Through one server: the cursor is SCAN's own."""

    def __init__(self, link: Link, cursor: str) -> None:
        self.link = link
        self.position = parse_cursor(cursor)
        self._ended = False

    async def next(self) -> bool:
        """As `Walk.next`."""
        return not self._ended

    async def reached(self, position: int) -> None:
        """As `Walk.reached`."""
        self.position, self._ended = position, position == 0

    def keep(self, names: list[bytes]) -> list[bytes]:
        """As `Walk.keep`: all."""
        return names

    @property
    def cursor(self) -> str:
        """As `Walk.cursor`."""
        return str(self.position) if self.position else ""


class ShardWalk:
    """Through every master of a Cluster.

    Args:
        cluster: the Cluster.
        cursor: of the page before; empty or `0` for the first.

    Raises:
        StudioError: INVALID_CURSOR.
    """

    link: NodeLink

    def __init__(self, cluster: Cluster, cursor: str) -> None:
        self._cluster = cluster
        self._node, self.position, self._visits, self._states = _parse(cursor)
        self._fresh = False
        self._ended = False
        self._filtered = False

    async def next(self) -> bool:
        """As `Walk.next`."""
        if not self._fresh:
            # Once a page: a node that is only scanned never tells that something has moved.
            await self._cluster.refresh()
            self._fresh = True
            if self._node and not await self._resume():
                self._node, self.position = "", 0
        for _ in range(MAX_MISSES):
            if self._node or self._ended:
                return not self._ended
            await self._visit()
        raise StudioError(
            e.ERROR_REASON_DB_UNAVAILABLE, "The Redis Cluster is moving slots.", hint="Try again in a moment."
        )

    async def reached(self, position: int) -> None:
        """As `Walk.reached`."""
        self.position = position
        if position:
            return
        self._check(await self._view(self.link))
        self._states = self._states.translate(_table({HELD: DONE, LEAVING: HALF}))
        self._node = ""
        self._ended = self._target() is None

    def keep(self, names: list[bytes]) -> list[bytes]:
        """As `Walk.keep`: keys of slots that are done, or that are looked at elsewhere, are left out."""
        if not self._filtered:
            return names
        states = self._states
        return [name for name in names if states[key_slot(name)] >= HELD]

    @property
    def cursor(self) -> str:
        """As `Walk.cursor`."""
        if self._ended:
            return ""
        packed = base64.urlsafe_b64encode(zlib.compress(self._states, 9)).rstrip(b"=").decode()
        return f"{self._node}~{self.position}~{self._visits}~{packed}"

    async def _resume(self) -> bool:
        """Goes on with the node of the page before; False where it is gone: its shard begins anew."""
        link = self._cluster.master(self._node) or self._importer()
        if link is None:
            self._states = self._states.translate(_table({HELD: TODO, LEAVING: TODO}))
            return False
        self.link = link
        view = await self._view(link)
        self._check(view)
        self._filtered = self._holds_others(view)
        return True

    def _importer(self) -> NodeLink | None:
        """A node without slots of its own, that slots are coming to."""
        host, colon, port = self._node.rpartition(":")
        # Only one that the Cluster has named: the cursor comes from a caller, and the node gets our password.
        return self._cluster.known((host, int(port[:5]))) if colon and port.isdigit() else None

    async def _visit(self) -> None:
        """Begins with the next node."""
        target = self._target()
        if target is None:
            self._ended = True
            return
        slot, link = target
        if self._visits >= VISITS_A_NODE * len(self._cluster.links) + SPARE_VISITS:
            raise StudioError(
                e.ERROR_REASON_INVALID_CURSOR,
                "The Redis Cluster has been moving slots all the while, so that the listing can't be completed.",
                hint="Begin it anew once the slots have settled.",
            )
        view = await self._view(link)
        if self._states[slot] == HALF and slot in view.migrating:
            # Its keys are between two nodes. Here they have been looked at: now where they go.
            where = view.addresses.get(view.migrating[slot])
            if where is not None:
                link = self._cluster.node(where)
                view = await self._view(link)
        self._begin(view)
        if HELD not in self._states and LEAVING not in self._states:
            await self._cluster.refresh(wait=True)  # it does not hold what the map says
            return
        self._visits += 1
        self.link, self.position = link, 0
        self._node = self._cluster.id_of(link) or f"{link.where[0]}:{link.where[1]}"
        self._filtered = self._holds_others(view)

    def _target(self) -> tuple[int, NodeLink] | None:
        """A slot that is not done and who serves it, those that nobody has looked at first; None at the end."""
        for state in (TODO, HALF):
            slot = self._states.find(state)
            while slot >= 0:
                link = self._cluster.owner_now(slot)
                if link is not None:
                    return slot, link
                slot = self._states.find(
                    state, slot + 1
                )  # nobody serves it: it has no keys that could be read
        return None

    def _begin(self, view: View) -> None:
        held = _table({TODO: HELD, HALF: HELD})
        states = bytearray(self._states)
        for first, last in view.owned:
            states[first : last + 1] = states[first : last + 1].translate(held)
        for slot in view.migrating:
            if states[slot] == HELD:
                states[slot] = LEAVING
        for slot in view.importing:
            if states[slot] == HALF:  # its former node has been looked at: what it lacked is here
                states[slot] = HELD
        self._states = bytes(states)

    def _check(self, view: View) -> None:
        """Notes which slots the node no longer holds whole."""
        states = bytearray(self._states.translate(_table({HELD: LEAVING})))
        for first, last in ranges_of(view):
            states[first : last + 1] = self._states[first : last + 1]
        for slot in view.migrating:
            if states[slot] == HELD:
                states[slot] = LEAVING
        self._states = bytes(states)

    def _holds_others(self, view: View) -> bool:
        """Whether the node may hold keys of slots that it is not scanned for."""
        return any(min(self._states[first : last + 1]) < HELD for first, last in ranges_of(view))

    async def _view(self, link: NodeLink) -> View:
        (reply,) = await link.send(_NODES, 1)
        if isinstance(reply, bytes):
            try:
                return parse_nodes(reply, self._cluster.announced, link.where[0])
            except ValueError:
                pass  # a proxy, say, that answers in its own way: the map must do
        elif isinstance(reply, ServerError) and reply.prefix == "LOADING":
            raise StudioError(
                e.ERROR_REASON_DB_UNAVAILABLE, "A node of the Redis Cluster is loading its data."
            )
        cluster = self._cluster
        owned = [(slot, slot) for slot in range(SLOTS) if cluster.owner_now(slot) is link]
        return View(owned=owned)


def _parse(cursor: str) -> tuple[str, int, int, bytes]:
    if cursor in {"", "0"}:
        return "", 0, 0, bytes(SLOTS)
    found = _CURSOR.fullmatch(cursor) if len(cursor) <= MAX_CURSOR_CHARS else None
    if found is None or int(found[2]) > MAX_CURSOR:
        raise invalid_cursor()
    try:
        packed = base64.urlsafe_b64decode(found[4] + "=" * (-len(found[4]) % 4))
        unpacker = zlib.decompressobj()
        states = unpacker.decompress(packed, SLOTS)
    except (ValueError, zlib.error):
        raise invalid_cursor() from None
    if len(states) != SLOTS or unpacker.unconsumed_tail or max(states) > LEAVING:
        raise invalid_cursor()
    return found[1], int(found[2]), int(found[3]), states


def _table(changes: dict[int, int]) -> bytes:
    return bytes(changes.get(value, value) for value in range(256))
