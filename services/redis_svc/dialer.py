"""From options to a connection that is logged in: address, TCP or Unix socket, TLS, login, each a named stage.

The name is resolved once, each address checked by the policy, and that address dialled; the name is still what TLS
checks.
"""

from __future__ import annotations

import asyncio
import ssl
from enum import StrEnum

from services.redis_svc import login, tls
from services.redis_svc.connection import Connection, ConnectionLostError
from services.redis_svc.limits import Limits
from services.redis_svc.url import RedisOptions
from services.runtime.addresses import Address, AddressPolicy
from services.runtime.dialing import UnreachableError, connect_first
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


class Stage(StrEnum):
    """How far a connection has come, in the words of `ConnectionDiagnosis.stage`."""

    PARSE = "parse"
    ADDRESS = "address"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    SENTINEL = "sentinel"
    """Asking the Sentinels for the master."""
    MASTER = "master"
    """Reaching the master that the Sentinels name."""
    CLUSTER = "cluster"
    """Asking a Cluster for its nodes, and reaching each."""
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    PROTOCOL = "protocol"
    DONE = "done"


class Dialer:
    """Connects to one server, as often as needed.

    Args:
        options: where and as whom.
        policy: which addresses may be dialled.
        limits: bounds of each connection.
        allow_unix: whether Unix sockets of this host may be dialled.
    """

    def __init__(
        self, options: RedisOptions, policy: AddressPolicy, limits: Limits, *, allow_unix: bool = False
    ) -> None:
        self.options = options
        self._policy = policy
        self._limits = limits
        self._allow_unix = allow_unix
        self._context: ssl.SSLContext | None = None
        self.stage = Stage.PARSE
        """What the current attempt is at, or where the last one ended."""
        self.connection: Connection | None = None
        """Of the last attempt, once there was a socket: what it has seen tells what answers there."""
        self.peer: Address | None = None
        """The address of the last attempt, once there was a socket."""

    async def dial(self) -> Connection:
        """A connection that is logged in.

        Raises:
            StudioError: with `stage` in its metadata.
        """
        self.connection = self.peer = None
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                connection = await self._connect()
                self.stage = Stage.AUTHENTICATION if self.options.password is not None else Stage.PROTOCOL
                await login.log_in(connection, self.options)
        except TimeoutError:
            self._drop()
            raise self._timeout() from None
        except StudioError as lost:
            error = self._cause(lost)
            self._drop()
            self.stage = Stage(error.metadata.setdefault("stage", self.stage.value))
            raise error from None
        except BaseException:
            self._drop()
            raise
        self.stage = Stage.DONE
        return connection

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        options = self.options
        self.stage = Stage.PARSE
        if options.tls is not None and self._context is None:
            self._context = await asyncio.to_thread(tls.build_context, options.tls)
        if options.path:
            return await self._connect_unix()
        self.stage = Stage.DNS
        addresses = await self._policy.resolve(options.host, options.port)
        self.stage = Stage.TCP
        try:
            sock, self.peer = await connect_first(addresses)
        except UnreachableError as error:
            raise self._unreachable(error) from None
        name = (options.tls.server_name or options.host) if options.tls is not None else None
        if options.tls is not None:
            self.stage = Stage.TLS
        try:
            async with asyncio.timeout(self._limits.tls_timeout_s if name is not None else None):
                _, connection = await loop.create_connection(
                    self._new_connection, sock=sock, ssl=self._context, server_hostname=name
                )
        except TimeoutError:
            sock.close()
            raise self._timeout(self._limits.tls_timeout_s) from None
        except (ssl.SSLError, OSError) as error:
            sock.close()
            raise tls.explain(error, options.where) from None
        except BaseException:
            sock.close()
            raise
        return connection

    async def _connect_unix(self) -> Connection:
        path = self.options.path
        self.stage = Stage.ADDRESS
        if not self._allow_unix:
            raise StudioError(
                e.ERROR_REASON_DB_ADDRESS_DENIED,
                "Unix sockets are not allowed here.",
                hint="An operator can allow them with REDIS_ALLOW_UNIX_SOCKETS=true.",
                metadata={"stage": "address"},
            )
        self.stage = Stage.TCP
        try:
            _, connection = await asyncio.get_running_loop().create_unix_connection(
                self._new_connection, path
            )
        except OSError as error:
            raise StudioError(
                e.ERROR_REASON_DB_CONNECTION_FAILED,
                f"The Unix socket can't be connected to: {error.strerror or 'no answer'}.",
                hint="Is Redis running, and is its `unixsocket` this path?",
                metadata={"stage": "tcp"},
            ) from None
        return connection

    def _new_connection(self) -> Connection:
        self.connection = Connection(self._limits)
        return self.connection

    def _unreachable(self, error: UnreachableError) -> StudioError:
        where, port = self.options.where, self.options.port
        metadata = {"stage": "tcp"}
        reason = e.ERROR_REASON_DB_CONNECTION_FAILED
        if error.is_refused:
            return StudioError(
                reason,
                f"{where} refuses connections.",
                hint=f"Port {port} refuses connections: is Redis running, and bound to this address?",
                metadata=metadata,
            )
        return StudioError(
            reason,
            f"{where} can't be reached: {error.why}.",
            hint="Check the host and that its network can be reached from where the services run.",
            metadata=metadata,
        )

    def _timeout(self, seconds: float = 0.0) -> StudioError:
        where, seconds = self.options.where, seconds or self._limits.connect_timeout_s
        hints = {
            Stage.DNS: "The name server did not answer.",
            Stage.TCP: "A firewall may drop the packets, or the address is wrong.",
            Stage.TLS: "The server may not speak TLS: use redis:// instead of rediss:// then.",
        }
        return StudioError(
            e.ERROR_REASON_DB_TIMEOUT,
            f"{where} did not answer within {seconds:g} s.",
            hint=hints.get(
                self.stage, "It takes connections, but says nothing: it may be no Redis, or hang."
            ),
            metadata={"stage": self.stage.value},
        )

    def _cause(self, error: StudioError) -> StudioError:
        """What ended the connection, where the login only noticed that it had ended.

        A server that is full or protected says so before it is asked anything.
        """
        failure = self.connection.failure if self.connection is not None else None
        return failure if isinstance(error, ConnectionLostError) and failure is not None else error

    def _drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
