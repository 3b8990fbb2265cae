"""A registered database as the rest of the service sees it: its servers, and which of them holds a key.

A standalone server, or the master that Sentinels know, has one link that holds every key; a Cluster has one a master.
Callers see the difference in nothing but the answers of `link_for` and `links`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from services.redis_svc.cluster import Cluster
from services.redis_svc.connection import Connection
from services.redis_svc.dialer import Dialer
from services.redis_svc.limits import Limits
from services.redis_svc.link import Link, ServerLink, unknown_outcome
from services.redis_svc.replies import Command, Reply, pack
from services.redis_svc.sentinel import MasterLink, Sentinels
from services.redis_svc.shards import ServerWalk, ShardWalk, Walk
from services.redis_svc.topology import Topology
from services.redis_svc.url import RedisOptions
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError
from services.runtime.gate import Gate


class RedisClient:
    """A database's connections. They are made when first needed.

    Args:
        options: where and as whom to connect.
        policy: which addresses may be dialled.
        limits: bounds.
        allow_unix: whether Unix sockets may be dialled.
    """

    def __init__(
        self, options: RedisOptions, policy: AddressPolicy, limits: Limits, *, allow_unix: bool = False
    ) -> None:
        self.limits = limits
        self.topology = options.topology
        """How its servers are found."""
        self.listings = Gate(
            limits.max_listings,
            limits.max_waiting_listings,
            "Too many listings of this Redis database are under way.",
        )
        """Bounds the listings at a time, so that they don't delay everything else on the shared connection."""

        def dial() -> Awaitable[Connection]:
            # A dialer keeps what its attempt has come to: each attempt has its own, for several may be under way.
            return Dialer(options, policy, limits, allow_unix=allow_unix).dial()

        self._cluster = Cluster(options, policy, limits) if options.topology is Topology.CLUSTER else None
        self._link = (
            MasterLink(Sentinels(options, policy, limits), limits)
            if options.topology is Topology.SENTINEL
            else ServerLink(dial, limits)
        )

    @property
    def is_ready(self) -> bool:
        """Whether `links` can be told now."""
        return self._cluster is None or self._cluster.is_ready

    async def ready(self) -> None:
        """Returns when `links` can be told: at once but for a Cluster whose slots are not known yet.

        Raises:
            StudioError: no node of the Cluster can be asked; with `stage` in its metadata.
        """
        if self._cluster is not None:
            await self._cluster.ready()

    @property
    def is_cluster(self) -> bool:
        """Whether one command may only be about keys of one slot."""
        return self._cluster is not None

    def link_for(self, key: bytes) -> Link:
        """The way to the server that holds a key."""
        return self._link if self._cluster is None else self._cluster.link_for(key)

    @property
    def links(self) -> Sequence[Link]:
        """The ways to every server that holds keys: of a Cluster to each master, by the first slot it serves.

        Raises:
            StudioError: the Cluster's slots are not known yet; see `ready`.
        """
        return (self._link,) if self._cluster is None else self._cluster.links

    def walk(self, cursor: str) -> Walk:
        """A way through all keys of all servers.

        Args:
            cursor: of the walk before; empty or `0` to begin.

        Raises:
            StudioError: INVALID_CURSOR.
        """
        return ServerWalk(self._link, cursor) if self._cluster is None else ShardWalk(self._cluster, cursor)

    async def execute_many(
        self, commands: Sequence[tuple[bytes, Command]], *, repeatable: bool = True
    ) -> list[Reply]:
        """Commands on many keys, grouped by server, with the replies in the order of the commands.

        Args:
            commands: each with the key that says where it goes.
            repeatable: as for `Link.request`.

        Raises:
            StudioError: as `Link.request`. Where some servers have executed their part already and repeating it would
                do harm, `outcome` in the metadata is `unknown`.
        """
        groups: dict[Link, list[int]] = {}
        for at, (key, _) in enumerate(commands):
            groups.setdefault(self.link_for(key), []).append(at)
        answers = await asyncio.gather(
            *(
                link.request(pack(commands[at][1] for at in places), len(places), repeatable=repeatable)
                for link, places in groups.items()
            ),
            return_exceptions=True,
        )
        replies: list[Reply] = [None] * len(commands)
        for places, answer in zip(groups.values(), answers, strict=True):
            if isinstance(answer, BaseException):
                if isinstance(answer, StudioError) and not repeatable and len(groups) > 1:
                    raise unknown_outcome(answer)
                raise answer
            for at, reply in zip(places, answer, strict=True):
                replies[at] = reply
        return replies

    async def execute_everywhere(self, *command: bytes | str | int, repeatable: bool = True) -> list[Reply]:
        """One command on every server that holds keys; the replies stand in the order of `links`.

        Raises:
            StudioError: as `Link.request`.
        """
        links, payload = self.links, pack((command,))
        answers = await asyncio.gather(*(link.request(payload, 1, repeatable=repeatable) for link in links))
        return [reply for (reply,) in answers]

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._link.aclose()
        if self._cluster is not None:
            await self._cluster.aclose()
