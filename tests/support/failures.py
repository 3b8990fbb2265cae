"""What a call of an engine's module fails with."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from services.runtime.errors import StudioError


async def failure_of(awaitable: Awaitable[object]) -> StudioError:
    """The error with which it must fail."""
    with pytest.raises(StudioError) as caught:
        await awaitable
    return caught.value
