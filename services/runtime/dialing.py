"""TCP connections to addresses that the policy has checked: the first of a name's addresses that answers.

Several addresses are raced as RFC 8305 ("Happy Eyeballs") describes, so that a dead one costs a moment, not the whole
time there is. What a failure means to a user is the engine's to say.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Sequence

from services.runtime.addresses import Address

STAGGER_S = 0.25
"""Head start of each address before the next is tried: RFC 8305, section 8."""
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 20_000))
"""Finds a peer that went away without a word: in seconds, but the last in milliseconds."""


class UnreachableError(OSError):
    """None of the addresses takes a connection.

    Args:
        failures: why, of each address that said something.
    """

    def __init__(self, failures: Sequence[OSError]) -> None:
        super().__init__("no address answers")
        self.failures = tuple(failures)

    @property
    def is_refused(self) -> bool:
        """Whether a host is there, and nothing listens."""
        return any(isinstance(failure, ConnectionRefusedError) for failure in self.failures)

    @property
    def why(self) -> str:
        """The system's words, to stand behind a colon."""
        why = next((failure.strerror for failure in self.failures if failure.strerror), "no address answers")
        return f"{why[0].lower()}{why[1:]}"


async def connect_first(addresses: Sequence[Address]) -> tuple[socket.socket, Address]:
    """A connection to the first of the addresses that takes one. The caller bounds the time.

    Raises:
        UnreachableError: none does.
    """
    waiting = deque(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[OSError] = []
    winner: asyncio.Task[socket.socket] | None = None
    started: dict[asyncio.Task[socket.socket], Address] = {}
    try:
        while winner is None:
            if waiting:
                address = waiting.popleft()
                task = asyncio.create_task(connect_socket(address))
                running.add(task)
                started[task] = address
            if not running:
                raise UnreachableError(failures)
            done, running = await asyncio.wait(
                running, timeout=STAGGER_S if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                failure = task.exception()
                if failure is None:
                    winner = winner or task
                elif isinstance(failure, OSError):
                    failures.append(failure)
                else:
                    raise failure
        return winner.result(), started[winner]
    finally:
        for task in started:
            if task.done() and not task.cancelled() and task.exception() is None:
                if task is not winner:
                    task.result().close()
            else:
                task.cancel()


async def connect_socket(address: Address) -> socket.socket:
    """A TCP connection to one address.

    Raises:
        OSError: as the system says.
    """
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        await asyncio.get_running_loop().sock_connect(sock, (address.ip, address.port))
    except BaseException:
        sock.close()
        raise
    return sock
