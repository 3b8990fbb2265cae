"""Ends tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

CANCEL_AGAIN_S = 1.0
"""A task that was cancelled so long ago and still runs is cancelled again.

Before Python 3.12 a cancellation that meets the end of a `wait_for`, of a library's say, is lost:
https://github.com/python/cpython/issues/86296
"""


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancels what may go on for ever, and waits until all of it has ended."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
