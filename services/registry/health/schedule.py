"""How often a database is checked, and what moves its status: every number of the health checks, with its default."""

from __future__ import annotations

from dataclasses import dataclass

FAILURES_TO_ERROR = 2
"""Failed checks in a row that move an active database to `error`."""
SUCCESSES_TO_ACTIVE = 2
"""Successful ones in a row that move it back."""
JITTER = 0.2
"""By how much of itself each wait is longer or shorter, at random: checks spread out by themselves."""
SAMPLE_HOURS = 24
"""How long every check is kept."""
HOURLY_DAYS = 30
"""How long the checks of an hour are kept as one row."""
MAX_CONCURRENT = 16
"""Checks at a time; each takes 5.5 s at most."""
MAX_DUE = 500
"""Databases chosen at a time, their ciphertexts in memory."""
MAX_RESULTS = 200
"""Results written at a time."""
PRUNE_ROWS = 5000
"""Rows deleted in one transaction: some 20 ms."""
PRUNE_EVERY_S = 600.0
COUNT_EVERY_S = 15.0
"""How often databases are counted by status, for the metrics."""
TAKEOVER_S = 2.0
"""How often a replica that does not check asks whether the one that does is gone."""
HUNG_S = 20
"""A checker that says nothing to PostgreSQL for so long has lost its turn."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When checks are due."""

    interval_s: float = 30.0
    """Seconds between the checks of a database that somebody looks at, or whose status is in doubt."""
    idle_interval_s: float = 300.0
    """Seconds between the checks of the others."""
    idle_after_s: float = 600.0
    """Seconds after the last look at which a database becomes one of the others."""

    @property
    def is_on(self) -> bool:
        """Whether anything is checked."""
        return self.interval_s > 0

    @property
    def tick_s(self) -> float:
        """How often it is asked which checks are due."""
        return min(5.0, max(0.1, self.interval_s / 10))
