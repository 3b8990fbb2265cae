"""What calls fail with, and how long a system may take to come right again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from services.runtime.errors import StudioError

BOUND_S = 25
"""Seconds within which everything comes right again; a call that hangs takes longer."""


async def failure_of(awaitable: Awaitable[object]) -> StudioError:
    """The error with which it must fail."""
    with pytest.raises(StudioError) as caught:
        await awaitable
    return caught.value


def passing(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a failure that passes by itself, in the shape that every error has."""
    body = answer.json()
    assert body["message"] == body["error"]["message"]
    assert body["details"][0]["reason"] == body["error_code"]
    assert body["retryable"] is True
    assert int(answer.headers["retry-after"]) > 0
    return answer.status_code, body["error_code"]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something holds, at most `BOUND_S`."""
    async with asyncio.timeout(BOUND_S):
        while not await holds():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.05)
