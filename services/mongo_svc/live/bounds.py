"""Every bound of the live streams with its default, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much live streams may take."""

    streams: int = 64
    """Streams at a time in this process."""
    streams_of_one_database: int = 8
    """Streams at a time of one database; each keeps a connection busy, of a pool of their own."""
    connections: int = 10
    """Connections to each server for the streams of one database: one for each, and some to begin and end them."""
    heartbeat_s: float = 10.0
    """Seconds without an event after which a stream says that it is alive, and how far it has come."""
    wait_s: float = 0.5
    """Seconds that the server waits for an event before it answers with none; between answers the stream looks whether
    the database is still registered as it was, and whether the service stops."""
    answer_s: float = 10.0
    """Seconds beyond `wait_s` after which a server that has not answered is given up."""
    batch_events: int = 500
    """Events of one answer of the server at most; it also keeps each answer below 16 MiB."""


BOUNDS = Bounds()
