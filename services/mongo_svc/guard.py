"""Every socket of the driver goes to an address that the policy has checked, and to that very address.

The driver dials seeds, what DNS names for `mongodb+srv://`, and whatever members a server announces, from its pools
and its monitors. All of them connect in `Pool.connect`; a client takes a class of pools of its own (`_pool_class`),
which says whose connection is being made. The one function below it that looks a name up and dials is replaced, for
the process, by one that asks whoever that is. A PyMongo that connects in another way is noticed at the start: `prove`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import pool_shared
from pymongo.asynchronous import pool
from pymongo.asynchronous.mongo_client import AsyncMongoClient
from pymongo.asynchronous.pool import AsyncConnection, Pool
from pymongo.errors import NetworkTimeout, WaitQueueTimeoutError

from services.mongo_svc import errors, metrics
from services.mongo_svc.limits import DEFAULTS, Limits
from services.mongo_svc.options import where
from services.runtime.addresses import AddressPolicy
from services.runtime.dialing import UnreachableError, connect_first
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    from pymongo.network_layer import AsyncNetworkingInterface
    from pymongo.pool_options import PoolOptions

MAX_FAILURES = 64
"""Addresses whose last failure is kept."""
PROOF_S = 5.0
"""Seconds that `prove` waits for the driver to try a connection."""
_UNIX = ".sock"
"""By this ending the driver takes a host for a Unix socket."""

_driver_dials = pool_shared._async_create_connection  # noqa: SLF001  the module's docstring says why
_driver_opens = pool_shared._configured_protocol_interface  # noqa: SLF001  as above


class _Attempt:
    """A connection that is being made."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.opened: AsyncNetworkingInterface | None = None
        """What came of it, before it is greeted and logged in on."""

    def abandon(self) -> None:
        """Closes it: the driver forgets it where it is cancelled while it waits for its pool's lock."""
        if self.opened is not None:
            self.opened.conn[0].abort()


_current: ContextVar[_Attempt | None] = ContextVar("mongodb_attempt", default=None)


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt to connect."""

    error: StudioError
    """What it means."""
    at_s: float
    """When, by the event loop's clock."""


class Guard:
    """Makes the connections of one client.

    Args:
        policy: which addresses may be dialled.
        allow_unix: whether Unix sockets of this host may be.
    """

    def __init__(self, policy: AddressPolicy, *, allow_unix: bool = False) -> None:
        self._policy = policy
        self._allow_unix = allow_unix
        self.failures: dict[errors.Address, Failure] = {}
        """Why the last attempt to connect to an address failed; nothing for those that were connected to."""

    async def connect(self, host: str, port: int | None) -> socket.socket:
        """A socket that is connected. The caller bounds the time.

        Raises:
            DialError: with what that means.
        """
        if port is None or host.endswith(_UNIX) or "/" in host:
            return await self._connect_unix(host)
        try:
            sock, _ = await connect_first(await self._policy.resolve(host, port))
        except UnreachableError as error:
            raise errors.DialError(unreachable(error, where((host, port)), port)) from None
        except StudioError as error:
            raise errors.DialError(error) from None
        return sock

    def note(self, address: errors.Address, error: BaseException | None) -> None:
        """Remembers how an attempt to connect ended."""
        self.failures.pop(address, None)
        if error is not None:
            now = asyncio.get_running_loop().time()
            self.failures[address] = Failure(errors.of_connection(error, where(address)), now)
            if len(self.failures) > MAX_FAILURES:
                del self.failures[next(iter(self.failures))]

    async def _connect_unix(self, path: str) -> socket.socket:
        if not self._allow_unix:
            raise errors.DialError(unix_refused())
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(0)
            await asyncio.get_running_loop().sock_connect(sock, path)
        except OSError as error:
            sock.close()
            raise errors.DialError(_no_unix(error)) from None
        except BaseException:
            sock.close()
            raise
        return sock


