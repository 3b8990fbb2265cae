"""Lets events go by their age: some at a time, each verified before it goes, the chain verifiable afterwards.

Verified, since a row whose age was changed would otherwise be removed by ourselves, and the proof of that signed. What
does not fit stays, and all behind it, until an operator has looked.
"""

from __future__ import annotations

import asyncio
import time

from services.registry import metrics
from services.registry.audit.chain import ChainKeys, Link, Walk
from services.registry.audit.rows import LINE, TABLE, sequence_of
from services.registry.audit.verification import split
from services.registry.store.pool import Connection, Pool
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger

EVERY_S = 3600.0
"""Seconds between two looks; also between two notes of the head in the registry's log."""
RETRY_S = 60.0
"""Seconds after which it is tried again where the platform database failed."""
CHUNK_ROWS = 2000
"""Rows that go in one transaction; it holds up recording for that long."""
PAUSE_S = 0.05
"""Between two of them, for those who record."""
SOURCE_DAYS = 400
"""Days after which a source that was not heard of is forgotten."""

_CHAIN = """
SELECT sequence, hash, checkpoint_sequence, checkpoint_hash, checkpoint_mac FROM platform.audit_chain FOR UPDATE
"""
_DELETE = "DELETE FROM platform.database_audit_log WHERE sequence <= %(sequence)s"
_CHECKPOINT = """
UPDATE platform.audit_chain
SET checkpoint_sequence = %(sequence)s, checkpoint_hash = %(hash)s, checkpoint_mac = %(mac)s
"""
_FORGET = "DELETE FROM platform.audit_sources WHERE last_seen_at < now() - make_interval(days => %(days)s)"

log = get_logger(__name__)


class Retention:
    """Removes what is too old.

    Args:
        pool: connections to the platform database.
        keys: verify what goes, and sign that it went.
        days: that events are kept; 0 for ever.
    """

    def __init__(self, pool: Pool, keys: ChainKeys, days: int) -> None:
        self._pool = pool
        self._keys = keys
        self._days = days

    async def run(self) -> None:
        """Looks once an hour, for ever."""
        while True:
            try:
                await self.remove_old()
                await self._note_head()
            except StudioError as error:
                log.warning("audit.retention_postponed", reason=error.reason_name, error=str(error))
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(EVERY_S)

    async def remove_old(self) -> int:
        """Removes everything that is too old, and returns how much that was.

        Raises:
            StudioError: REGISTRY_UNAVAILABLE, RESOURCE_EXHAUSTED; what went before stays gone.
        """
        total = 0
        while self._days:
            removed, may_be_more = await self._remove_chunk()
            total += removed
            if not may_be_more:
                break
            await asyncio.sleep(PAUSE_S)
        async with self._pool.write(changes_lists=False) as connection:
            await connection.execute(_FORGET, {"days": SOURCE_DAYS})
        return total

    async def _remove_chunk(self) -> tuple[int, bool]:
        """How many went, and whether there may be more of them."""
        async with self._pool.write(changes_lists=False) as connection:
            chain = await (await connection.execute(_CHAIN)).fetchone()
            if chain is None:
                return 0, False
            head, checkpoint, mac = Link(chain[0], chain[1]), Link(chain[2], chain[3]), chain[4]
            if not self._keys.is_checkpoint(checkpoint, mac):
                log.error("audit.broken", where="checkpoint", sequence=checkpoint.sequence)
                return 0, False
            walk = Walk(self._keys, checkpoint)
            is_whole = await self._follow(connection, walk, head)
            removed = walk.at.sequence - checkpoint.sequence
            if removed:
                at = {"sequence": walk.at.sequence, "hash": walk.at.hash}
                await connection.execute(_DELETE, at)
                await connection.execute(_CHECKPOINT, {**at, "mac": self._keys.seal_checkpoint(walk.at)})
        metrics.AUDIT_REMOVED.inc(removed)
        return removed, is_whole and removed == CHUNK_ROWS

    async def _follow(self, connection: Connection, walk: Walk, head: Link) -> bool:
        """Walks to the last row of a chunk that is too old; False where one is not as it was recorded."""
        # By the earlier of two clocks: one that leaps ahead must not make everything old.
        now = f"least(now(), to_timestamp({time.time():.0f}))"
        is_old = f"recorded_at < {now} - make_interval(days => {self._days})"
        rows = f"WHERE sequence > {walk.at.sequence} ORDER BY sequence LIMIT {CHUNK_ROWS}"
        select = f"SELECT {is_old}, {LINE}, encode(hash, 'hex') FROM {TABLE} {rows}"  # noqa: S608  numbers of ours
        old: list[bytes] = []
        async with connection.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT".encode()) as copy:
            async for row in copy:
                flag, _, rest = bytes(row).partition(b"\t")
                # To the end, also when the rest is younger: leaving early would cancel the transaction.
                if flag == b"t":
                    old.append(rest)
        for row in old:
            line, digest = split(row)
            expected = walk.at.sequence + 1
            if sequence_of(line) != expected or expected > head.sequence or not walk.fits(line, digest):
                log.error("audit.broken", where="row", sequence=expected)
                return False
        return True

    async def _note_head(self) -> None:
        """Where nobody with access to the platform database alone can change it."""
        rows = await self._pool.read("SELECT sequence, hash FROM platform.audit_chain", {})
        if rows:
            log.info("audit.head", head=str(Link(*rows[0])))
