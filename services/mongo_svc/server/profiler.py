"""What was slow: the profiler of a database and what it has recorded.

https://www.mongodb.com/docs/manual/reference/command/profile/,
https://www.mongodb.com/docs/manual/reference/database-profiler/
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bson
import pymongo
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, errors, policy
from services.mongo_svc.client import RAW, MongoClient
from services.mongo_svc.server import shown
from services.mongo_svc.server.asking import plain
from services.mongo_svc.server.bounds import MAX_OF_ONE_MOMENT
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

COLLECTION = "system.profile"
_DOCUMENT = 0x03
_LAST_MS = 2**53
"""Milliseconds since 1970 that a number of JSON can hold."""
_COMMANDS = (b"originatingCommand", b"command", b"query", b"updateobj")
"""Where a command stands, the most telling first."""

_ORDER = [("ts", -1), ("cpuNanos", -1), ("millis", -1), ("ns", 1), ("op", 1)]
"""Entries have no key, and many may have one time: the rest makes their order the same for each page. Only as many are
kept while sorting as are asked for."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a profiler records."""

    level: int
    slow_ms: int
    sample_rate: float
    filter: str
    """Extended JSON; empty for none."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to change; None for as it is."""

    level: int | None = None
    slow_ms: int | None = None
    sample_rate: float | None = None
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries."""

    database: str
    size: int
    collection: str = ""
    operation: str = ""
    min_ms: int = 0
    since_unix_ms: float = 0
    after: str = ""
    """Token of the page."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation that was recorded."""

    row: Mapping[str, Any]
    """As it was recorded, without the command and what belongs to one."""
    command: str
    truncated: bool

    @property
    def at_unix_ms(self) -> float:
        """When it ended."""
        return _milliseconds(self.row.get("ts"))


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first."""

    entries: Sequence[Entry]
    next: str
    """Token of the next page; empty on the last."""


async def read(client: MongoClient, database: str) -> Setting:
    """What is recorded.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await client.command(database, {"profile": -1})
    kept = answer.get("filter")
    return Setting(
        level=int(answer.get("was", 0)),
        slow_ms=int(answer.get("slowms", 0)),
        sample_rate=float(answer.get("sampleRate", 1.0)),
        filter=ejson.dumps(bson.encode(kept)).decode() if isinstance(kept, Mapping) else "",
    )


async def write(client: MongoClient, database: str, change: Change) -> Setting:
    """Changes what is recorded; returns what is then.

    Raises:
        StudioError: INVALID_ARGUMENT for a filter that is none; as `MongoClient.command`.
    """
    before = await read(client, database)
    command: dict[str, Any] = {"profile": before.level if change.level is None else change.level}
    if change.slow_ms is not None:
        command["slowms"] = change.slow_ms
    if change.sample_rate is not None:
        command["sampleRate"] = change.sample_rate
    if change.filter is not None:
        command["filter"] = _filter(change.filter)
    await client.command(database, command)
    return await read(client, database)


async def list_entries(client: MongoClient, query: Query) -> Page:
    """A page of what was recorded.

    Raises:
        StudioError: INVALID_CURSOR; as `MongoClient.command`.
    """
    name = client.database_name(query.database)
    wanted, skip = _wanted(query, name)
    collection = client.driver.get_database(name, codec_options=RAW).get_collection(COLLECTION)
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        cursor = collection.find(wanted, sort=_ORDER, skip=skip, limit=query.size + 1)
        rows = await cursor.to_list(query.size + 1)
    entries = [_entry(row) for row in rows]
    page = entries[: query.size]
    return Page(page, _token(page, query) if len(entries) > query.size else "")


def _filter(text: str) -> RawBSONDocument | str:
    if not text:
        return "unset"
    document = ejson.loads(text.encode(), what="filter")
    policy.check(document, "filter")
    return RawBSONDocument(document)


def _wanted(query: Query, database: str) -> tuple[dict[str, Any], int]:
    wanted: dict[str, Any] = {}
    if query.collection:
        wanted["ns"] = f"{database}.{query.collection}"
    if query.operation:
        wanted["op"] = query.operation
    if query.min_ms:
        wanted["millis"] = {"$gte": query.min_ms}
    times: dict[str, Any] = {}
    if query.since_unix_ms:
        times["$gte"] = _date(query.since_unix_ms)
    skip = 0
    if query.after:
        at_unix_ms, skip = _place(query.after)
        times["$lte"] = _date(at_unix_ms)
    if times:
        wanted["ts"] = times
    return wanted, skip


def _token(page: Sequence[Entry], query: Query) -> str:
    """Where a page ends: the time of its last entry, and how many entries of that time were shown."""
    at = page[-1].at_unix_ms
    same = sum(each.at_unix_ms == at for each in page)
    if query.after and same == len(page):
        before, skipped = _place(query.after)
        same += skipped if before == at else 0
    return base64.urlsafe_b64encode(json.dumps([int(at), same]).encode()).decode()


def _place(token: str) -> tuple[float, int]:
    try:
        at, skip = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        at = skip = None
    if (
        type(at) is not int
        or type(skip) is not int
        or not (0 <= at <= _LAST_MS and 0 < skip <= MAX_OF_ONE_MOMENT)
    ):
        raise StudioError(e.ERROR_REASON_INVALID_CURSOR, "The page token is none of this listing.")
    return at, skip


def _date(unix_ms: float) -> DatetimeMS:
    return DatetimeMS(int(unix_ms))


def _entry(row: RawBSONDocument) -> Entry:
    fields = list(ejson.elements(bytes(row.raw)))
    documents = {each.name: each.raw for each in fields if each.name in _COMMANDS and each.kind == _DOCUMENT}
    chosen = next((documents[name] for name in _COMMANDS if name in documents), None)
    text, truncated = shown.command(chosen) if chosen is not None else ("", False)
    rest = ejson.build(each for each in fields if each.name not in documents and each.name != b"execStats")
    return Entry(plain(rest), text, truncated)


def _milliseconds(value: object) -> float:
    return round(value.timestamp() * 1000) if isinstance(value, dt.datetime) else -1.0
