"""What is alive of a kind, so that metrics can add it up when they are asked for."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Instances(Generic[T]):
    """Objects that are alive, without keeping them so. `total` may be called in any thread."""

    def __init__(self) -> None:
        self._alive: dict[int, weakref.ref[T]] = {}

    def add(self, one: T) -> None:
        """Counts it in, once, for as long as it lives."""
        key = id(one)
        if key in self._alive:
            return
        self._alive[key] = weakref.ref(one, lambda _: self._alive.pop(key, None))

    def total(self, of: Callable[[T], float]) -> float:
        """The sum over all of them."""
        # Copied at once: others come and go meanwhile.
        alive = [reference() for reference in tuple(self._alive.values())]
        return float(sum(of(one) for one in alive if one is not None))
