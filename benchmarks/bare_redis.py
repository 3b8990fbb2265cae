"""The bare loop that listing keys is measured against: commands packed as bytes, a blocking socket, hiredis."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import hiredis

Command = tuple[bytes | str | int, ...]
MEMORY_SAMPLES = 5
"""As many as the service lets the server sample, so that both ask the same of it."""


class BareRedis:
    """One connection.

    Args:
        url: `redis://:password@host:port`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 6379))
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)
        if parts.password:
            self.ask([("AUTH", parts.username or "default", parts.password)])

    def ask(self, commands: Iterable[Command]) -> list[object]:
        """Writes all commands in one go; returns their replies."""
        # The stubs know tuples of one element only.
        packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]
        self._socket.sendall(b"".join(packed))
        replies: list[object] = []
        while len(replies) < len(packed):
            reply = self._reader.gets()
            if reply is Ellipsis:
                self._reader.feed(self._socket.recv(1 << 18))
            else:
                replies.append(reply)
        return replies

    def scan(self, cursor: bytes, count: int) -> tuple[bytes, Sequence[bytes]]:
        """One SCAN step: the next cursor and the keys."""
        (reply,) = self.ask([("SCAN", cursor, "COUNT", count)])
        if not isinstance(reply, list):
            raise TypeError(f"SCAN answered {reply!r}")
        return reply[0], reply[1]

    def list_all(self, page: int) -> int:
        """Looks type, TTL and memory of every key up, page by page; returns how many keys there are."""
        cursor, listed = b"0", 0
        while True:
            cursor, keys = self.scan(cursor, page)
            commands: list[Command] = []
            for key in keys:
                commands += (
                    ("TYPE", key),
                    ("PTTL", key),
                    ("MEMORY", "USAGE", key, "SAMPLES", MEMORY_SAMPLES),
                )
            if commands:
                self.ask(commands)
            listed += len(keys)
            if cursor == b"0":
                return listed

    def fill(self, total: int) -> None:
        """Adds string keys under `bench:` until the database holds `total` keys; every third one expires."""
        (present,) = self.ask([("DBSIZE",)])
        if not isinstance(present, int):
            raise TypeError(f"DBSIZE answered {present!r}")
        batch: list[Command] = []
        for number in range(present, total):
            expiry = ("PX", 86_400_000) if number % 3 == 0 else ()
            batch.append(("SET", f"bench:{number % 100}:{number}", f"value-{number}", *expiry))
            if len(batch) == 2000:  # noqa: PLR2004  a batch that fits the socket's buffers
                self.ask(batch)
                batch = []
        if batch:
            self.ask(batch)

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()
