"""The short way for one small read: a command as bytes, its answer as bytes, over the driver's own connections.

PyMongo's `find_one` costs 210 to 250 µs of processor time here, this 105: no cursor, no session, no copy of the answer.
Server selection, pooling, login, deadlines and what a failure means for the topology stay the driver's. It uses methods
of PyMongo that are not public; `tests/mongo_svc/test_lane.py` fails where a new version has changed them.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from typing import TYPE_CHECKING, Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.errors import ConnectionFailure, NotPrimaryError
from pymongo.helpers_shared import _check_command_response
from pymongo.message import _UNPACK_REPLY

from services.mongo_svc import command_spans
from services.runtime import tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo import AsyncMongoClient

_OP_MSG = 2013
"""https://github.com/mongodb/specifications/blob/master/source/message/OP_MSG.md"""
_HEADER = struct.Struct("<iiiiIB")
_TRIES = 2
"""As often as the driver tries a retryable read."""
_request_ids = itertools.cycle(range(1, 2**31))


def is_open(driver: AsyncMongoClient[Any]) -> bool:
    """Whether reads of this client may take this way: to the primary, with nothing to be said beside the command."""
    options = driver.options
    return (
        options.read_preference == ReadPreference.PRIMARY
        and not options.read_concern.document
        and options.pool_options.server_api is None
        and not options.load_balanced
    )


async def read(driver: AsyncMongoClient[Any], database: str, command: Mapping[str, Any]) -> RawBSONDocument:
    """Runs a command that reads; call it inside `pymongo.timeout`, whose end reaches the server as `maxTimeMS`.

    A cursor that it leaves open belongs to no session: it is the caller's to close.

    Raises:
        PyMongoError: as PyMongo's own methods do.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            if tracing.tracer is None:
                return await _once(driver, {**command, "$db": database})
            with command_spans.command(next(iter(command))):
                return await _once(driver, {**command, "$db": database})
        except (ConnectionFailure, NotPrimaryError):
            if not (tries_left and driver.options.retry_reads):
                raise
    raise AssertionError("unreachable")


async def _once(driver: AsyncMongoClient[Any], command: dict[str, Any]) -> RawBSONDocument:
    name = next(iter(command))
    checkout = await driver._conn_for_reads(ReadPreference.PRIMARY, None, name)  # noqa: SLF001  see the module
    async with checkout as (connection, _):
        left_s = connection.apply_timeout(command)
        request_id, body = next(_request_ids), bson.encode(command)
        message = _HEADER.pack(_HEADER.size + len(body), request_id, 0, _OP_MSG, 0, 0) + body
        protocol = connection.conn.get_conn
        try:
            # The driver's own way to wait makes three tasks for it.
            async with asyncio.timeout(left_s):
                await protocol.write(message)
                data, kind = await protocol.read(request_id, connection.max_message_size)
        except BaseException as error:  # also a cancellation: what is still to come must reach nobody else
            await connection._raise_connection_failure(error)  # noqa: SLF001  see the module
            raise
        answer = RawBSONDocument(bytes(_UNPACK_REPLY[kind](data).raw_command_response()))
        # Inside the block: what it raises may tell the topology that the primary is another.
        _check_command_response(answer, connection.max_wire_version)
        return answer
