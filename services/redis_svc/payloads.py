"""Takes packed commands apart again: where a server has refused some of them, those alone are sent anew.

Only what was redirected is cut up, so that the common case costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.redis_svc.replies import Reply, ServerError

_MULTI, _EXEC = b"MULTI", b"EXEC"


@dataclass(slots=True)
class Unit:
    """What is executed together or not at all: one command, or MULTI to EXEC."""

    at: int
    """Index of its first reply."""
    count: int
    """Commands."""
    payload: bytes
    """Packed."""

    def refusal(self, replies: Sequence[Reply], prefixes: frozenset[str]) -> ServerError | None:
        """The first of its replies that is an error with one of these prefixes."""
        for reply in replies[self.at : self.at + self.count]:
            if isinstance(reply, ServerError) and reply.prefix in prefixes:
                return reply
        return None


def units(payload: bytes) -> list[Unit]:
    """What a payload consists of, in order."""
    found: list[Unit] = []
    together: Unit | None = None
    for index, (name, command) in enumerate(_commands(payload)):
        if together is not None:
            together.count += 1
            together.payload += command
            if name == _EXEC:
                together = None
            continue
        unit = Unit(index, 1, command)
        found.append(unit)
        if name == _MULTI:
            together = unit
    return found


def has_refusal(replies: Sequence[Reply], prefixes: frozenset[str]) -> bool:
    """Whether some reply is an error with one of these prefixes."""
    return any(type(reply) is ServerError and reply.prefix in prefixes for reply in replies)


def _commands(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name, in upper case, and bytes of each command: an array of bulk strings, as `replies.pack` makes it."""
    at = 0
    while at < len(payload):
        begin = at
        end = payload.index(b"\r\n", at)
        words = int(payload[at + 1 : end])
        at, name = end + 2, b""
        for _ in range(words):
            end = payload.index(b"\r\n", at)
            size = int(payload[at + 1 : end])
            name = name or payload[end + 2 : end + 2 + size].upper()
            at = end + 2 + size + 2
        yield name, payload[begin:at]
