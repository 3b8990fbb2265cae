"""A registered database as the rest of the service sees it: commands in, raw BSON or plain values out, errors as ours.

PyMongo finds the servers, pools the connections and logs in. A deadline holds for everything in one call: finding a
server, waiting for a connection, and the work of the server itself, which is told of it as `maxTimeMS`
(https://www.mongodb.com/docs/languages/python/pymongo-driver/current/connect/connection-options/csot/).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, MutableMapping
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from services.mongo_svc import errors
from services.mongo_svc.driver import Driver
from services.mongo_svc.guard import Guard
from services.mongo_svc.limits import Limits
from services.mongo_svc.options import MongoOptions
from services.runtime import context as call
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_DEADLINE_EXCEEDED

Raw = RawBSONDocument
Document = dict[str, Any]

RAW: CodecOptions[Raw] = CodecOptions(document_class=RawBSONDocument)
"""Answers stay bytes; nothing of them is decoded that isn't looked at."""
PLAIN: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
)
"""Answers of the server about itself, as values of Python."""

FORBIDDEN_IN_DATABASE = frozenset('/\\. "$*<>:|?\0')
"""https://www.mongodb.com/docs/manual/reference/limits/#naming-restrictions"""
MAX_DATABASE_BYTES = 63
MAX_NAMESPACE_BYTES = 255


class MongoClient:
    """A database's connections. They are made when first needed.

    Args:
        options: where and as whom to connect.
        policy: which addresses may be dialled.
        limits: bounds.
        allow_unix: whether Unix sockets of this host may be dialled.

    Raises:
        StudioError: INVALID_CONNECTION_STRING for what only the driver knows to be wrong.
    """

    def __init__(
        self, options: MongoOptions, policy: AddressPolicy, limits: Limits, *, allow_unix: bool = False
    ) -> None:
        self.limits = limits
        self.options = options
        self._policy = policy
        self._allow_unix = allow_unix
        self.guard = Guard(policy, allow_unix=allow_unix)
        """Makes its connections."""
        self.driver: AsyncMongoClient[Raw] = Driver(options, self.guard, limits)

    def dedicated(self, connections: int) -> MongoClient:
        """A client of its own for the same database, which the caller closes: no other call waits for its connections.

        Args:
            connections: to each server at most.
        """
        limits = dataclasses.replace(self.limits, max_pool_size=connections)
        return MongoClient(self.options, self._policy, limits, allow_unix=self._allow_unix)

    def database_name(self, name: str) -> str:
        """The database that a request means: the one it names, or else the connection's.

        Raises:
            StudioError: INVALID_ARGUMENT where neither is named, or the name can't be one.
        """
        name = name or self.options.database_name
        if not name:
            raise invalid_argument("database_name", "must be given: the connection string names no database")
        if FORBIDDEN_IN_DATABASE & set(name) or len(name.encode()) > MAX_DATABASE_BYTES:
            raise invalid_argument(
                "database_name",
                f"can't hold any of / \\ . \" $ * < > : | ? or a space, nor {MAX_DATABASE_BYTES + 1} bytes",
            )
        return name

    def database(self, name: str) -> AsyncDatabase[Raw]:
        """A database, whose documents are raw; see `database_name`."""
        return self.driver.get_database(self.database_name(name), codec_options=RAW)

    def collection(self, database: str, name: str) -> AsyncCollection[Raw]:
        """A collection, whose documents are raw.

        Raises:
            StudioError: INVALID_ARGUMENT where the name can't be one.
        """
        return self.database(database).get_collection(self.collection_name(database, name))

    def collection_name(self, database: str, name: str) -> str:
        """The name, where it can be one of a collection: https://www.mongodb.com/docs/manual/reference/limits/.

        Raises:
            StudioError: INVALID_ARGUMENT.
        """
        namespace = f"{self.database_name(database)}.{name}"
        if (
            not name
            or "\0" in name
            or "$" in name
            or name[0] == "."
            or name[-1] == "."
            or ".." in name
            or len(namespace.encode()) > MAX_NAMESPACE_BYTES
        ):
            raise invalid_argument(
                "collection",
                "can't be empty, hold $ or NUL, begin or end with a dot, hold two dots in a row, or be longer than "
                f"{MAX_NAMESPACE_BYTES} bytes together with the database's name",
            )
        return name

    async def command(
        self, database: str, command: MutableMapping[str, Any], *, timeout_s: float | None = None
    ) -> Document:
        """Runs a command; its answer as values of Python.

        Args:
            database: name of the database, or empty for the connection's.
            command: its name first, then its options.
            timeout_s: as for `deadline_s`.

        Raises:
            StudioError: what the server or the driver says, in our words.
        """
        with errors.translated(), pymongo.timeout(self.deadline_s(timeout_s)):
            return await self.database(database).command(command, codec_options=PLAIN)

    async def raw_command(
        self, database: str, command: MutableMapping[str, Any], *, timeout_s: float | None = None
    ) -> Raw:
        """As `command`; the answer stays BSON."""
        with errors.translated(), pymongo.timeout(self.deadline_s(timeout_s)):
            return await self.database(database).command(command, codec_options=RAW)

    def deadline_s(self, wanted_s: float | None = None) -> float:
        """Seconds that work for the current call may take.

        Args:
            wanted_s: what the caller asks for; None or 0 for the default.

        Raises:
            StudioError: DEADLINE_EXCEEDED, none is left.
        """
        own_s = self.options.numbers.get("timeoutms", 0) / 1000 or self.limits.longest_command_s
        wanted_s = wanted_s or self.limits.command_timeout_s
        left_s = call.remaining_s(min(wanted_s, own_s, self.limits.longest_command_s))
        if left_s <= 0:  # which the driver would take for "without end"
            raise StudioError(
                ERROR_REASON_DEADLINE_EXCEEDED, "The call's deadline passed before it reached MongoDB."
            )
        return left_s

    async def aclose(self) -> None:
        """Closes the connections, also those to a server that hangs."""
        with pymongo.timeout(self.limits.close_s):
            await self.driver.close()


def without_none(**options: Any) -> Mapping[str, Any]:  # noqa: ANN401  the options of commands are of any type
    """The options that are given."""
    return {name: value for name, value in options.items() if value is not None}
