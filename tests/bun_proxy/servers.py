"""Servers that stand for an API whose bytes a test wants to choose or see."""

from __future__ import annotations

import asyncio

from tests.support.fault_proxy import reset


class Recorder:
    """Answers every request alike and remembers its head."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.connections = 0
        self.lost = asyncio.Event()
        """A connection has ended."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
        finally:
            self.lost.set()

    def header(self, name: str) -> list[str]:
        """The values of a header of the last request."""
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(": ") for line in lines)
        return [value for each, _, value in pairs if each == name]


class Once:
    """Answers the first request of each connection with these bytes, then does what it says.

    Args:
        answer: bytes; a list makes parts, written one by one.
        then: `close`, `reset`, or `stay`.
    """

    def __init__(self, *answer: bytes, then: str = "close") -> None:
        self._answer = answer
        self._then = then
        self.connections = 0
        self.ended = asyncio.Event()
        """A connection is over; with `stay`, because the other side closed it."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            for part in self._answer:
                writer.write(part)
                await writer.drain()
            if self._then == "reset":
                reset(writer)
            elif self._then == "stay":
                await reader.read()
        finally:
            self.ended.set()  # before the request as well: what fails may fail while the connection is made
