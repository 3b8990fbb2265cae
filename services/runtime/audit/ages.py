"""Since when events wait, to about a second, without a time beside each."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from operator import itemgetter

STEP_S = 1.0
"""Events noted within this time of one another count as of the same age."""
MAX_MARKS = 1024
"""When there are more, every other one is forgotten, and the step doubles."""


class Ages:
    """The time at which each sequence number was given, roughly."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()
        self._step_s = STEP_S

    def __len__(self) -> int:
        return len(self._marks)

    def note(self, sequence: int) -> None:
        """An event gets its number now."""
        now = time.time()
        if self._marks and now - self._marks[-1][1] < self._step_s:
            return
        self._marks.append((sequence, now))
        if len(self._marks) > MAX_MARKS:
            self._marks = deque(list(self._marks)[::2])
            self._step_s *= 2

    def forget(self, before: int) -> None:
        """Events with a number below this wait no more."""
        while len(self._marks) > 1 and self._marks[1][0] <= before:
            self._marks.popleft()
        if len(self._marks) == 1:
            self._step_s = STEP_S

    def since(self, sequence: int) -> float:
        """When the event was noted, in seconds since 1970: at that time or up to a step later.

        Callable from any thread.
        """
        marks = list(self._marks)
        at = bisect_right(marks, sequence, key=itemgetter(0)) - 1
        return marks[max(at, 0)][1] if marks else time.time()
