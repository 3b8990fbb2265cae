"""MONITOR: every command the server runs, read from its lines, with secrets masked.

https://redis.io/docs/latest/commands/monitor/. A line is
`1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`, its words quoted as redis-cli quotes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.redis_svc.console.quoting import QuotingError, split
from services.redis_svc.live.bounds import Bounds
from services.redis_svc.live.mailbox import Mailbox
from services.redis_svc.live.pace import Pace
from services.redis_svc.secrets import masked_arguments

_LINE = re.compile(rb"([0-9]+)\.([0-9]{1,6}) \[([0-9]+) (.*?)\] (?=\")", re.DOTALL)
_TURN = 64
"""Lines that are skipped before others of this process get a turn."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A command that the server ran."""

    at_unix_ms: float
    """When, in milliseconds since 1970."""
    database: int
    """Number of the database."""
    client: str
    """Address of the client; `lua` for a script."""
    arguments: Sequence[bytes]
    """Its words, secrets masked."""

    def contains(self, text: bytes) -> bool:
        """Whether the words, joined by spaces, hold a text, in either case.

        Looks at the masked words, or else a filter would find secrets out letter by letter.
        """
        return text.lower() in b" ".join(self.arguments).lower()


def parse(line: bytes) -> Seen | None:
    """A line of MONITOR; None for anything else."""
    head = _LINE.match(line)
    if head is None:
        return None
    try:
        words = split(line[head.end() :])
    except QuotingError:
        return None
    at_ms = int(head[1]) * 1000 + int(head[2].ljust(6, b"0")) / 1000
    client = head[4].decode("utf-8", "backslashreplace")
    return Seen(at_ms, int(head[3]), client, masked_arguments(words))


async def monitor(
    mailbox: Mailbox,
    bounds: Bounds,
    check: Callable[[], Awaitable[None]],
    *,
    seconds: int,
    text: str,
) -> AsyncGenerator[Seen | None, None]:
    """The commands that contain a text; None for a heartbeat."""
    pace = Pace(mailbox, bounds, check, seconds)
    wanted, skipped, told = text.encode(), 0, 0
    async for beat in pace.beats():
        seen = parse(beat.item) if isinstance(beat.item, bytes) else None
        if beat.item is not None and (seen is None or (wanted and not seen.contains(wanted))):
            skipped += 1
            if skipped % _TURN == 0:
                await asyncio.sleep(0)
            continue
        pace.said()
        told = mailbox.dropped
        yield seen
    if mailbox.dropped > told:
        yield None
