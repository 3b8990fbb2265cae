"""The driver's client with what this service needs of it: guarded, bounded, and telling why no server is found.

PyMongo waits for a server to come (back) until its time is up and then says that there is none; why is known to its
monitors only. Here the reason goes with the error. The wait ends once every server was tried and can't come right in
a moment: an address that must not be dialled, a name that doesn't exist, a certificate that isn't trusted, a port on
which nobody listens. Where one member of a replica set answers, its election is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from typing import Any

import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.mongo_client import AsyncMongoClient
from pymongo.errors import ConfigurationError, PyMongoError, ServerSelectionTimeoutError
from pymongo.topology_description import TopologyDescription

from services.mongo_svc import command_spans, errors, options, tls
from services.mongo_svc.guard import Guard, pool_class
from services.mongo_svc.limits import Limits
from services.mongo_svc.options import MongoOptions
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

POLL_S = 0.05
"""Seconds between looks at what the monitors say, while no server is known."""
_HOPELESS = frozenset({"address", "dns", "tcp", "tls"})
"""Stages whose failure waiting doesn't mend, but for a server that didn't answer in time."""


class Driver(AsyncMongoClient[RawBSONDocument]):
    """A client.

    Args:
        parsed: where and as whom to connect.
        guard: makes its connections.
        limits: bounds.

    Raises:
        StudioError: INVALID_CONNECTION_STRING for what only the driver knows to be wrong.
    """

    def __init__(self, parsed: MongoOptions, guard: Guard, limits: Limits) -> None:
        self._guard = guard
        self._close_cursor_s = limits.close_cursor_s
        self._opening = asyncio.Lock()
        self._certificates = tls.Certificates(parsed)
        self._named = frozenset((seed.host, seed.port or None) for seed in parsed.seeds)
        arguments: dict[str, Any] = {**options.bounded(parsed, limits), **self._certificates.arguments}
        if listeners := command_spans.listeners():
            arguments["event_listeners"] = listeners
        if parsed.compressors:
            arguments["compressors"] = ",".join(parsed.compressors)
        try:
            with warnings.catch_warnings():
                # About hosts of other vendors, and about options in records of DNS.
                warnings.simplefilter("ignore")
                super().__init__(
                    parsed.uri,
                    document_class=RawBSONDocument,
                    appname=parsed.app_name,
                    _pool_class=pool_class(guard, limits),
                    **arguments,
                )
        except (ssl.SSLError, OSError):
            self._certificates.close()
            raise tls.unusable() from None
        except (PyMongoError, ValueError, TypeError) as error:
            self._certificates.close()
            raise _refused(error) from None

    async def close(self) -> None:
        """Ends the connections."""
        try:
            await super().close()
        except (StudioError, OSError):
            # Sessions could not be ended on the server, for a reason of ours that the driver doesn't know. It has
            # forgotten them by now, and goes on.
            await super().close()
        finally:
            self._certificates.close()

    async def _close_cursor_now(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the driver's own
        """Tells a server to close a cursor.

        The driver waits for as long as for any command, also where the cursor's call was cancelled: a reader who left
        would keep a client in use for a minute, where the server hangs. That it can't be told is no failure.
        """
        with contextlib.suppress(StudioError, OSError), pymongo.timeout(self._close_cursor_s):
            await super()._close_cursor_now(*args, **kwargs)

    async def _get_topology(self) -> Any:  # noqa: ANN401  the driver's own
        """The topology; for `mongodb+srv://` the servers are looked up first, once for all callers."""
        if self._opened:
            return self._topology
        async with self._opening:
            try:
                return await super()._get_topology()
            except ConfigurationError as error:
                if not self._named:
                    raise errors.DialError(srv_failed(error)) from None
                raise

    async def _select_server(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the driver's own
        topology = await self._get_topology()
        if topology.description.known_servers:
            try:
                return await super()._select_server(*args, **kwargs)
            except ServerSelectionTimeoutError as error:
                raise self._no_server(error) from None
        began_s = asyncio.get_running_loop().time()
        selecting = asyncio.ensure_future(super()._select_server(*args, **kwargs))
        try:
            while not (await asyncio.wait({selecting}, timeout=POLL_S))[0]:
                if self._is_hopeless(topology.description, began_s):
                    raise self._no_server(ServerSelectionTimeoutError("no server can be used"))
            return selecting.result()
        except ServerSelectionTimeoutError as error:
            raise error if isinstance(error, errors.NoServerError) else self._no_server(error) from None
        finally:
            selecting.cancel()

    def _is_hopeless(self, description: TopologyDescription, since_s: float) -> bool:
        """Whether each server was tried since then, and failed for a reason that stays."""
        failures = map(self._guard.failures.get, description.server_descriptions())
        return all(each is not None and each.at_s >= since_s and is_hopeless(each.error) for each in failures)

    def _no_server(self, error: Exception) -> errors.NoServerError:
        failures = {address: each.error for address, each in self._guard.failures.items()}
        return errors.NoServerError(error, self.topology_description, failures, self._named)


def is_hopeless(error: StudioError) -> bool:
    """Whether a connection fails in the same way a moment later."""
    return error.metadata.get("stage") in _HOPELESS and error.reason != e.ERROR_REASON_DB_TIMEOUT


def srv_failed(error: Exception) -> StudioError:
    """The error for SRV records that can't be had."""
    text = str(error)
    if "SRV host" in text:
        message = "The SRV records name servers outside the domain of mongodb+srv://'s host."
        hint = "Check the host; srvAllowedHostsSuffix allows another domain."
    elif "does not exist" in text or "does not contain an answer" in text:
        message, hint = (
            "DNS has no servers for the host of mongodb+srv://.",
            "Check the spelling of the host.",
        )
    elif "TXT" in text or "from DNS" in text or "loadBalanced" in text:
        message, hint = "The TXT record of mongodb+srv://'s host has options that are not allowed.", ""
    else:
        message = "The servers of mongodb+srv:// can't be looked up."
        hint = "Check the host, and the name servers of the host where the services run."
    return StudioError(e.ERROR_REASON_DB_CONNECTION_FAILED, message, hint=hint, metadata={"stage": "srv"})


def _refused(error: Exception) -> StudioError:
    if "Private key" in str(error):
        return tls.unusable()
    # The driver's own sentence may repeat what the connection string holds.
    return StudioError(
        e.ERROR_REASON_INVALID_CONNECTION_STRING,
        "The options of the connection string can't be used together.",
        hint=f"The driver says: {type(error).__name__}. Remove options until it works.",
        metadata={"stage": "parse"},
    )
