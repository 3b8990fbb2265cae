"""Measures how late the event loop is: whatever holds it up delays every call of the process."""

from __future__ import annotations

import asyncio
import time

from services.runtime import metrics

EVERY_S = 0.25
"""Between two measurements; a loop that stands still for longer shows as one late one."""
TICK_S = 0.001
"""The resolution of uvloop's timers."""


async def watch() -> None:
    """Measures for ever."""
    while True:
        due = time.perf_counter() + EVERY_S
        await asyncio.sleep(EVERY_S)
        metrics.LOOP_LAG.observe(max(0.0, time.perf_counter() - due - TICK_S))
