"""From options to a connection to an API: the name looked up once, each address checked, and that address dialled."""

from __future__ import annotations

import asyncio
import socket
import ssl

from services.bun_proxy.forward.connection import UpstreamConnection
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
        self._context: ssl.SSLContext | None = None

    async def dial(self, connection: UpstreamConnection) -> None:
        """Opens a connection.

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
                await self._open(sock, connection)
        except TimeoutError:
            raise self._timeout(stage) from None
        except UnreachableError as error:
            raise self._unreachable(error) from None
        except (ssl.SSLError, OSError) as error:
            raise self._no_tls(error) from None

    async def _open(self, sock: socket.socket, connection: UpstreamConnection) -> None:
        loop = asyncio.get_running_loop()
        try:
            if not self._options.tls:
                await loop.create_connection(lambda: connection, sock=sock)
                return
            if self._context is None:
                # Reads the system's authorities: some milliseconds, so not on the event loop.
                self._context = await asyncio.to_thread(_context)
            # The certificate must be for the name, not for the address that is dialled.
            await loop.create_connection(
                lambda: connection, sock=sock, ssl=self._context, server_hostname=self._options.host
            )
        except BaseException:
            sock.close()
            raise

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


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
