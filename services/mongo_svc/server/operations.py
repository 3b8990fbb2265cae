"""What a server does now: `$currentOp` and `killOp`.

https://www.mongodb.com/docs/manual/reference/operator/aggregation/currentOp/,
https://www.mongodb.com/docs/manual/reference/command/killOp/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, errors
from services.mongo_svc.client import RAW, MongoClient
from services.mongo_svc.server import shown
from services.mongo_svc.server.asking import UNKNOWN, Asking, Missing, number, plain
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

Row = Mapping[str, Any]

APP_NAME = "studio-databases"
"""What this service calls itself; see `options`."""
_COMMENT = "studio-databases: operations"
"""By this the very question is known, which is no answer to it."""
_CLIENTS = ("client", "client_s")
_COMMANDS = frozenset({b"command", b"originatingCommand"})
_SHARDED = re.compile(r"[^:\0]{1,200}:-?\d{1,19}")
_NUMBER = re.compile(r"-?\d{1,19}")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation."""

    row: Row
    """As the server tells it, without the commands."""
    command: str
    """The command as text."""
    truncated: bool
    """The command is longer."""

    @property
    def opid(self) -> str:
        """What it is killed by; empty for none."""
        value = self.row.get("opid")
        return str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""

    @property
    def running_ms(self) -> float:
        """How long it has run."""
        micros = number(self.row, "microsecs_running")
        if micros != UNKNOWN:
            return micros / 1000
        seconds = number(self.row, "secs_running")
        return UNKNOWN if seconds == UNKNOWN else seconds * 1000

    @property
    def app_name(self) -> str:
        """What the client calls itself."""
        metadata = self.row.get("clientMetadata")
        application = metadata.get("application") if isinstance(metadata, Mapping) else None
        name = application.get("name") if isinstance(application, Mapping) else None
        return shown.text(self.row.get("appName") or name)

    @property
    def users(self) -> list[str]:
        """Who it runs as."""
        found = self.row.get("effectiveUsers") or ()
        return [
            shown.text(f"{each.get('db')}.{each.get('user')}") for each in found if isinstance(each, Mapping)
        ]


@dataclass(frozen=True, slots=True)
class Query:
    """Which operations."""

    limit: int
    min_ms: int = 0
    namespace: str = ""
    idle: bool = False
    system: bool = False
    opid: int | str | None = None


@dataclass(frozen=True, slots=True)
class Operations:
    """What a server does, the longest first."""

    operations: Sequence[Operation]
    has_more: bool
    missing: Sequence[Missing]


async def list_operations(client: MongoClient, query: Query) -> Operations:
    """What runs now.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    asking = Asking(client)
    found = sorted(await _operations(asking, query), key=lambda each: -each.running_ms)
    return Operations(found[: query.limit], len(found) > query.limit, asking.missing)


async def kill(client: MongoClient, opid: str) -> Operation:
    """Asks the server to end an operation; returns it as it was.

    Raises:
        StudioError: INVALID_ARGUMENT for what is no id, ELEMENT_NOT_FOUND where nothing of that id runs.
    """
    value = parse_opid(opid)
    # `killOp` says the same whether there is such an operation or not.
    found = await _operations(Asking(client), Query(1, idle=True, system=True, opid=value))
    if not found:
        raise StudioError(e.ERROR_REASON_ELEMENT_NOT_FOUND, f"No operation {opid[:64]!r} runs now.")
    await client.command("admin", {"killOp": 1, "op": value})
    return found[0]


def parse_opid(text: str) -> int | str:
    """The id as `killOp` takes it.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if _NUMBER.fullmatch(text):
        return int(text)
    if _SHARDED.fullmatch(text):
        return text
    raise invalid_argument("opid", "must be a number, or `shard:number` on a sharded cluster")


def _matching(query: Query) -> dict[str, Any]:
    """What the server is asked to match, so that an answer is no longer than it must be."""
    wanted: dict[str, Any] = {"command.comment": {"$ne": _COMMENT}}
    if query.opid is not None:
        wanted["opid"] = query.opid
    if query.min_ms:
        wanted["microsecs_running"] = {"$gte": query.min_ms * 1000}
    if query.namespace:
        wanted["ns"] = {"$regex": f"^{re.escape(query.namespace)}(\\.|$)"}
    if not query.idle:
        wanted["active"] = True
    if not query.system:
        # Threads of the server itself have none; `client_s` is a `mongos` that asks a shard.
        wanted["$or"] = [{name: {"$exists": True}} for name in _CLIENTS]
    return wanted


def _matches(operation: Operation, query: Query) -> bool:
    """The same, for servers that answer with everything."""
    row = operation.row
    namespace = shown.text(row.get("ns"))
    return (
        (query.opid is None or row.get("opid") == query.opid)
        and operation.running_ms >= query.min_ms
        and (not query.namespace or f"{namespace}.".startswith(f"{query.namespace}."))
        and (query.idle or row.get("active") is True)
        and (query.system or any(name in row for name in _CLIENTS))
        and not operation.command.startswith('{"currentOp"')
    )


async def _operations(asking: Asking, query: Query) -> list[Operation]:
    found: list[Operation] | None = await asking.allowed(
        _current(asking.client, query, all_users=True),
        None,
        what="operations of other users",
        permission="inprog on the cluster",
    )
    if found is not None:
        return found
    return await asking.allowed(
        _current(asking.client, query, all_users=False),
        [],
        what="operations",
        permission="inprog on the cluster",
    )


async def _current(client: MongoClient, query: Query, *, all_users: bool) -> list[Operation]:
    stage: dict[str, Any] = {"$currentOp": {"allUsers": all_users, "idleConnections": query.idle}}
    sort = {"$sort": {"microsecs_running": -1}}
    pipeline = [stage, {"$match": _matching(query)}, sort, {"$limit": query.limit + 1}]
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        admin = client.driver.get_database("admin", codec_options=RAW)
        async with await admin.aggregate(pipeline, comment=_COMMENT) as cursor:
            found = [_operation(each) for each in await cursor.to_list(query.limit + 1)]
    return found or await _by_command(client, query, all_users=all_users)


async def _by_command(client: MongoClient, query: Query, *, all_users: bool) -> list[Operation]:
    """The older way to ask; its answer is at most 16 MiB.

    Servers that only speak MongoDB's protocol have it where their stage tells nothing. Where nothing runs, it costs
    one round trip.
    """
    asked = {"currentOp": 1, "$ownOps": not all_users, "$all": query.idle}
    answer = await client.raw_command("admin", asked)
    found = map(_operation, answer.get("inprog", ()))
    return [each for each in found if _matches(each, query)]


def _operation(row: RawBSONDocument) -> Operation:
    fields = list(ejson.elements(bytes(row.raw)))
    commands = [each for each in fields if each.name in _COMMANDS]
    rest = ejson.build(each for each in fields if each.name not in _COMMANDS)
    # Of a `getMore` what began it tells more than the number of its cursor.
    chosen = max(commands, key=lambda each: each.name == b"originatingCommand", default=None)
    text, truncated = (
        shown.command(chosen.raw) if chosen is not None and chosen.kind == _DOCUMENT else ("", False)
    )
    return Operation(plain(rest), text, truncated)


_DOCUMENT = 0x03
