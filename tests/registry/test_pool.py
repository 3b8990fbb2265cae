"""The pool of connections to the platform database, when more wait than it has."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from services.registry.store.pool import Pool
from services.runtime.errors import StudioError

WAITING = 2


async def test_calls_that_gave_up_take_no_place_in_the_queue(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.registry.store.pool.ACQUIRE_TIMEOUT_S", 0.2)
    pool = Pool(migrated_url, size=1, waiting=WAITING)
    async with contextlib.aclosing(pool):
        await pool.open()
        async with asyncio.timeout(20):
            while await _refused(pool):
                pass
            async with pool.write(changes_lists=False):
                assert all(await asyncio.gather(*(_refused(pool) for _ in range(WAITING))))
                monkeypatch.setattr("services.registry.store.pool.ACQUIRE_TIMEOUT_S", 10.0)
                waiting = [asyncio.create_task(pool.read("SELECT 1", {})) for _ in range(WAITING)]
                await asyncio.sleep(0)
                with pytest.raises(StudioError, match="Too many calls wait"):
                    await pool.read("SELECT 1", {})
            assert await asyncio.gather(*waiting) == [[(1,)]] * WAITING


async def _refused(pool: Pool) -> bool:
    try:
        await pool.read("SELECT 1", {})
    except StudioError:
        return True
    return False
