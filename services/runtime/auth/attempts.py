"""Slows down whoever tries credentials: each wrong one makes the next answer from there come later, then it is 429.

Counted by the client's address (of IPv6 its network) and by the API key's id that was tried. A count falls by one every
few seconds. What can be told without asking anybody is looked at all the same, so that nobody who shows a valid token,
or a key that is known here, is shut out by somebody else at his address.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from services.runtime.client_address import network
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED

MAX_REMEMBERED = 10_000
"""Addresses and key ids that are counted; the one that failed the longest ago goes."""
FORGIVE_EVERY_S = 3.0
"""Seconds after which one failure is forgotten."""
FREE = 5
"""Failures without any delay: people mistype."""
STEP_S = 0.05
"""How much later each further answer comes."""
LONGEST_S = 1.0
MAX_DELAYED = 100
"""Answers that are held back at a time; beyond that they are refused at once: waiting must not fill the service."""
RETRY_AFTER_S = 30.0


@dataclass(slots=True)
class _Count:
    failures: float
    at_s: float


class Attempts:
    """Failures of one process.

    Args:
        most: failures after which nothing more is looked at; 0 for no limit, and no delay.
        clock: seconds, never going back.
    """

    def __init__(self, most: int, clock: Callable[[], float] | None = None) -> None:
        self._most = most
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._delayed = 0

    def check(self, address: str, key_id: str) -> None:
        """Refuses to ask about an API key where too many from there were wrong.

        Raises:
            StudioError: RESOURCE_EXHAUSTED.
        """
        if not self._most or not self._counts:
            return
        at_address = self._failures(network(address))
        # An id is no secret: whoever knows one must not be able to shut its holder out, who is elsewhere.
        if at_address >= self._most or (key_id and at_address and self._failures(key_id) >= self._most):
            raise _too_many()

    async def failed(self, address: str, key_id: str) -> None:
        """Counts a wrong credential, and holds its answer back.

        Raises:
            StudioError: RESOURCE_EXHAUSTED when there were too many.
        """
        if not self._most:
            return
        worst = max((self._count(each) for each in (network(address), key_id) if each), default=0.0)
        if worst > self._most:
            raise _too_many()
        delay_s = min(LONGEST_S, STEP_S * (worst - FREE))
        if delay_s <= 0:
            return
        if self._delayed >= MAX_DELAYED:
            raise _too_many()
        self._delayed += 1
        try:
            await asyncio.sleep(delay_s)
        finally:
            self._delayed -= 1

    def _count(self, key: str) -> float:
        failures = self._failures(key) + 1
        self._counts[key] = _Count(min(failures, 2.0 * self._most), self._now())
        self._counts.move_to_end(key)
        if len(self._counts) > MAX_REMEMBERED:
            self._counts.popitem(last=False)
        return failures

    def _failures(self, key: str) -> float:
        count = self._counts.get(key)
        if count is None:
            return 0.0
        left = count.failures - (self._now() - count.at_s) / FORGIVE_EVERY_S
        if left > 0:
            return left
        del self._counts[key]
        return 0.0

    def _now(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()


def _too_many() -> StudioError:
    return StudioError(
        ERROR_REASON_RESOURCE_EXHAUSTED,
        "Too many wrong credentials have come from this address: try again in a while.",
        retry_after_s=RETRY_AFTER_S,
    )
