"""Builds indexes, says how far they are, and aborts a build whose caller has gone.

https://www.mongodb.com/docs/manual/core/index-creation/,
https://www.mongodb.com/docs/manual/reference/command/dropIndexes/#stop-in-progress-index-builds
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from bson.json_util import RELAXED_JSON_OPTIONS, dumps
from pymongo.errors import OperationFailure, PyMongoError

from services.mongo_svc import errors, namespaces
from services.mongo_svc.catalog.bounds import SHORTEST_S, Bounds
from services.mongo_svc.catalog.guard import check_changeable
from services.mongo_svc.catalog.work import running
from services.mongo_svc.client import PLAIN, Document, MongoClient
from services.mongo_svc.codes import INDEX_NOT_FOUND
from services.mongo_svc.error_table import DUPLICATES
from services.mongo_svc.indexes import changes, listing, progress
from services.mongo_svc.indexes.progress import BuildProgress
from services.mongo_svc.namespaces import VIEW
from services.runtime import context as call
from services.runtime.databases import Check
from services.runtime.errors import StudioError, invalid_argument
from services.runtime.logs import get_logger
from studio.options.v1 import errors_pb2 as e

MAX_SHOWN = 300
"""Characters of a value that an error repeats."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BuildEvent:
    """How far a build is."""

    names: Sequence[str]
    existing: Sequence[str]
    progress: BuildProgress
    elapsed_ms: float
    done: bool


@dataclass(frozen=True, slots=True)
class Build:
    """What to build.

    Each specification is in the server's terms, with its `name`:
    https://www.mongodb.com/docs/manual/reference/command/createIndexes/#index-options
    """

    client: MongoClient
    database: str
    collection: str
    specifications: Sequence[Mapping[str, Any]]

    @property
    def names(self) -> list[str]:
        """The names of the indexes."""
        return [str(each["name"]) for each in self.specifications]


def default_name(key: Mapping[str, object]) -> str:
    """The name that drivers give an index without one: `city_1_place_2dsphere`.

    https://github.com/mongodb/specifications/blob/master/source/index-management/index-management.md
    """
    return "_".join(f"{field}_{_direction(value)}" for field, value in key.items())


def _direction(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


async def build(work: Build, bounds: Bounds, check: Check) -> AsyncGenerator[BuildEvent, None]:
    """Builds the indexes; closing the generator aborts that.

    Args:
        work: what to build.
        bounds: how often to report, how long to go on.
        check: raises when the work must end.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; NOT_SUPPORTED for a view; DUPLICATE_KEY; COMMAND_REFUSED, PERMISSION_DENIED;
            others as `MongoClient.command`.
    """
    name = work.client.collection_name(work.database, work.collection)
    check_changeable(work.database, name)
    _check_names(work.names)
    if await namespaces.existing(work.client, work.database, name) == VIEW:
        raise StudioError(
            e.ERROR_REASON_NOT_SUPPORTED,
            f"{name} is a view and has no indexes.",
            hint="Queries on a view use the indexes of the collection that it shows.",
        )
    before = {each.name for each in await listing.specifications(work.client, work.database, name)}
    existing = [each for each in work.names if each in before]
    missing = [each for each in work.names if each not in before]
    teller = _Teller(work, bounds)
    async with running(_create(work, bounds), every_s=bounds.report_s, check=check) as running_build:
        event = BuildEvent(work.names, existing, BuildProgress(), 0.0, done=False)
        try:
            async with contextlib.aclosing(running_build.beats()) as beats:
                async for _ in beats:
                    told = await teller.ask()
                    yield dataclasses.replace(event, progress=told, elapsed_ms=running_build.elapsed_ms)
            running_build.result()
        except BaseException:
            # Whoever reads the stream has gone, or the work must end. Where the build failed by itself, or was done
            # in this moment, nothing of it is left to abort.
            if not running_build.has_ended:
                await running_build.cancel()
                await _abort(work, missing, bounds)
            raise
        yield dataclasses.replace(event, elapsed_ms=running_build.elapsed_ms, done=True)


def _check_names(names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise invalid_argument(f"indexes[{place}].name", f"{name[:64]} is given twice")


async def _create(work: Build, bounds: Bounds) -> Document:
    command = {"createIndexes": work.collection, "indexes": list(work.specifications)}
    with errors.translated(), pymongo.timeout(max(SHORTEST_S, call.remaining_s(bounds.work_s))):
        try:
            return await work.client.database(work.database).command(command, codec_options=PLAIN)
        except OperationFailure as error:
            if error.code in DUPLICATES:
                raise _duplicates(error.details or {}) from None
            raise


class _Teller:
    """Asks the server how far it is, and not too often where it doesn't answer."""

    def __init__(self, work: Build, bounds: Bounds) -> None:
        self._work = work
        self._bounds = bounds
        self._ask_at = 0.0

    async def ask(self) -> BuildProgress:
        clock = asyncio.get_running_loop().time
        if clock() < self._ask_at:
            return BuildProgress()
        work = self._work
        told = await progress.of_builds(work.client, work.database, work.collection, self._bounds.ask_s)
        if told is None:
            self._ask_at = clock() + self._bounds.ask_again_s
            return BuildProgress()
        # The indexes of one command are built together, in one scan.
        return next((told[name] for name in work.names if name in told), BuildProgress())


async def _abort(work: Build, names: Sequence[str], bounds: Bounds) -> None:
    """Drops what was being built, which aborts the build.

    The server does so itself once it sees that the connection is closed, unless it is a compatible one that goes on.
    """
    if not names:
        return
    try:
        with pymongo.timeout(bounds.abort_s):
            await changes.drop_now(work.client, work.database, work.collection, names)
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:
            log.warning("index.abort_failed", indexes=len(names), code=error.code)
    except PyMongoError as error:
        log.warning("index.abort_failed", indexes=len(names), error=type(error).__name__)


def _duplicates(details: Mapping[str, Any]) -> StudioError:
    pattern: Mapping[str, Any] = details.get("keyPattern") or {}
    shown = dumps(details.get("keyValue", {}), json_options=RELAXED_JSON_OPTIONS)[:MAX_SHOWN]
    fields = ", ".join(pattern) or "the fields of the index"
    return StudioError(
        e.ERROR_REASON_DUPLICATE_KEY,
        f"The index can't be unique: several documents have the same {fields}, among them {shown}.",
        hint="`metadata.find_duplicates` is a pipeline that lists them.",
        metadata={
            "key_pattern": json.dumps(pattern, default=str)[:MAX_SHOWN],
            "key_value": shown,
            "find_duplicates": json.dumps(_pipeline(pattern)),
        },
    )


def _pipeline(fields: Iterable[str]) -> list[dict[str, Any]]:
    group = {f"key{place}": f"${name}" for place, name in enumerate(fields)}
    return [
        {"$group": {"_id": group, "count": {"$sum": 1}, "ids": {"$firstN": {"input": "$_id", "n": 10}}}},
        {"$match": {"count": {"$gt": 1}}},
        {"$sort": {"count": -1}},
        {"$limit": 100},
    ]
