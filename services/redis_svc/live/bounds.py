"""Every bound of the live streams with its default, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from services.redis_svc.limits import MIB


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much live streams may take."""

    streams: int = 64
    """Streams at a time in this process."""
    streams_of_one_database: int = 8
    """Streams at a time of one database; each has connections of its own."""
    queued_events: int = 5000
    """Events that wait for a slow reader; further ones are dropped and counted."""
    queued_bytes: int = 8 * MIB
    """Bytes of those events."""
    heartbeat_s: float = 10.0
    """Seconds without an event after which a stream says that it is alive."""
    check_s: float = 0.5
    """Seconds between looks whether the database is still registered as it was."""
    monitor_s: int = 60
    """Seconds of a MONITOR where the call doesn't say."""


BOUNDS = Bounds()