def pool_class(guard: Guard, limits: Limits) -> type[Pool]:
    """The class of a client's pools, for its argument `_pool_class`.

    Raises:
        RuntimeError: this version of PyMongo connects in another way than the guard knows.
    """
    install()

    class GuardedPool(Pool):
        """Connections to one server: made by the guard, and waited for no longer than we say."""

        async def connect(self, handler: Any = None) -> AsyncConnection:  # noqa: ANN401  the driver's own
            attempt = _Attempt(guard)
            token = _current.set(attempt)
            remaining = pymongo._csot.remaining()  # noqa: SLF001  the one place that knows the operation's deadline
            bound_s = self.opts.connect_timeout or limits.connect_timeout_s
            try:
                # The driver's own bounds leave TLS's handshake out.
                async with asyncio.timeout(
                    bound_s if remaining is None else min(bound_s, max(0.0, remaining))
                ):
                    connection = await super().connect(handler)
            except TimeoutError as error:
                guard.note(self.address, error)
                attempt.abandon()
                raise NetworkTimeout(f"{where(self.address)}: timed out") from error
            except BaseException as error:
                if isinstance(error, Exception):
                    guard.note(self.address, error)
                attempt.abandon()
                raise
            finally:
                _current.reset(token)
            guard.note(self.address, None)
            metrics.count(self)
            return connection

        async def _get_conn(self, checkout_started_time: float, handler: Any = None) -> AsyncConnection:  # noqa: ANN401
            if self.requests < self.max_pool_size:
                return await super()._get_conn(checkout_started_time, handler)
            if self.operation_count - self.requests >= limits.max_waiting:
                raise errors.pool_exhausted()
            try:
                # Under a deadline the driver waits until that, and then tries again; an error of ours it passes on.
                with pymongo.timeout(limits.pool_wait_s):
                    return await super()._get_conn(checkout_started_time, handler)
            except WaitQueueTimeoutError:
                raise errors.pool_exhausted() from None

    return GuardedPool


def install() -> None:
    """Puts the guard between the driver and the network, once for the process.

    Raises:
        RuntimeError: this version of PyMongo connects in another way.
    """
    if pool_shared._async_create_connection is _dial:  # noqa: SLF001  as above
        return
    path = (
        (Pool.connect, "_configured_protocol_interface"),
        (pool_shared._configured_protocol_interface, "_async_create_connection"),  # noqa: SLF001  as above
        (Pool.checkout, "_PoolCheckout"),
    )
    for function, calls in path:
        if calls not in function.__code__.co_names:
            raise _unguarded(f"{function.__qualname__} does not call {calls}")
    pool_shared._async_create_connection = _dial  # noqa: SLF001  as above
    # By name: the module has it from `pool_shared`, and does not say so.
    setattr(pool, "_configured_protocol_interface", _open)  # noqa: B010


async def prove() -> None:
    """Has the driver connect with a guard that refuses every address, and looks whether it was refused.

    Raises:
        RuntimeError: it was not.
    """
    guard = Guard(AddressPolicy(deny=("0.0.0.0/0", "::/0")))
    target = ("127.0.0.1", 9)
    driver: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        *target, _pool_class=pool_class(guard, DEFAULTS)
    )
    try:
        await driver.aconnect()
        async with asyncio.timeout(PROOF_S):
            while target not in guard.failures:  # noqa: ASYNC110  the driver has no event for it
                await asyncio.sleep(0.005)
        if guard.failures[target].error.reason != e.ERROR_REASON_DB_ADDRESS_DENIED:
            raise _unguarded("a connection was made past the guard")
    except TimeoutError:
        raise _unguarded("the guard was not asked") from None
    finally:
        with contextlib.suppress(pymongo.errors.PyMongoError):
            await driver.close()


def unreachable(error: UnreachableError, where: str, port: int) -> StudioError:
    """The error for a server that takes no connection."""
    if error.is_refused:
        message, hint = (
            f"{where} refuses connections.",
            f"Port {port} refuses connections: is MongoDB running, and bound to this address (net.bindIp)?",
        )
    else:
        message = f"{where} can't be reached: {error.why}."
        hint = "Check the host and that its network can be reached from where the services run."
    return StudioError(e.ERROR_REASON_DB_CONNECTION_FAILED, message, hint=hint, metadata={"stage": "tcp"})


def unix_refused() -> StudioError:
    """The error for a Unix socket where none may be dialled."""
    return StudioError(
        e.ERROR_REASON_DB_ADDRESS_DENIED,
        "Unix sockets are not allowed here.",
        hint="An operator can allow them with MONGODB_ALLOW_UNIX_SOCKETS=true.",
        metadata={"stage": "address"},
    )


def _no_unix(error: OSError) -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_CONNECTION_FAILED,
        f"The Unix socket can't be connected to: {error.strerror or 'no answer'}.",
        hint="Is MongoDB running, and does it listen there (net.unixDomainSocket)?",
        metadata={"stage": "tcp"},
    )


def _unguarded(why: str) -> RuntimeError:
    return RuntimeError(
        f"PyMongo {pymongo.version} connects in a way that the address guard does not know: {why}"
    )


async def _dial(address: tuple[str, int | None], options: PoolOptions) -> socket.socket:
    """In place of the driver's own. Clients that are not ours, in a test say, keep that."""
    attempt = _current.get()
    return await (_driver_dials(address, options) if attempt is None else attempt.guard.connect(*address))


async def _open(*args: Any) -> AsyncNetworkingInterface:  # noqa: ANN401  the driver's own
    """As the driver's own; what it returns is known to the attempt that it is made for."""
    opened = await _driver_opens(*args)
    attempt = _current.get()
    if attempt is not None:
        attempt.opened = opened
    return opened
