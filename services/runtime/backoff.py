"""Waiting between tries: exponential with full jitter, and the retry of calls that are safe to repeat."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

T = TypeVar("T")

MAX_TRIES = 3
FIRST_S = 0.05
LONGEST_S = 1.0


async def retry(operation: Callable[[], Awaitable[T]], *, when: Callable[[BaseException], bool]) -> T:
    """Runs an operation that is safe to repeat, at most `MAX_TRIES` times; the last failure is raised as it is.

    Args:
        operation: makes one try.
        when: whether this failure is worth another try.
    """
    retrying = AsyncRetrying(
        stop=stop_after_attempt(MAX_TRIES),
        wait=wait_random_exponential(multiplier=FIRST_S, max=LONGEST_S),
        retry=retry_if_exception(when),
        reraise=True,
    )
    return await retrying(operation)


class Backoff:
    """How long to wait before the next try of something that goes on for ever, such as a watch.

    Args:
        first_s: longest first wait.
        longest_s: longest wait of all.
    """

    def __init__(self, first_s: float = 0.1, longest_s: float = 5.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        ceiling = min(self._longest_s, self._first_s * 2**self._failures)
        self._failures = min(self._failures + 1, 32)
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311  spreads load, hides nothing

    def reset(self) -> None:
        """Forgets the failures: the thing works again."""
        self._failures = 0
