"""Bounds how long a server may leave a statement unanswered.

`statement_timeout` is the server's own; a server that hangs, or a network that swallows packets, keeps no promise.
Cancelling the coroutine doesn't help either: psycopg then first asks that same server to cancel, 5 s, and waits another
5 s. Shutting the socket down ends the wait at once, with the error of a lost connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.AsyncConnection[TupleRow]


@contextlib.contextmanager
def answered_within(connection: Connection, seconds: float) -> Iterator[None]:
    """Breaks the connection when the block takes longer; what waits in it raises `OperationalError`."""
    timer = asyncio.get_running_loop().call_later(seconds, _break, connection)
    try:
        yield
    finally:
        timer.cancel()


def _break(connection: Connection) -> None:
    # A closed connection has no socket any more: nothing waits on it.
    # libpq owns its descriptor; a duplicate is ours to close, and shutdown acts on the connection behind both.
    with (
        contextlib.suppress(psycopg.OperationalError, OSError),
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)
