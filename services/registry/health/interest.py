"""Which databases somebody looks at: listed, shown, tested or resolved. The others are checked less often.

Noted in memory at once, and in the platform database every few seconds, since another replica may be the one that
checks. What a service has resolved it uses without asking again: such use is not seen here, and needs no check either:
whoever uses a database hears of its failures first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from services.registry.health.schedule import Schedule
from services.registry.store.pool import Pool
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger

FLUSH_EVERY_S = 5.0
MAX_NOTED = 20_000
"""Ids between two flushes; further ones are not noted."""
RENEW_EVERY_S = 60.0
"""A database that is looked at again and again is written down so often: well within the time it counts for."""

_NOTE = """
INSERT INTO platform.database_health_state AS s (database_id, last_viewed_at)
SELECT d.id, now() FROM platform.databases d WHERE d.id = ANY(%(ids)s::uuid[]) ORDER BY d.id
ON CONFLICT (database_id) DO UPDATE SET last_viewed_at = excluded.last_viewed_at
"""

log = get_logger(__name__)


class Interest:
    """What was looked at. `run` must run in the background.

    Args:
        pool: connections to the platform database.
        when: for how long a look counts.
    """

    def __init__(self, pool: Pool, when: Schedule) -> None:
        self._pool = pool
        self._is_on = when.is_on
        self._flush_every_s = min(FLUSH_EVERY_S, when.idle_after_s / 4)
        self._renew_every_s = min(RENEW_EVERY_S, when.idle_after_s / 2)
        self._noted: set[str] = set()
        self._written: dict[str, float] = {}

    def note(self, ids: Iterable[str]) -> None:
        """Somebody looks at these."""
        if self._is_on and len(self._noted) < MAX_NOTED:
            self._noted.update(ids)

    async def run(self) -> None:
        """Writes down what was noted, for ever."""
        while True:
            await asyncio.sleep(self._flush_every_s)
            try:
                await self._flush()
            except StudioError as error:
                # It comes back with the next look.
                log.info("health.interest_not_noted", reason=error.reason_name)

    async def _flush(self) -> None:
        now = asyncio.get_running_loop().time()
        noted, self._noted = self._noted, set()
        self._written = {id_: at for id_, at in self._written.items() if now - at < self._renew_every_s}
        fresh = sorted(noted - self._written.keys())
        if not fresh:
            return
        async with self._pool.write(changes_lists=False) as connection:
            await connection.execute(_NOTE, {"ids": fresh})
        self._written |= dict.fromkeys(fresh, now)
