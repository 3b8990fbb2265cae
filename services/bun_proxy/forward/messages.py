"""What travels: heads of requests and answers, and what each side of an exchange must offer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, and values, in the order in which they came; a name may stand there more than once."""

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """The head of a request as it came."""

    method: str
    target: bytes
    """As it stands in the first line."""
    headers: Headers = field(repr=False)
    content_length: int | None
    """None when the body comes in chunks."""
    peer: str = ""
    """Whose connection it came on: `ipv4:10.0.0.7:41234`, or `ipv6:[::1]:41234`."""


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request as it is sent to an API; its body follows."""

    method: str
    path: str
    """What calls are remembered under: the path at the API, without the query."""
    target: bytes
    """Path and query, as they are sent."""
    headers: Headers = field(repr=False)
    """All but those that say how long the body is."""
    content_length: int | None = 0
    """Bytes of the body; None when it comes in chunks."""
    prefix: bytes = b""
    """The path at which callers know the API: redirects and cookies of the API are put below it. Empty for none."""

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once, and can be done."""
        return self.method in REPEATABLE and self.content_length == 0


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer."""

    status: int
    reason: bytes
    """The words behind the status."""
    headers: Headers = field(repr=False)
    """All but those that say how long the body is."""
    content_length: int | None
    """Bytes that the answer says it has; None when that shows only at the end. For HEAD and 304, of what isn't sent."""
    has_body: bool
    """False where there can be none, whatever the length."""


class Source(Protocol):
    """Where a body comes from."""

    def pause_reading(self) -> None:
        """Takes nothing more from the network until `resume_reading`."""

    def resume_reading(self) -> None:
        """Goes on."""


class Sender(Protocol):
    """What a peer tells of its request: an exchange."""

    def request_data(self, chunk: bytes) -> None:
        """A part of the body."""

    def request_end(self, trailers: Headers) -> None:
        """The body is complete."""

    def peer_writable(self, *, writable: bool) -> None:
        """Whether the peer can take more of the answer."""


class Peer(Source, Protocol):
    """Who sends a request and gets the answer."""

    def attach(self, sender: Sender) -> None:
        """From now on the request's body goes there; what has come already goes at once."""

    def detach(self) -> None:
        """No longer."""

    def respond(self, head: Head) -> None:
        """The answer begins."""

    def data(self, chunk: bytes) -> None:
        """A part of the answer's body."""

    def end(self, trailers: Headers) -> None:
        """The answer is complete."""

    def abort(self) -> None:
        """The answer breaks off; it must not look complete."""
