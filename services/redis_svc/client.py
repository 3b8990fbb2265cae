"""A registered database as the rest of the service sees it: its servers, and which of them holds a key.

A standalone server has one link that holds every key. A topology with several servers differs in nothing but the
answers of `link_for` and `links`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from services.redis_svc.connection import Connection
from services.redis_svc.dialer import Dialer
from services.redis_svc.limits import Limits
from services.redis_svc.link import Link, ServerLink
from services.redis_svc.url import RedisOptions
from services.runtime.addresses import AddressPolicy


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

        def dial() -> Awaitable[Connection]:
            # A dialer keeps what its attempt has come to: each attempt has its own, for several may be under way.
            return Dialer(options, policy, limits, allow_unix=allow_unix).dial()

        self._link = ServerLink(dial, limits)

    def link_for(self, key: bytes) -> Link:
        """The way to the server that holds a key."""
        del key
        return self._link

    @property
    def links(self) -> Sequence[Link]:
        """The ways to every server that holds keys, always in the same order."""
        return (self._link,)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._link.aclose()
