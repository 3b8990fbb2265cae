"""What is really the matter where a connection failed in an unexpected way: who answers there, and over TLS or not.

Looks at the first bytes the server sent, and knocks once more where it sent none. No credentials are sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from services.redis_svc.dialer import Dialer, Stage
from services.runtime.addresses import Address
from services.runtime.dialing import connect_socket
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

PROBE_S = 0.75
"""Seconds that one knock takes at most."""

_BANNERS = {b"HTTP/": "An HTTP server", b"SSH-": "An SSH server", b"220 ": "A mail or FTP server"}
_TLS_ALERT = b"\x15\x03"
"""Begins an alert record: RFC 8446, section 5.1."""
_UNEXPECTED = frozenset(
    {
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        e.ERROR_REASON_DB_TIMEOUT,
        e.ERROR_REASON_DB_TLS_FAILED,
    }
)


async def closer_look(dialer: Dialer, error: StudioError) -> StudioError:
    """The error itself, or one that says more.

    Args:
        dialer: as its failed attempt left it.
        error: what it failed with.
    """
    if dialer.peer is None or error.reason not in _UNEXPECTED:
        return error
    if dialer.options.tls is not None:
        in_clear = dialer.stage is Stage.TLS and await _speaks_redis(dialer.peer)
        return _no_tls(dialer.options.where) if in_clear else error
    seen = dialer.connection.seen if dialer.connection is not None else b""
    return _from_bytes(dialer.options.where, seen) or await _from_silence(dialer, dialer.peer, seen, error)


def _from_bytes(where: str, seen: bytes) -> StudioError | None:
    if seen.startswith(_TLS_ALERT):
        return _needs_tls(where)
    for banner, name in _BANNERS.items():
        if seen.startswith(banner):
            return StudioError(
                e.ERROR_REASON_DB_PROTOCOL_ERROR,
                f"{name} answers at {where}, not Redis.",
                hint="Check the port: Redis listens on 6379 by default.",
                metadata={"stage": "protocol"},
            )
    return None


async def _from_silence(dialer: Dialer, peer: Address, seen: bytes, error: StudioError) -> StudioError:
    where = dialer.options.where
    if seen:
        return error
    if await _speaks_tls(peer):
        return _needs_tls(where)
    if error.reason == e.ERROR_REASON_DB_CONNECTION_FAILED:
        return StudioError(
            error.reason,
            f"{where} closed the connection at once.",
            hint="It may have reached maxclients, be in protected mode, or refuse this host; see the server's log.",
            metadata={"stage": "protocol"},
        )
    return error


def _needs_tls(where: str) -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_TLS_FAILED,
        f"{where} expects TLS.",
        hint="The server expects TLS: use rediss:// instead of redis://.",
        metadata={"stage": "tls"},
    )


def _no_tls(where: str) -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_TLS_FAILED,
        f"{where} does not speak TLS.",
        hint="The server does not speak TLS: use redis:// instead of rediss://.",
        metadata={"stage": "tls"},
    )


async def _speaks_tls(peer: Address) -> bool:
    """Whether a TLS handshake succeeds, or is at least understood. Nothing is sent over it, so nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with _probe(peer, context):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it speaks TLS, and wants a certificate of ours, say
    except OSError:
        return False


async def _speaks_redis(peer: Address) -> bool:
    """Whether a PING in clear is answered as Redis does."""
    try:
        async with _probe(peer, None) as (reader, writer):
            writer.write(b"*1\r\n$4\r\nPING\r\n")
            return (await reader.read(1)) in (b"+", b"-")
    except OSError:
        return False


@contextlib.asynccontextmanager
async def _probe(
    peer: Address, context: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(PROBE_S):
        sock = await connect_socket(peer)
        name = "" if context is not None else None
        try:
            reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
        except BaseException:
            sock.close()
            raise
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
