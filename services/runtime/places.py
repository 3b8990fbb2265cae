"""Counts long work, so that one more than allowed is refused at once."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_RESOURCE_EXHAUSTED


class Places:
    """The places for one kind of work in this process.

    Args:
        what: its name in the plural, for messages.
        total: most at a time.
        of_one_database: most at a time of one database.
    """

    def __init__(self, what: str, total: int, of_one_database: int) -> None:
        self._what = what
        self._total = total
        self._of_one_database = of_one_database
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return self._taken.total()

    @contextlib.contextmanager
    def take(self, database_id: str) -> Iterator[None]:
        """A place for the time of a `with`.

        Raises:
            StudioError: RESOURCE_EXHAUSTED.
        """
        if self._taken[database_id] >= self._of_one_database:
            raise _full(f"{self._taken[database_id]} {self._what} of this database run already.")
        if self.taken >= self._total:
            raise _full(f"{self.taken} {self._what} run already.")
        self._taken[database_id] += 1
        try:
            yield
        finally:
            self._taken[database_id] -= 1
            if not self._taken[database_id]:
                del self._taken[database_id]


def _full(message: str) -> StudioError:
    return StudioError(ERROR_REASON_RESOURCE_EXHAUSTED, message, hint="End one, or try again later.")
