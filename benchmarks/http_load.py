"""A closed loop of HTTP/1.1 requests on several connections: as little work for each as Python allows.

Reads just enough of an answer to know where it ends: the status line and `content-length`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

HEADERS_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "


@dataclass(frozen=True)
class Target:
    """Where requests go and with which token."""

    host: str
    port: int
    token: str

    def get(self, path: str) -> bytes:
        """A GET request for a path."""
        return self.request("GET", path)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request with a JSON body, where there is one."""
        lines = (
            f"{method} {path} HTTP/1.1",
            f"host: {self.host}",
            f"authorization: Bearer {self.token}",
            *(("content-type: application/json", f"content-length: {len(body)}") if body else ()),
            "",
            "",
        )
        return "\r\n".join(lines).encode() + body


@dataclass
class Tally:
    """What the connections of one loop did."""

    answers: int = 0
    failures: list[bytes] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One connection: sends a request, waits for its whole answer, and so on."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._expected = -1
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._lost: Exception | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed, so that nothing can be asked on it."""
        return self._lost is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Completes the answer that is waited for."""
        self._buffer += data
        if self._expected < 0:
            end = self._buffer.find(HEADERS_END)
            if end < 0:
                return
            start = self._buffer.lower().find(LENGTH, 0, end)
            if start < 0:
                raise ValueError(f"an answer without content-length: {bytes(self._buffer[:end])!r}")
            start += len(LENGTH)
            length = int(self._buffer[start : self._buffer.find(b"\r", start)])
            self._expected = end + len(HEADERS_END) + length
        if len(self._buffer) >= self._expected and self._answer is not None:
            answer, self._answer = self._answer, None
            body = bytes(self._buffer)
            self._buffer.clear()
            self._expected = -1
            answer.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        """Fails the answer that is waited for, and what is asked from now on."""
        self._lost = error or ConnectionResetError("the server closed the connection")
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._lost)

    async def ask(self, request: bytes) -> bytes:
        """The whole answer to one request: status line, headers, body.

        Raises:
            OSError: the connection is closed, or closes before the answer is whole.
        """
        if self._lost is not None:
            raise self._lost
        self._answer = asyncio.get_running_loop().create_future()
        assert self._transport is not None  # noqa: S101  set before create_connection returns
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()


async def connect(target: Target) -> Client:
    """A connection to the target."""
    _, client = await asyncio.get_running_loop().create_connection(Client, target.host, target.port)
    return client


@dataclass(frozen=True)
class Load:
    """What a closed loop did."""

    answers: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.elapsed_s


async def closed_loop(
    target: Target, request: bytes | Sequence[bytes], *, connections: int, seconds: float
) -> float:
    """Answers a second of a `load`."""
    return (await load(target, request, connections=connections, seconds=seconds)).rate


async def load(target: Target, request: bytes | Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Each connection sends its next request as soon as it has its answer.

    With several requests, the connections take one each, in turn.

    Raises:
        RuntimeError: an answer is no success.
    """
    tally = Tally()
    clients = [await connect(target) for _ in range(connections)]
    end = time.perf_counter() + seconds
    started = time.perf_counter()

    requests = [request] if isinstance(request, bytes) else request

    async def loop(client: Client, request: bytes) -> None:
        while time.perf_counter() < end and not tally.failures:
            answer = await client.ask(request)
            if answer[9:10] != b"2":
                tally.failures.append(answer[:500])
            tally.answers += 1

    await asyncio.gather(
        *(loop(client, requests[number % len(requests)]) for number, client in enumerate(clients))
    )
    elapsed = time.perf_counter() - started
    for client in clients:
        client.close()
    if tally.failures:
        raise RuntimeError(f"the system under test answers with a failure: {tally.failures[0]!r}")
    return Load(tally.answers, elapsed)
