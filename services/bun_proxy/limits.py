"""Every bound of the Bun API service with its default, in one place. What an operator may change is in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one registered API may take of this service, and a caller of both."""

    connect_timeout_s: float = 10.0
    """Seconds to look a name up, connect and shake hands."""
    answer_timeout_s: float = 30.0
    """Seconds from the end of a request to the headers of its answer; a connection's config may say otherwise."""
    idle_timeout_s: float = 60.0
    """Seconds without a byte in either direction, while a body travels; a connection's config may say otherwise."""
    longest_timeout_s: float = 300.0
    """Seconds that a connection's config may ask for: the gateway gives a silent request up soon after."""
    head_bytes: int = 64 * KIB
    """Of a request's or an answer's headers, and of its trailers."""
    head_fields: int = 100
    """Headers of an answer, and as many trailers."""
    request_fields: int = 130
    """The same of a request: the gateway takes 100 of a client, and adds its own."""
    max_running: int = 64
    """Requests to one API at a time; one more is refused at once. Each has a connection of its own."""
    keep_idle_s: float = 8.0
    """Seconds that an unused connection is kept. Bun closes them after 10 s, and a request that crosses with that is
    lost."""
    max_idle: int = 32
    """Unused connections to one API that are kept."""
    buffer_bytes: int = 256 * KIB
    """Of a body that may wait to be written; past it the side that sends is told to wait."""
    early_bytes: int = 64 * KIB
    """Of a request's body that may arrive before it is known where it goes."""
    max_request_bytes: int = 0
    """Of a request's body; 0 for any."""
    max_response_bytes: int = 0
    """Of an answer's body; 0 for any."""
    breaker_failures: int = 5
    """Failures to reach an API in a row after which it is not tried for a while."""
    breaker_open_s: float = 10.0
    """How long that is."""
    calls_kept: int = 500
    """Calls of one API that are remembered."""
    apis_remembered: int = 200
    """APIs whose calls are remembered."""
    max_connections: int = 2048
    """Connections to the port of the data plane; one more is closed at once."""
    keep_client_idle_s: float = 90.0
    """Seconds that a caller may keep an unused connection: longer than the gateway does."""
    head_timeout_s: float = 10.0
    """Seconds from the first byte of a request to the end of its headers."""
    discard_bytes: int = 64 * MIB
    """Of a body that nobody wants any more, before its connection is closed: a caller that still sends sees a reset
    instead of the answer."""
    discard_s: float = 10.0
    """How long such a body is awaited."""


DEFAULTS = Limits()
