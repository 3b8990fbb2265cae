"""A server's overview as a message: which figure stands where in `serverStatus`."""

from __future__ import annotations

from collections.abc import Mapping

from services.mongo_svc.server import shown
from services.mongo_svc.server.asking import UNKNOWN, number
from services.mongo_svc.server.overview import COUNTERS, Overview
from studio.mongodb.v1 import server_status_pb2 as status_pb

_MIB = 1024 * 1024
"""`mem` counts in these."""

_CACHE = ("wiredTiger", "cache")
_PLACES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "connections": {
        "current": ("connections", "current"),
        "available": ("connections", "available"),
        "active": ("connections", "active"),
        "total_created": ("connections", "totalCreated"),
    },
    "cache": {
        "used_bytes": (*_CACHE, "bytes currently in the cache"),
        "max_bytes": (*_CACHE, "maximum bytes configured"),
        "dirty_bytes": (*_CACHE, "tracked dirty bytes in the cache"),
    },
    "queues": {
        "readers": ("globalLock", "currentQueue", "readers"),
        "writers": ("globalLock", "currentQueue", "writers"),
        "active_readers": ("globalLock", "activeClients", "readers"),
        "active_writers": ("globalLock", "activeClients", "writers"),
    },
    "cursors": {
        "open": ("metrics", "cursor", "open", "total"),
        "pinned": ("metrics", "cursor", "open", "pinned"),
        "without_timeout": ("metrics", "cursor", "open", "noTimeout"),
        "timed_out": ("metrics", "cursor", "timedOut"),
    },
    "transactions": {
        "open": ("transactions", "currentOpen"),
        "committed": ("transactions", "totalCommitted"),
        "aborted": ("transactions", "totalAborted"),
    },
    "asserts": {
        "regular": ("asserts", "regular"),
        "warning": ("asserts", "warning"),
        "user": ("asserts", "user"),
        "message": ("asserts", "msg"),
    },
}


def status_of(found: Overview) -> status_pb.GetServerStatusResponse:
    """The message, without what is unavailable."""
    status, hello = found.status, found.hello
    response = status_pb.GetServerStatusResponse(
        version=found.version,
        process=shown.text(status.get("process")),
        host=shown.text(status.get("host") or hello.get("me")),
        uptime_s=number(status, "uptime"),
        topology=found.topology,
        set_name=shown.text(hello.get("setName")),
        replication_lag_s=found.lag_s,
    )
    engine = status.get("storageEngine")
    response.storage_engine = shown.text(engine.get("name")) if isinstance(engine, Mapping) else ""
    for section, fields in _PLACES.items():
        target = getattr(response, section)
        for field, path in fields.items():
            setattr(target, field, number(status, *path))
    for field, name in (("resident_bytes", "resident"), ("virtual_bytes", "virtual")):
        value = number(status, "mem", name)
        setattr(response.memory, field, UNKNOWN if value == UNKNOWN else value * _MIB)
    response.rates.interval_s = found.growth.interval_s
    for name in COUNTERS:
        setattr(response.rates, f"{name}_per_s", found.growth.of(name))
    for member in found.members:
        response.members.add(
            name=member.name,
            state=member.state,
            healthy=member.healthy,
            uptime_s=member.uptime_s,
            lag_s=member.lag_s,
            ping_ms=member.ping_ms,
            sync_source=member.sync_source,
            message=member.message,
            asked=member.asked,
        )
    for shard in found.shards:
        response.shards.add(name=shard.name, host=shard.host, active=shard.active, draining=shard.draining)
    return response
