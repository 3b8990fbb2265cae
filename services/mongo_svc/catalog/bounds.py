"""Bounds of work on collections and indexes that takes long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is done at a time, and for how long."""

    jobs: int = 16
    """Works at a time in this process."""
    jobs_of_one_database: int = 3
    """Works at a time on one registered database: each takes one of its connections, and others must go on."""
    report_s: float = 1.0
    """Seconds between two events. Work that ends sooner has one event only, and fails with a status of its own."""
    work_s: float = 24 * 3600.0
    """Seconds after which the server gives work up; the largest collections take hours."""
    ask_s: float = 1.0
    """Seconds that the server may take to say how far it is."""
    ask_again_s: float = 10.0
    """Seconds until it is asked again when it didn't answer in time, or refused."""
    abort_s: float = 10.0
    """Seconds that the server may take to abort a build whose caller has gone."""


SHORTEST_S = 0.001
"""Seconds of a deadline that is over: 0 would be "without end" to the driver."""
BOUNDS = Bounds()
"""Those of the service."""
