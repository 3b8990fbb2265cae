"""Where requests were led to a moment ago: a page of Studio asks for many things at once, and each is decided about.

Opening a connection string, looking its name up and encrypting it for pg-meta would be most of what a decision costs.
What changes the connection changes its revision; sealing it with another key changes neither.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from services.registry.pg_meta.bounds import REMEMBERED, TARGET_S

Key = tuple[str, str, bool]
"""Of the database its id and revision, and whether its sessions begin read-only."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where pg-meta is led."""

    text: str = field(repr=False)
    """The connection string, with an address that was checked."""
    sealed: str = field(repr=False)
    """The same as pg-meta decrypts it."""


class Targets:
    """Remembers for `TARGET_S`, `REMEMBERED` of them: for longer no address may stand in for its name."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, tuple[Target, float]] = OrderedDict()

    def get(self, key: Key) -> Target | None:
        """What is known; None where it is to be found anew."""
        known = self._known.get(key)
        if known is None or asyncio.get_running_loop().time() >= known[1]:
            return None
        return known[0]

    def put(self, key: Key, target: Target) -> None:
        """Remembers it."""
        now = asyncio.get_running_loop().time()
        self._known[key] = (target, now + TARGET_S)
        self._known.move_to_end(key)
        # In the order in which they end, so no secret stays here for much longer than it is used.
        while now >= next(iter(self._known.values()))[1] or len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
