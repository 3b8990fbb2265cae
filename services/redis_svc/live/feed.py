"""A connection of its own that only listens: everything the server sends goes into a mailbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

import hiredis

from services.redis_svc.connection import Connection, ConnectionLostError
from services.redis_svc.errors import to_studio_error
from services.redis_svc.limits import MIB
from services.redis_svc.link import Link
from services.redis_svc.live.bounds import Bounds
from services.redis_svc.live.mailbox import Mailbox
from services.redis_svc.replies import INCOMPLETE, Command, Reply, ServerError, new_parser, pack
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_CONFIRMATIONS = frozenset({b"subscribe", b"psubscribe", b"ssubscribe"})
"""https://redis.io/docs/latest/develop/interact/pubsub/#format-of-pushed-messages"""
_REVOCATION = b"sunsubscribe"
"""Unasked: the shard channel has moved to another node."""

MAX_EVENT_BYTES = 16 * MIB
"""Bytes of one event that are taken in."""


class Feed(asyncio.Protocol):
    """The protocol of one socket.

    Args:
        connection: logged in; closed by its owner.
        mailbox: takes what comes.
        name: of the command that was sent, for messages.
        confirmations: replies that say that the server has done what it was asked.
    """

    def __init__(self, connection: Connection, mailbox: Mailbox, name: str, confirmations: int) -> None:
        self._connection = connection
        self._mailbox = mailbox
        self._name = name
        self._missing = confirmations
        self._parser = new_parser()
        self._partial = 0  # bytes of what is not complete
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server has confirmed everything."""
        self._transport = connection.hand_over(self)

    def send(self, commands: Sequence[Command]) -> None:
        """Asks the server to begin."""
        self._transport.write(pack(commands))

    def data_received(self, data: bytes) -> None:
        """Takes what came apart."""
        self._partial += len(data)
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not INCOMPLETE:
                self._partial = 0
                self._take(reply)
        except hiredis.ProtocolError:
            self._fail(
                StudioError(
                    e.ERROR_REASON_DB_PROTOCOL_ERROR,
                    "The Redis server sent something that is no reply.",
                    metadata={"stage": "protocol"},
                )
            )
        if self._partial > MAX_EVENT_BYTES:
            self._fail(
                StudioError(
                    e.ERROR_REASON_RESOURCE_EXHAUSTED, f"An event has more than {MAX_EVENT_BYTES} bytes."
                )
            )
            self._connection.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the reader."""
        self._fail(ConnectionLostError("The Redis server closed the connection.", sent=True))
        self._connection.connection_lost(exc)

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, ServerError):
            self._fail(to_studio_error(reply, command=self._name))
            return
        kind = reply[0] if isinstance(reply, list) and reply else reply
        if self._missing and (kind in _CONFIRMATIONS or kind == b"OK"):
            self._missing -= 1
            if not self._missing and not self.ready.done():
                self.ready.set_result(None)
        elif kind == _REVOCATION:
            self._fail(
                StudioError(e.ERROR_REASON_DB_UNAVAILABLE, "The shard channel has moved to another node.")
            )
        else:
            self._mailbox.put(reply, _size_of(reply))

    def _fail(self, failure: StudioError) -> None:
        if not self.ready.done():
            self.ready.set_exception(failure)
            self.ready.exception()  # whoever waits gets it; nobody may
        self._mailbox.fail(failure)


def _size_of(reply: Reply) -> int:
    if isinstance(reply, list):
        return sum(len(part) if isinstance(part, bytes) else 16 for part in reply)
    return len(reply) if isinstance(reply, bytes) else 16


@contextlib.asynccontextmanager
async def listening(
    asked: Mapping[Link, tuple[Sequence[Command], int]], bounds: Bounds, timeout_s: float
) -> AsyncIterator[Mailbox]:
    """Listens to some servers at once; closes the connections at the end.

    Args:
        asked: what to ask of each server, and how many confirmations say that it is done.
        bounds: of the mailbox.
        timeout_s: seconds for the confirmations.

    Raises:
        StudioError: a server refuses (DB_PERMISSION_DENIED, NOT_SUPPORTED), can't be reached, or doesn't answer.
    """
    mailbox = Mailbox(bounds.queued_events, bounds.queued_bytes)
    async with contextlib.AsyncExitStack() as stack:
        feeds = []
        for link, (commands, confirmations) in asked.items():
            connection = await stack.enter_async_context(link.dedicated())
            feed = Feed(connection, mailbox, _name(commands), confirmations)
            feed.send(commands)
            feeds.append(feed)
        try:
            async with asyncio.timeout(timeout_s):
                for feed in feeds:
                    await feed.ready
        except TimeoutError:
            raise StudioError(
                e.ERROR_REASON_DB_TIMEOUT, f"The Redis server did not answer within {timeout_s:g} s."
            ) from None
        yield mailbox


def _name(commands: Sequence[Command]) -> str:
    name = commands[0][0]
    return name.decode() if isinstance(name, bytes) else str(name)
