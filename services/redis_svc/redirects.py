"""The way to one node of a Redis Cluster: sends on what the node redirects, and asks for its successor when it is gone.

A command that was answered with MOVED, ASK, TRYAGAIN or CLUSTERDOWN was not executed, so it may be sent again whatever
it does; the other commands of the same payload may have been, so they are not. ASKING goes right before its command in
one payload: nobody else's command on the shared connection can come between.
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.redis_svc.connection import Connection
from services.redis_svc.limits import Limits
from services.redis_svc.link import ServerLink, Started
from services.redis_svc.payloads import Unit, has_refusal, units
from services.redis_svc.replies import Reply, ServerError, pack
from services.redis_svc.topology import Seed, split_address
from services.redis_svc.traffic import TOTALS
from services.runtime.backoff import Backoff
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    from services.redis_svc.cluster import Cluster

REFUSALS = frozenset({"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"})
_TROUBLE = frozenset(
    {e.ERROR_REASON_DB_CONNECTION_FAILED, e.ERROR_REASON_DB_TIMEOUT, e.ERROR_REASON_DB_UNAVAILABLE}
)
_ASKING = pack(((b"ASKING",),))


class NodeLink(ServerLink):
    """One node.

    Args:
        cluster: the whole.
        where: the node's address.
        limits: bounds.
    """

    def __init__(self, cluster: Cluster, where: Seed, limits: Limits) -> None:
        super().__init__(lambda: cluster.dial(where), limits)
        self.where = where
        """Host and port."""
        self.slot = 0
        """A slot that it serves, or served last: whoever serves that now is its successor."""
        self._cluster = cluster

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self.connection is not None and self.connection.usable

    async def send(self, payload: bytes, expected: int, *, repeatable: bool = True) -> list[Reply]:
        """As `request`, but to this node alone, and redirections are among the replies."""
        return await super().request(payload, expected, repeatable=repeatable)

    async def request(self, payload: bytes, expected: int, *, repeatable: bool = True) -> list[Reply]:
        """As `Link.request`."""
        link = self
        for _ in range(self._limits.tries):
            try:
                replies = await link.send(payload, expected, repeatable=repeatable)
            except StudioError as error:
                successor = await link.successor(error)
                if successor is None:
                    raise
                link = successor
            else:
                return await link.settle(payload, replies, repeatable=repeatable)
        return await link.send(payload, expected, repeatable=repeatable)

    def start(self, payload: bytes, expected: int) -> Started:
        """As `Link.start`."""
        connection = self.connection
        if connection is None or not connection.usable:
            return Started(self, payload, expected, None)
        return _NodeStarted(self, payload, expected, connection.submit(payload, expected))

    @contextlib.asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """As `Link.dedicated`. A redirection there is not followed: the next call goes the right way."""
        try:
            async with super().dedicated() as connection:
                yield connection
        except StudioError as error:
            if error.metadata.get("server_error") not in REFUSALS:
                raise
            await self._cluster.refresh()
            raise StudioError(
                e.ERROR_REASON_DB_UNAVAILABLE,
                "The Redis Cluster is moving the key.",
                hint="Try again in a moment.",
            ) from None

    async def settle(self, payload: bytes, replies: list[Reply], *, repeatable: bool) -> list[Reply]:
        """The replies, those in place of redirections included."""
        if not has_refusal(replies, REFUSALS):
            return replies
        return await _Redirection(self._cluster, self, payload, replies, repeatable=repeatable).follow()

    async def successor(self, error: StudioError) -> NodeLink | None:
        """Who serves what this node served, where a failure shows that it is gone; None where there is nobody else.

        Where the node may have executed the request, it is not repeated, but looked up for those who come next.
        """
        if error.reason not in _TROUBLE:
            return None
        if "outcome" in error.metadata:
            self._cluster.refresh_soon()
            return None
        with contextlib.suppress(StudioError):  # what the node failed with says more
            await self._cluster.refresh()
        link = self._cluster.owner_now(self.slot)
        return None if link is self or self in self._cluster.links else link


class _NodeStarted(Started):
    """As `Started`, with redirections followed."""

    def __init__(
        self, link: NodeLink, payload: bytes, expected: int, future: asyncio.Future[list[Reply]]
    ) -> None:
        super().__init__(link, payload, expected, future)
        self._node = link

    async def replies(self) -> list[Reply]:
        replies = await super().replies()
        return await self._node.settle(self._payload, replies, repeatable=True)


@dataclass(slots=True)
class _Errand:
    """A unit on its way."""

    unit: Unit
    to: NodeLink
    asking: bool = False


class _Redirection:
    """Follows the redirections among some replies, a bounded number of times."""

    def __init__(
        self, cluster: Cluster, link: NodeLink, payload: bytes, replies: list[Reply], *, repeatable: bool
    ) -> None:
        self._cluster = cluster
        self._replies = replies
        self._repeatable = repeatable
        self._limits = cluster.limits
        self._errands = [_Errand(unit, link) for unit in units(payload)]

    async def follow(self) -> list[Reply]:
        backoff = Backoff(first_s=self._limits.backoff_s, longest_s=self._limits.backoff_cap_s)
        errands = self._refused(self._errands)
        for _ in range(self._limits.max_redirects):
            if not errands:
                return self._replies
            # Every one is looked at: `any` would stop at the first.
            if any([self._redirect(errand) for errand in errands]):  # noqa: C419  as just said
                await asyncio.sleep(backoff.next_s())
            batches: dict[tuple[NodeLink, bool], list[_Errand]] = {}
            for errand in errands:
                batches.setdefault((errand.to, errand.asking), []).append(errand)
            for (link, asking), batch in batches.items():
                await self._send(link, batch, asking=asking)
            errands = self._refused(errands)
        for errand in errands:
            self._put(errand, ServerError("TRYAGAIN Sent from node to node too often."))
        return self._replies

    def _refused(self, errands: list[_Errand]) -> list[_Errand]:
        return [errand for errand in errands if errand.unit.refusal(self._replies, REFUSALS)]

    def _redirect(self, errand: _Errand) -> bool:
        """Points an errand to where its refusal says; whether to wait first."""
        refusal = errand.unit.refusal(self._replies, REFUSALS)
        errand.asking = False
        match refusal.text.split(" ") if refusal is not None else []:
            case ["MOVED" | "ASK" as kind, slot, address] if slot.isdigit():
                TOTALS.redirects += errand.unit.count
                host, port = split_address(address)
                cluster = self._cluster
                errand.to = cluster.node(cluster.announced.reach(host, port, errand.to.where[0]))
                errand.asking = kind == "ASK"
                if kind == "MOVED":
                    cluster.moved(int(slot) % 16384, errand.to)
                return False
            case ["CLUSTERDOWN", *_]:
                self._cluster.refresh_soon()
        return True

    async def _send(self, link: NodeLink, batch: list[_Errand], *, asking: bool) -> None:
        step = 1 if asking else 0
        payload = b"".join((_ASKING * step) + errand.unit.payload for errand in batch)
        expected = sum(errand.unit.count + step for errand in batch)
        try:
            answers = await link.send(payload, expected, repeatable=self._repeatable)
        except StudioError as error:
            if error.reason not in _TROUBLE or "outcome" in error.metadata:
                raise
            successor = await link.successor(error)
            if successor is None:
                raise
            for errand in batch:
                errand.to = successor
                self._put(errand, ServerError("TRYAGAIN The node is gone."))
            return
        for errand in batch:
            count = errand.unit.count
            self._replies[errand.unit.at : errand.unit.at + count] = answers[step : step + count]
            del answers[: step + count]

    def _put(self, errand: _Errand, reply: ServerError) -> None:
        at = errand.unit.at
        self._replies[at : at + errand.unit.count] = [reply] * errand.unit.count
