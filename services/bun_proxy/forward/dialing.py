"""From options to a connection to an API: the name looked up once, each address checked, and that address dialled."""

from __future__ import annotations

import asyncio
import socket
import ssl

from services.bun_proxy.forward.connection import UpstreamConnection
from services.bun_proxy.forward.http2 import PROTOCOL, Session
from services.bun_proxy.limits import Limits
from services.bun_proxy.options import ApiOptions
from services.runtime.addresses import AddressPolicy
from services.runtime.dialing import UnreachableError, connect_first
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE"}
)


class RefusedError(StudioError):
    """A host is there, and nothing listens."""


class Dialer:
    """Connects to one API, as often as needed.

    Args:
        options: where.
        policy: which addresses may be dialled.
        limits: bounds of each connection.
    """

    def __init__(self, options: ApiOptions, policy: AddressPolicy, limits: Limits) -> None:
        self._options = options
        self._policy = policy
        self._limits = limits
        self._contexts: dict[bool, ssl.SSLContext] = {}
        """By whether HTTP/2 is offered."""

    async def dial(self, connection: UpstreamConnection, session: Session | None = None) -> bool:
        """Opens a connection.

        Args:
            connection: what it becomes.
            session: what it becomes where the API wants HTTP/2; without it, that is not offered.

        Returns:
            Whether it has become `session`.

        Raises:
            StudioError: with `stage` in its metadata.
        """
        stage = "dns"
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                addresses = await self._policy.resolve(self._options.host, self._options.port)
                stage = "tcp"
                sock, _ = await connect_first(addresses)
                stage = "tls" if self._options.tls else "tcp"
                is_http2 = await self._open(sock, connection, session)
                if session is not None and is_http2:
                    stage = "http"
                    await session.ready()
                return is_http2
        except TimeoutError:
            raise self._timeout(stage) from None
        except UnreachableError as error:
            raise self._unreachable(error) from None
        except (ssl.SSLError, OSError) as error:
            raise self._no_tls(error) from None

    async def _open(
        self, sock: socket.socket, connection: UpstreamConnection, session: Session | None
    ) -> bool:
        loop = asyncio.get_running_loop()
        try:
            if not self._options.tls:
                await loop.create_connection(lambda: connection, sock=sock)
                return False
            offers = session is not None
            if offers not in self._contexts:
                # Reads the system's authorities: some milliseconds, so not on the event loop.
                self._contexts[offers] = await asyncio.to_thread(_context, with_http2=offers)
            chosen = _Chosen(connection, session)
            # The certificate must be for the name, not for the address that is dialled.
            await loop.create_connection(
                lambda: chosen, sock=sock, ssl=self._contexts[offers], server_hostname=self._options.host
            )
        except BaseException:
            sock.close()
            raise
        return chosen.is_http2

    def _unreachable(self, error: UnreachableError) -> StudioError:
        where = self._options.origin
        if error.is_refused:
            return RefusedError(
                e.ERROR_REASON_DB_CONNECTION_FAILED,
                f"{where} refuses connections.",
                hint=f"Is the API running, and does it listen on port {self._options.port} of this address?",
                metadata={"stage": "tcp"},
            )
        return StudioError(
            e.ERROR_REASON_DB_CONNECTION_FAILED,
            f"{where} can't be reached: {error.why}.",
            hint="Check the host and that its network can be reached from where the services run.",
            metadata={"stage": "tcp"},
        )

    def _timeout(self, stage: str) -> StudioError:
        hints = {
            "dns": "The name server did not answer.",
            "tcp": "A firewall may drop the packets, or the address is wrong.",
            "tls": "The server may not speak TLS: use http:// instead of https:// then.",
            "http": "It agreed on HTTP/2 and then said nothing; `http2` set to false in the config avoids that.",
        }
        return StudioError(
            e.ERROR_REASON_DB_TIMEOUT,
            f"{self._options.origin} could not be connected to within {self._limits.connect_timeout_s:g} s.",
            hint=hints[stage],
            metadata={"stage": stage},
        )

    def _no_tls(self, error: OSError) -> StudioError:
        where, hint = (
            self._options.origin,
            "Use http:// where the API does not speak TLS, or the port of its TLS.",
        )
        if isinstance(error, ssl.SSLCertVerificationError):
            why = f"The certificate of {where} is not accepted: {error.verify_message or 'it is not valid'}."
            hint = "Use the name it is made for, and a certificate of an authority that the services' host trusts."
        elif (getattr(error, "reason", None) or "") in NOT_TLS:
            why = f"{where} does not speak TLS."
        elif isinstance(error, ssl.SSLError):
            why = f"The TLS handshake with {where} failed."
        else:
            return StudioError(
                e.ERROR_REASON_DB_CONNECTION_FAILED,
                f"{where} closed the connection while it was made.",
                hint=hint,
                metadata={"stage": "tls" if self._options.tls else "tcp"},
            )
        return StudioError(e.ERROR_REASON_DB_TLS_FAILED, why, hint=hint, metadata={"stage": "tls"})


class _Chosen(asyncio.Protocol):
    """Becomes what the handshake has agreed on, before the first byte is read."""

    def __init__(self, connection: UpstreamConnection, session: Session | None) -> None:
        self._connection = connection
        self._session = session
        self.is_http2 = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol: asyncio.Protocol = self._connection
        if self._session is not None and agreed == PROTOCOL:
            self.is_http2, protocol = True, self._session
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def _context(*, with_http2: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL, "http/1.1"] if with_http2 else ["http/1.1"])
    return context
