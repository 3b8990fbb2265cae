"""Every bound of the MongoDB engine with its default, in one place. What an operator may change is in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one registered database may take of this service, and this service of it."""

    connect_timeout_s: float = 10.0
    """Seconds to find a server of the topology, connect, shake hands and log in."""
    command_timeout_s: float = 5.0
    """Seconds that the server may work on a command when the caller doesn't say (`maxTimeMS`)."""
    longest_command_s: float = 60.0
    """Seconds that a caller may ask for."""
    max_pool_size: int = 10
    """Connections to each server of one registered database; a caller that finds all in use waits.

    Beside them the driver keeps two to each server, to watch it.
    """
    max_waiting: int = 100
    """Callers that wait for a connection to one server; one more is refused at once."""
    pool_wait_s: float = 2.0
    """Seconds that a caller waits before it is refused."""
    max_connecting: int = 2
    """Connections to one server that are being made at a time."""
    max_idle_s: float = 300.0
    """Seconds after which a connection that nobody uses is closed."""
    heartbeat_s: float = 10.0
    """Seconds between looks at each server, where it doesn't tell of changes by itself."""
    close_s: float = 2.0
    """Seconds that a server may take to end our sessions and cursors when a client is closed."""
    close_cursor_s: float = 2.0
    """Seconds that a server may take to close a cursor; it forgets one by itself."""
    default_page_documents: int = 100
    """Documents of a page when the call doesn't say."""
    page_bytes: int = 8 * MIB
    """Bytes of documents after which a page ends, however few they are; the first is always in it."""
    diagnosis_s: float = 4.5
    """Seconds of a connection test in the worst case; the contract promises 5."""


DEFAULTS = Limits()
