"""Which of a name's addresses pg-meta is sent to: it is given one, and could not try the others."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from services.registry.pg_meta.bounds import CHOICE_S, REMEMBERED, REMEMBERED_S
from services.runtime.addresses import Address
from services.runtime.dialing import UnreachableError, connect_first


class Choices:
    """Remembers for a while which address answered."""

    def __init__(self) -> None:
        self._chosen: OrderedDict[tuple[Address, ...], tuple[Address, float]] = OrderedDict()

    async def choose(self, addresses: Sequence[Address]) -> Address:
        """The first that takes a connection; where none does, the first, whose failure pg-meta then tells."""
        if len(addresses) == 1:
            return addresses[0]
        # Servers of names may change the order with every answer.
        key, now = tuple(sorted(addresses, key=lambda each: each.ip)), asyncio.get_running_loop().time()
        known = self._chosen.get(key)
        if known is not None and now < known[1]:
            return known[0]
        try:
            async with asyncio.timeout(CHOICE_S):
                connection, address = await connect_first(addresses)
        except (UnreachableError, TimeoutError):
            return addresses[0]
        connection.close()
        self._chosen[key] = (address, now + REMEMBERED_S)
        self._chosen.move_to_end(key)
        if len(self._chosen) > REMEMBERED:
            self._chosen.popitem(last=False)
        return address
