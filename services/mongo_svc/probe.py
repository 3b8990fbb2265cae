"""A first look at one server, without the driver: each stage by itself, so that the one that fails can be named.

Sends `hello` (https://www.mongodb.com/docs/manual/reference/command/hello/) as OP_MSG
(https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/) and no credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.errors import BSONError

from services.mongo_svc import guard, tls
from services.mongo_svc.errors import DialError
from services.mongo_svc.options import Seed
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

KNOCK_S = 0.75
"""Seconds that a second look takes at most, when the first was not answered as MongoDB does."""
MAX_ANSWER_BYTES = 1 << 20
OLDEST_WIRE = 9
"""Wire version of MongoDB 4.4, the oldest that the driver talks to."""

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
_BANNERS = {
    b"HTTP": "An HTTP server",
    b"SSH-": "An SSH server",
    b"220 ": "A mail or FTP server",
    b"-ERR": "A Redis server",
    b"-NOA": "A Redis server",
    b"-DEN": "A Redis server",
    b"+PON": "A Redis server",
}
_TLS_ALERT = b"\x15\x03"
"""Begins an alert record: RFC 8446, section 5.1."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a server says of itself."""

    set_name: str = ""
    """Its replica set; empty for none."""
    members: tuple[str, ...] = ()
    """The members that it announces, `host:port`."""
    is_mongos: bool = False
    """It is the router of a sharded cluster."""

    @property
    def topology(self) -> str:
        """For a sentence."""
        if self.is_mongos:
            return "a sharded cluster"
        count = len(self.members)
        return (
            f"replica set {self.set_name} with {count} member{'' if count == 1 else 's'}"
            if self.set_name
            else "standalone"
        )


