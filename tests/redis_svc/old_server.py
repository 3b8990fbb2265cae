"""A real server made to look older: a proxy that refuses what older versions do not know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import hiredis

from tests.support.odd_servers import Serve

Refuse = Callable[[list[bytes]], bytes | None]
"""From the words of a command to the error that is answered instead, or None."""


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """One whole reply as it came (RESP2)."""
    line = await reader.readuntil(b"\r\n")
    kind, size = line[:1], line[1:-2]
    if kind == b"$" and size != b"-1":
        return line + await reader.readexactly(int(size) + 2)
    if kind == b"*" and size != b"-1":
        return line + b"".join([await _reply(reader) for _ in range(int(size))])
    return line


def serve_older(host: str, port: int, refuse: Refuse) -> Serve:
    """For the fixture `start_server`: passes commands on to a server but those that are refused."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_connection(host, port)
        parser = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while isinstance(words := parser.gets(), list):
                    error = refuse(words)
                    if error is not None:
                        writer.write(b"-" + error + b"\r\n")
                        continue
                    upstream.write(hiredis.pack_command(tuple(words)))
                    writer.write(await _reply(upstream_reader))
        finally:
            upstream.close()

    return serve


def without(*names: str) -> Refuse:
    """Refuses commands by name, as a server does that does not know them."""

    def refuse(words: list[bytes]) -> bytes | None:
        name = words[0].decode()
        return f"ERR unknown command '{name}', with args beginning with: ".encode() if name in names else None

    return refuse
