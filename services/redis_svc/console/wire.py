"""A connection of its own on which commands run in order, their replies read with their types."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.connection import Connection, ConnectionLostError
from services.redis_svc.console.resp import Budget, MalformedReplyError, Node, Parser
from services.redis_svc.replies import Command, pack
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_HELLO: Command = (b"HELLO", 3)
"""Asks for RESP3, which tells maps, sets, numbers and booleans apart; a server that refuses it goes on with RESP2."""
_NOTHING = Budget(elements=0, bytes=0, bulk_bytes=0, depth=0)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply."""

    node: Node
    """What it is."""
    truncated: bool
    """Part of it was left out."""
    after_s: float
    """Seconds between the commands' write and its end."""


class Wire(asyncio.Protocol):
    """Runs chunks of commands, one chunk at a time.

    Args:
        connection: logged in; closed by its owner.
        budget: what may be kept of the replies.
        max_bytes: most bytes of the replies to one chunk, kept or not.
    """

    def __init__(self, connection: Connection, budget: Budget, max_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._parser = Parser(_NOTHING)
        self._budget = budget
        self._max_bytes = max_bytes
        self._received = 0
        self._missing = 0
        self._started_at = 0.0
        self._answers: list[Answer] = []
        self._done: asyncio.Future[None] | None = None
        self._greeted = False
        self._failure: StudioError | None = None
        self._transport = connection.hand_over(self)

    @property
    def answers(self) -> Sequence[Answer]:
        """Those of the current chunk, as far as they have come."""
        return self._answers

    async def run(self, commands: Sequence[Command]) -> Sequence[Answer]:
        """Runs a chunk and returns its answers.

        Raises:
            StudioError: the connection ended or what came is no reply; `answers` has what had come before.
        """
        if self._failure is not None:
            raise self._failure
        greeting = [] if self._greeted else [_HELLO]
        self._answers = []
        self._received = 0
        self._missing = len(commands)
        self._done = self._loop.create_future()
        # The loop's clock counts milliseconds, and many commands take less.
        self._started_at = time.perf_counter()
        self._transport.write(pack([*greeting, *commands]))
        await self._done
        return self._answers

    def data_received(self, data: bytes) -> None:
        """Reads what came."""
        self._received += len(data)
        self._parser.feed(data)
        try:
            while (reply := self._parser.next()) is not None:
                self._take(*reply)
        except MalformedReplyError:
            self._fail(
                StudioError(
                    e.ERROR_REASON_DB_PROTOCOL_ERROR,
                    "The Redis server sent something that is no reply.",
                    metadata={"stage": "protocol"},
                )
            )
        if self._received > self._max_bytes and self._missing:
            self._fail(
                StudioError(
                    e.ERROR_REASON_RESOURCE_EXHAUSTED,
                    f"The replies are larger than the {self._max_bytes} bytes that are read from a server.",
                    hint="Ask for a smaller range or page.",
                )
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails what is left."""
        self._fail(ConnectionLostError("The Redis server closed the connection.", sent=True))
        self._connection.connection_lost(exc)

    def _take(self, node: Node, truncated: bool) -> None:  # noqa: FBT001  as the parser returns it
        if not self._greeted:
            self._greeted = True
            self._parser.spend(self._budget)
            return
        if not self._missing:
            return  # a push that nobody asked for
        self._answers.append(Answer(node, truncated, time.perf_counter() - self._started_at))
        self._missing -= 1
        if not self._missing and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, failure: StudioError) -> None:
        if self._failure is not None:
            return
        self._failure = failure
        if self._done is not None and not self._done.done():
            self._done.set_exception(failure)
        self._connection.close()