class Probe:
    """One look at one server.

    Args:
        seed: which.
        dials: makes the connection.
        context: for TLS; None for a connection in clear.
    """

    def __init__(self, seed: Seed, dials: guard.Guard, context: ssl.SSLContext | None) -> None:
        self._seed = seed
        self._dials = dials
        self._context = context
        self.stage = "dns"
        """What it is at, or where it ended."""

    async def look(self, bound_s: float) -> Hello:
        """What the server says.

        Args:
            bound_s: seconds that the first look may take.

        Raises:
            StudioError: with `stage` in its metadata.
        """
        try:
            async with asyncio.timeout(bound_s):
                answer = await self._ask()
        except DialError as error:
            raise error.studio from None
        except TimeoutError:
            raise await self._silent(bound_s) from None
        except (ssl.SSLError, OSError, EOFError) as error:
            raise await self._closer_look(error) from None
        return self._read(answer)

    async def _ask(self) -> bytes:
        """The first bytes of an answer to `hello`, or all of one that is MongoDB's."""
        async with self._connection(self._context) as (reader, writer):
            self.stage = "protocol"
            body = bson.encode({"hello": 1, "$db": "admin"})
            message = struct.pack("<IB", 0, 0) + body
            writer.write(_HEADER.pack(_HEADER.size + len(message), 1, 0, _OP_MSG) + message)
            head = await reader.read(_HEADER.size)
            if len(head) < _HEADER.size or head[:4] in _BANNERS:
                if not head:
                    raise EOFError
                return head
            length, _, _, opcode = _HEADER.unpack(head)
            if opcode != _OP_MSG or not _HEADER.size < length <= MAX_ANSWER_BYTES:
                return head
            return head + await reader.readexactly(length - _HEADER.size)

    @contextlib.asynccontextmanager
    async def _connection(
        self, context: ssl.SSLContext | None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        self.stage = "tcp"
        sock = await self._dials.connect(self._seed.host, self._seed.port)
        if context is not None:
            self.stage = "tls"
        try:
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=self._seed.host if context is not None else None
            )
        except BaseException:
            sock.close()
            raise
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def _read(self, answer: bytes) -> Hello:
        try:
            said: Mapping[str, Any] = bson.decode(answer[_HEADER.size + 5 :])
            wire = int(said["maxWireVersion"])
        except (BSONError, KeyError, TypeError, ValueError, IndexError):
            raise self._something_else(answer) from None
        if wire < OLDEST_WIRE:
            raise StudioError(
                e.ERROR_REASON_DB_PROTOCOL_ERROR,
                f"The MongoDB server at {self._seed.where} is too old for this service.",
                hint="MongoDB 4.4 and later are supported.",
                metadata={"stage": "protocol"},
            )
        members = [each for name in ("hosts", "passives", "arbiters") for each in said.get(name, ())]
        return Hello(str(said.get("setName", "")), tuple(map(str, members)), said.get("msg") == "isdbgrid")

    async def _silent(self, bound_s: float) -> StudioError:
        where, stage = self._seed.where, self.stage
        if stage == "tls" and await self._speaks_mongodb():
            return tls.no_tls(where)  # it takes the handshake for the beginning of a long message
        if stage == "protocol" and self._context is None:
            # A server that reads lines, as Redis's and HTTP's do, still waits for the end of one.
            first = await self._knock(b"PING\r\n\r\n")
            if first[:4] in _BANNERS:
                return self._something_else(first)
        hints = {
            "tcp": "A firewall may drop the packets, or the address is wrong.",
            "tls": "The server may not speak TLS: remove tls=true then.",
            "protocol": "It takes connections, but says nothing: it may be no MongoDB, or hang.",
        }
        return StudioError(
            e.ERROR_REASON_DB_TIMEOUT,
            f"{where} did not answer within {bound_s:g} s.",
            hint=hints.get(stage, ""),
            metadata={"stage": stage},
        )

    async def _closer_look(self, error: BaseException) -> StudioError:
        """What is the matter with a server that ended the connection."""
        where = self._seed.where
        if isinstance(error, ssl.SSLCertVerificationError):
            return tls.explain(error, where)
        if self.stage == "tls":
            return tls.no_tls(where) if await self._speaks_mongodb() else tls.explain(error, where)
        if self._context is None and await self._speaks_tls():
            return tls.needs_tls(where)
        return StudioError(
            e.ERROR_REASON_DB_CONNECTION_FAILED,
            f"{where} takes the connection and ends it at once.",
            hint="It may have as many connections as it takes (net.maxIncomingConnections), or be no MongoDB.",
            metadata={"stage": "protocol"},
        )

    async def _speaks_mongodb(self) -> bool:
        """Whether `hello` in clear is answered."""
        self._context = None
        try:
            async with asyncio.timeout(KNOCK_S):
                self._read(await self._ask())
        except (OSError, EOFError, StudioError):
            return False
        return True

    async def _speaks_tls(self) -> bool:
        """Whether a TLS handshake succeeds, or is at least understood. Nothing is sent over it: nothing is verified."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            async with asyncio.timeout(KNOCK_S), self._connection(context):
                return True
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")  # it speaks TLS, and wants a certificate of ours, say
        except OSError:
            return False

    async def _knock(self, text: bytes) -> bytes:
        """The first bytes of the answer to something else; none where there is none."""
        try:
            async with asyncio.timeout(KNOCK_S), self._connection(None) as (reader, writer):
                writer.write(text)
                return await reader.read(16)
        except (OSError, EOFError):
            return b""

    def _something_else(self, answer: bytes) -> StudioError:
        where = self._seed.where
        if answer.startswith(_TLS_ALERT):
            return tls.needs_tls(where)
        who = _BANNERS.get(answer[:4])
        message = (
            f"{who} answers at {where}, not MongoDB."
            if who
            else f"What answers at {where} is no MongoDB server."
        )
        return StudioError(
            e.ERROR_REASON_DB_PROTOCOL_ERROR,
            message,
            hint="Check the port: MongoDB's own is 27017.",
            metadata={"stage": "protocol"},
        )
