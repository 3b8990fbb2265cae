"""A Redis Cluster: which node serves which slot, one link a master, and finding out anew when that changes.

The map of slots comes from CLUSTER SLOTS, asked of any node, once for all who wait. Between two lookups it learns from
MOVED, slot by slot. What a node redirects is sent on by `redirects`; listing every shard in one cursor is `shards`'s.
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence

from services.redis_svc.asking import NoAnswerError, first_answer
from services.redis_svc.connection import Connection
from services.redis_svc.dialer import Dialer, Stage
from services.redis_svc.errors import to_studio_error
from services.redis_svc.limits import Limits
from services.redis_svc.link import Link, Started
from services.redis_svc.redirects import NodeLink
from services.redis_svc.replies import Reply, ServerError, pack
from services.redis_svc.slots import SLOTS, Range, key_slot, parse_slots
from services.redis_svc.topology import Announced, Seed, Topology
from services.redis_svc.traffic import TOTALS
from services.redis_svc.url import RedisOptions
from services.runtime import context
from services.runtime.addresses import AddressPolicy
from services.runtime.backoff import Backoff
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1 import errors_pb2 as e

UNREACHABLE = frozenset(
    {e.ERROR_REASON_DB_CONNECTION_FAILED, e.ERROR_REASON_DB_TIMEOUT, e.ERROR_REASON_DB_UNAVAILABLE}
)
MAX_ASKED = 16
"""Nodes that one lookup asks at most."""
_CLUSTER_SLOTS = pack(((b"CLUSTER", b"SLOTS"),))

log = get_logger(__name__)


class Cluster:
    """The nodes and the map of slots.

    Args:
        options: some nodes of it, how to log in, where to reach what is announced.
        policy: which addresses may be dialled, announced ones included.
        limits: bounds.
    """

    def __init__(self, options: RedisOptions, policy: AddressPolicy, limits: Limits) -> None:
        self.limits = limits
        self.announced = Announced(options.nat_map, options.use_seed_host)
        self._options = options
        self._policy = policy
        self._nodes: dict[Seed, NodeLink] = {}
        self._owners: list[NodeLink | None] = [None] * SLOTS
        self._masters: dict[str, NodeLink] = {}  # by id, in the order of their first slots
        self._replicas: tuple[Seed, ...] = ()
        self._refreshing: asyncio.Task[None] | None = None
        self._not_before = 0.0  # of the next lookup
        self._failure: StudioError | None = None
        self._cooldown = Backoff(first_s=limits.refresh_interval_s, longest_s=limits.backoff_cap_s)
        self._closed = False

    # ------------------------------------------------------------------------------------------- callers

    @property
    def is_ready(self) -> bool:
        """Whether the slots are known."""
        return bool(self._masters)

    async def ready(self) -> None:
        """Returns when the slots are known.

        Raises:
            StudioError: with `stage` in its metadata, `cluster` where the nodes answer something unexpected.
        """
        if not self._masters:
            await self.refresh()

    @property
    def links(self) -> Sequence[NodeLink]:
        """The masters that serve slots.

        Raises:
            StudioError: they are not known yet.
        """
        if not self._masters:
            raise self._failure or _unknown()
        return tuple(self._masters.values())

    def link_for(self, key: bytes) -> Link:
        """The way to the master of a key's slot; the same for all keys of a master."""
        slot = key_slot(key)
        return self._owners[slot] or _Homeless(self, slot)

    def master(self, node_id: str) -> NodeLink | None:
        """A master by its id; None where it serves no slot any more."""
        return self._masters.get(node_id)

    def id_of(self, link: NodeLink) -> str:
        """The id of a master; empty where it serves no slot any more."""
        return next((node_id for node_id, each in self._masters.items() if each is link), "")

    async def owner(self, slot: int) -> NodeLink:
        """Who serves a slot.

        Raises:
            StudioError: nobody does, or it can't be found out.
        """
        link = self._owners[slot]
        if link is None:
            await self.refresh()
            link = self._owners[slot]
        if link is None:
            raise StudioError(
                e.ERROR_REASON_DB_UNAVAILABLE,
                f"No node of the Redis Cluster serves slot {slot}, which the key belongs to.",
                hint="Look at CLUSTER INFO: slots may be unassigned, or their node may have failed.",
                metadata={"stage": Stage.CLUSTER},
            )
        return link

    def owner_now(self, slot: int) -> NodeLink | None:
        """Who serves a slot, as far as is known."""
        return self._owners[slot]

    def node(self, where: Seed) -> NodeLink:
        """The link to a node, a new one where there is none.

        Raises:
            StudioError: RESOURCE_EXHAUSTED; the nodes have sent us to more servers than a Cluster has.
        """
        link = self._nodes.get(where)
        if link is None:
            if len(self._nodes) >= self.limits.max_nodes:
                raise StudioError(
                    e.ERROR_REASON_RESOURCE_EXHAUSTED,
                    f"The Redis Cluster names more than {self.limits.max_nodes} nodes.",
                )
            link = self._nodes[where] = NodeLink(self, where, self.limits)
        return link

    def known(self, where: Seed) -> NodeLink | None:
        """The link to a node that the Cluster has named."""
        return self._nodes.get(where)

    async def dial(self, where: Seed) -> Connection:
        """A connection to a node, logged in.

        Raises:
            StudioError: with `stage` in its metadata.
        """
        options = dataclasses.replace(
            self._options, host=where[0], port=where[1], topology=Topology.STANDALONE
        )
        try:
            return await Dialer(options, self._policy, self.limits).dial()
        except StudioError as error:
            if error.reason in UNREACHABLE and where not in self._options.seeds:
                error.hint = (
                    "The Cluster announces this address. If it can't be reached from here, say where the node is with "
                    "nat_map, or use_seed_host."
                )
            raise

    # ------------------------------------------------------------------------------------------- the map

    def moved(self, slot: int, link: NodeLink) -> None:
        """Learns that a node serves a slot, and looks the others up in the background."""
        self._owners[slot] = link
        self.refresh_soon()

    def refresh_soon(self) -> None:
        """Looks the slots up in the background, unless that was done just now."""
        if self._refreshing is None and not self._closed:
            task = self._start()
            if task is not None:
                task.add_done_callback(_seen)

    async def refresh(self, *, wait: bool = False) -> None:
        """Looks the slots up, unless that was done just now.

        Args:
            wait: look them up all the same, as soon as that may be done again.

        Raises:
            StudioError: no node can be asked.
        """
        if wait and self._refreshing is None:
            await asyncio.sleep(self._not_before - asyncio.get_running_loop().time())
        task = self._refreshing or self._start()
        if task is not None:
            # Shared by all who wait: one that goes away must not cancel it for the others.
            await asyncio.shield(task)
        elif not self._masters:
            raise (self._failure or _unknown()).with_traceback(None)

    def _start(self) -> asyncio.Task[None] | None:
        if self._closed or asyncio.get_running_loop().time() < self._not_before:
            return None
        task = asyncio.create_task(self._load(), name="redis cluster slots", context=context.shared())
        task.add_done_callback(self._loaded)
        self._refreshing = task
        return task

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        now = asyncio.get_running_loop().time()
        failure = None if task.cancelled() else task.exception()
        if failure is None:
            self._failure = None
            self._cooldown.reset()
            self._not_before = now + self.limits.refresh_interval_s
            return
        self._not_before = now + self._cooldown.next_s()
        if isinstance(failure, StudioError):
            self._failure = failure
            log.info("redis.cluster.lookup_failed", error=failure.message)

    async def _load(self) -> None:
        TOTALS.rediscoveries += 1
        # Those with a connection first: they answer in one round trip.
        connected = [link.where for link in self._nodes.values() if link.is_connected]
        others = (*self._options.seeds, *(link.where for link in self._masters.values()), *self._replicas)
        candidates = list(dict.fromkeys((*connected[:MAX_ASKED], *others)))[:MAX_ASKED]
        try:
            async with asyncio.timeout(self.limits.connect_timeout_s):
                _, ranges = await first_answer(candidates, self._ask)
        except NoAnswerError as error:
            raise self._nobody(error.failures) from None
        except TimeoutError:
            raise self._nobody([]) from None
        self._take(ranges)

    async def _ask(self, where: Seed) -> list[Range]:
        known = self._nodes.get(where)
        try:
            async with asyncio.timeout(self.limits.ask_timeout_s):
                if known is not None and known.is_connected:
                    (reply,) = await known.send(_CLUSTER_SLOTS, 1)
                else:
                    reply = await self._ask_once(where)
        except TimeoutError:
            raise StudioError(
                e.ERROR_REASON_DB_TIMEOUT,
                f"{where[0]}:{where[1]} did not say within {self.limits.ask_timeout_s:g} s which slots it knows.",
                metadata={"stage": Stage.CLUSTER},
            ) from None
        return self._read(reply, where)

    async def _ask_once(self, where: Seed) -> Reply:
        connection = await self.dial(where)
        try:
            return (await connection.submit(_CLUSTER_SLOTS, 1))[0]
        finally:
            connection.close()

    def _read(self, reply: Reply, where: Seed) -> list[Range]:
        name = f"{where[0]}:{where[1]}"
        if isinstance(reply, ServerError):
            text = reply.text.lower()
            if "cluster support disabled" in text or "unknown command" in text:
                raise StudioError(
                    e.ERROR_REASON_DB_PROTOCOL_ERROR,
                    f"{name} is no node of a Redis Cluster.",
                    hint="Register it with redis:// or rediss://.",
                    metadata={"stage": Stage.CLUSTER},
                )
            error = to_studio_error(reply, command="CLUSTER")
            error.metadata["stage"] = Stage.CLUSTER
            raise error
        try:
            ranges = parse_slots(reply, self.announced, where[0])
        except ValueError:
            raise StudioError(
                e.ERROR_REASON_DB_PROTOCOL_ERROR,
                f"{name} does not answer CLUSTER SLOTS as a node of a Redis Cluster does.",
                metadata={"stage": Stage.CLUSTER},
            ) from None
        if not ranges:
            raise StudioError(
                e.ERROR_REASON_DB_UNAVAILABLE,
                f"{name} knows of no slots: the Redis Cluster is not set up, or the node has left it.",
                metadata={"stage": Stage.CLUSTER},
            )
        return ranges

    def _take(self, ranges: list[Range]) -> None:
        owners: list[NodeLink | None] = [None] * SLOTS
        masters: dict[str, NodeLink] = {}
        for each in sorted(ranges, key=lambda one: one.first):
            link = self.node(each.master)
            masters.setdefault(each.node_id, link)
            if masters[each.node_id] is link and link not in self._masters.values():
                link.slot = each.first
            owners[each.first : each.last + 1] = [link] * (each.last + 1 - each.first)
        gone = [link for link in self._nodes.values() if link not in masters.values()]
        self._owners, self._masters = owners, masters
        self._replicas = tuple(dict.fromkeys(replica for each in ranges for replica in each.replicas))
        for link in gone:
            link.leave()  # what is in flight is still answered

    def _nobody(self, failures: Sequence[StudioError]) -> StudioError:
        for failure in failures:
            if failure.reason not in UNREACHABLE:
                return failure
        if len(failures) == 1:
            return failures[0]
        why = f": {failures[0].message}" if failures else f" within {self.limits.connect_timeout_s:g} s."
        return StudioError(
            e.ERROR_REASON_DB_CONNECTION_FAILED,
            f"No node of the Redis Cluster can be asked for its slots{why}",
            hint=failures[0].hint if failures else "",
            metadata={
                "stage": failures[0].metadata.get("stage", Stage.CLUSTER) if failures else Stage.CLUSTER
            },
        )

    async def aclose(self) -> None:
        """Closes every connection."""
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        for link in self._nodes.values():
            await link.aclose()


class _Homeless(Link):
    """The way to a slot that nobody serves, as far as is known."""

    def __init__(self, cluster: Cluster, slot: int) -> None:
        self._cluster = cluster
        self._slot = slot

    async def request(self, payload: bytes, expected: int, *, repeatable: bool = True) -> list[Reply]:
        link = await self._cluster.owner(self._slot)
        return await link.request(payload, expected, repeatable=repeatable)

    def start(self, payload: bytes, expected: int) -> Started:
        return Started(self, payload, expected, None)

    @contextlib.asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        link = await self._cluster.owner(self._slot)
        async with link.dedicated() as connection:
            yield connection


def _unknown() -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_UNAVAILABLE,
        "The slots of the Redis Cluster are not known yet.",
        hint="Try again in a moment.",
        metadata={"stage": Stage.CLUSTER},
    )


def _seen(task: asyncio.Task[None]) -> None:
    """Nobody waits for it: what went wrong is logged, and said to whoever asks next."""
    if not task.cancelled():
        task.exception()
