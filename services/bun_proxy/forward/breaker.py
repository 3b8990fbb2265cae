"""Gives an API that can't be reached a rest, and its callers an answer at once.

Closed: requests pass. Open, after so many failures in a row: refused. Half-open, some seconds later: one request is
tried; it closes or opens the breaker. An answer is no failure, whatever its status: the API was reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_UNAVAILABLE


class State(StrEnum):
    """What happens to the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerStats:
    """A breaker at one moment."""

    state: State
    failures: int
    """In a row, until now."""
    opened: int
    """Times it opened."""
    refused: int
    """Requests it refused."""
    retry_after_s: float
    """Until the next try; 0 unless open."""
    last_error: str
    """What the last failure was; empty for none since the last success."""


class Breaker:
    """The breaker of one API.

    Args:
        failures: in a row, after which it opens.
        open_s: seconds for which it stays open.
        clock: seconds that only grow.
    """

    def __init__(self, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failures = self._opened = self._refused = 0
        self._opened_at: float | None = None
        self._trying = False
        self._last_error = ""

    @property
    def state(self) -> State:
        """What happens to the next request."""
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self._rest_s() > 0 else State.HALF_OPEN

    def admit(self) -> bool:
        """Lets a request pass, or not. True when it is the one that is tried: `release` it, whatever comes of it.

        Raises:
            StudioError: DB_UNAVAILABLE, with the seconds to wait.
        """
        if self._opened_at is None:
            return False
        if self.state is State.OPEN or self._trying:
            self._refused += 1
            raise StudioError(
                ERROR_REASON_DB_UNAVAILABLE,
                f"The API could not be reached {self._failures} times in a row, and is left alone for a moment.",
                hint=f"The last failure: {self._last_error}",
                metadata={"breaker": self.state.value},
                retry_after_s=max(1.0, self._rest_s()),
            )
        self._trying = True
        return True

    def release(self) -> None:
        """The request that was tried is over."""
        self._trying = False

    def succeeded(self) -> None:
        """The API answered."""
        self._failures = 0
        self._opened_at = None
        self._last_error = ""

    def failed(self, error: StudioError) -> None:
        """The API could not be reached, or broke off before it answered."""
        self._failures += 1
        self._last_error = error.message
        if self._trying or (self._failures >= self._limit and self._opened_at is None):
            self._opened_at = self._clock()
            self._opened += 1

    def stats(self) -> BreakerStats:
        """The breaker at this moment."""
        return BreakerStats(
            state=self.state,
            failures=self._failures,
            opened=self._opened,
            refused=self._refused,
            retry_after_s=self._rest_s(),
            last_error=self._last_error,
        )

    def _rest_s(self) -> float:
        return 0.0 if self._opened_at is None else max(0.0, self._opened_at + self._open_s - self._clock())
