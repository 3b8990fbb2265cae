"""The server at a glance: `serverStatus`, and how its counters have grown since the look before.

https://www.mongodb.com/docs/manual/reference/command/serverStatus/,
https://www.mongodb.com/docs/manual/reference/command/replSetGetStatus/
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.mongo_svc.client import MongoClient
from services.mongo_svc.server import shown
from services.mongo_svc.server.asking import UNKNOWN, Asking, Missing, number
from services.mongo_svc.server.bounds import MAX_MEMBERS, MAX_SHARDS
from services.runtime.rates import Growth, Rates

Answer = Mapping[str, Any]

ARBITER = "ARBITER"
PRIMARY = "PRIMARY"

COUNTERS: Mapping[str, tuple[str, ...]] = {
    "inserts": ("opcounters", "insert"),
    "queries": ("opcounters", "query"),
    "updates": ("opcounters", "update"),
    "deletes": ("opcounters", "delete"),
    "getmores": ("opcounters", "getmore"),
    "commands": ("opcounters", "command"),
    "requests": ("network", "numRequests"),
    "input_bytes": ("network", "bytesIn"),
    "output_bytes": ("network", "bytesOut"),
    "page_faults": ("extra_info", "page_faults"),
    "cache_read_bytes": ("wiredTiger", "cache", "bytes read into cache"),
    "cache_written_bytes": ("wiredTiger", "cache", "bytes written from cache"),
    "documents_scanned": ("metrics", "queryExecutor", "scannedObjects"),
    "documents_returned": ("metrics", "document", "returned"),
}
"""Figures that only grow, with their place in `serverStatus`."""

OMITTED = {"sharding": 0, "tcmalloc": 0, "watchdog": 0, "mirroredReads": 0}
"""Sections that cost the server work and are not shown."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a replica set."""

    name: str
    state: str
    healthy: bool
    uptime_s: float
    lag_s: float
    ping_ms: float
    sync_source: str
    message: str
    asked: bool


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard of a cluster."""

    name: str
    host: str
    active: bool
    draining: bool


@dataclass(slots=True)
class Overview:
    """What a server tells."""

    status: Answer
    """`serverStatus`; empty where the user may not ask."""
    hello: Answer
    """`hello`, which everybody may ask."""
    version: str
    growth: Growth
    members: Sequence[Member] = ()
    shards: Sequence[Shard] = ()
    missing: list[Missing] = field(default_factory=list)

    @property
    def topology(self) -> str:
        """`standalone`, `replica_set` or `sharded`."""
        if self.hello.get("msg") == "isdbgrid":
            return "sharded"
        return "replica_set" if self.hello.get("setName") else "standalone"

    @property
    def lag_s(self) -> float:
        """How far the secondary furthest behind is behind."""
        return max((each.lag_s for each in self.members if each.state == "SECONDARY"), default=UNKNOWN)


async def get_overview(client: MongoClient, rates: Rates, database_id: str) -> Overview:
    """What a database's server says of itself.

    Args:
        client: the database.
        rates: the looks before.
        database_id: which of them are this database's.

    Raises:
        StudioError: as `MongoClient.command`; not for what the user may not see.
    """
    asking = Asking(client)
    hello = await client.command("admin", {"hello": 1})
    build = await client.command("admin", {"buildInfo": 1})
    status = await asking.command(
        {"serverStatus": 1, **OMITTED}, what="figures of the server", permission="serverStatus on the cluster"
    )
    overview = Overview(status, hello, shown.text(build.get("version")), Growth())
    if status:
        overview.growth = look(status, rates, database_id)
    if overview.topology == "replica_set":
        answer = await asking.command(
            {"replSetGetStatus": 1}, what="members", permission="replSetGetStatus on the cluster"
        )
        overview.members = members(answer)
    elif overview.topology == "sharded":
        answer = await asking.command(
            {"listShards": 1}, what="shards", permission="listShards on the cluster"
        )
        overview.shards = shards(answer)
    overview.missing = asking.missing
    return overview


def look(status: Answer, rates: Rates, database_id: str) -> Growth:
    """How the counters have grown since this server was last looked at."""
    counters = {name: value for name, path in COUNTERS.items() if (value := number(status, *path)) != UNKNOWN}
    host = shown.text(status.get("host"))
    # A process that was started anew counts from nothing, which its number alone needn't tell: containers reuse it.
    started = (
        round(status["localTime"].timestamp() - number(status, "uptime")) if "localTime" in status else 0
    )
    generation = f"{status.get('pid')}/{started // 60}"
    return rates.look((database_id, host), generation, counters)


def members(answer: Answer) -> list[Member]:
    """The members in an answer of `replSetGetStatus`."""
    found = list(answer.get("members", ()))[:MAX_MEMBERS]
    primary = next((each.get("optimeDate") for each in found if each.get("stateStr") == PRIMARY), None)
    return [
        Member(
            name=shown.text(each.get("name")),
            state=shown.text(each.get("stateStr")),
            healthy=number(each, "health") == 1,
            uptime_s=number(each, "uptime"),
            lag_s=_lag(primary, each),
            ping_ms=number(each, "pingMs"),
            sync_source=shown.text(each.get("syncSourceHost")),
            message=shown.text(each.get("infoMessage") or each.get("lastHeartbeatMessage")),
            asked=each.get("self") is True,
        )
        for each in found
    ]


def shards(answer: Answer) -> list[Shard]:
    """The shards in an answer of `listShards`."""
    return [
        Shard(
            name=shown.text(each.get("_id")),
            host=shown.text(each.get("host")),
            active=number(each, "state") == 1,
            draining=each.get("draining") is True,
        )
        for each in list(answer.get("shards", ()))[:MAX_SHARDS]
    ]


def _lag(primary: object, member: Answer) -> float:
    own = member.get("optimeDate")
    if member.get("stateStr") == ARBITER or not isinstance(primary, dt.datetime):
        return UNKNOWN
    # A member that is down reports the beginning of time.
    if not isinstance(own, dt.datetime) or number(member, "health") != 1:
        return UNKNOWN
    return max(0.0, (primary - own).total_seconds())
