"""Builds of indexes: what is told while they run, and what becomes of them when nobody listens any more."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from services.mongo_svc.catalog.bounds import BOUNDS
from services.mongo_svc.client import MongoClient
from services.mongo_svc.indexes import building, progress
from services.mongo_svc.indexes.building import Build
from services.mongo_svc.indexes.progress import BuildProgress
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_NOT_FOUND

Engine = AsyncMongoClient[dict[str, Any]]

OFTEN = dataclasses.replace(BOUNDS, report_s=0.01, ask_s=0.05, ask_again_s=0.05)
DOCUMENTS = 6_000


async def wanted() -> None:
    """The check of work that goes on."""


@pytest.fixture
async def work(client: MongoClient, mongodb: Engine, mongodb_database: str) -> Build:
    """A build of two indexes, of which one is there already, that takes much longer than the time between events."""
    await mongodb[mongodb_database].a.insert_many([{"x": n, "y": str(n)} for n in range(DOCUMENTS)])
    await mongodb[mongodb_database].a.create_index("x", name="there")
    specifications = [{"key": {"x": 1}, "name": "there"}, {"key": {"y": 1, "x": 1}, "name": "new"}]
    return Build(client, mongodb_database, "a", specifications)


async def indexes(mongodb: Engine, database: str) -> set[str]:
    return set(await mongodb[database].a.index_information())


async def test_a_build_is_reported_on_until_it_is_done(
    work: Build, mongodb: Engine, mongodb_database: str
) -> None:
    async with contextlib.aclosing(building.build(work, OFTEN, wanted)) as events:
        found = [event async for event in events]
    assert len(found) >= 2
    assert [each.done for each in found] == [False] * (len(found) - 1) + [True]
    assert [each.elapsed_ms for each in found] == sorted(each.elapsed_ms for each in found)
    assert (found[0].names, found[0].existing) == (["there", "new"], ["there"])
    assert await indexes(mongodb, mongodb_database) == {"_id_", "there", "new"}


async def test_a_build_is_aborted_when_its_caller_goes_and_other_indexes_stay(
    work: Build, mongodb: Engine, mongodb_database: str
) -> None:
    events = building.build(work, OFTEN, wanted)
    assert not (await anext(events)).done
    await events.aclose()
    assert await indexes(mongodb, mongodb_database) == {"_id_", "there"}


async def test_a_build_is_aborted_when_its_call_is_cancelled(
    work: Build, mongodb: Engine, mongodb_database: str
) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with contextlib.aclosing(building.build(work, OFTEN, wanted)) as events:
            async for _ in events:
                begun.set()

    reader = asyncio.create_task(read())
    await begun.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await indexes(mongodb, mongodb_database) == {"_id_", "there"}


async def test_a_build_is_aborted_when_its_database_is_gone(
    work: Build, mongodb: Engine, mongodb_database: str
) -> None:
    async def gone() -> None:
        raise StudioError(ERROR_REASON_DB_NOT_FOUND, "There is no such database.")

    events = building.build(work, OFTEN, gone)
    with pytest.raises(StudioError, match="no such database"):
        await anext(events)
    assert await indexes(mongodb, mongodb_database) == {"_id_", "there"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ({"city": 1, "place": "2dsphere"}, "city_1_place_2dsphere"),
        ({"a.b": -1.0, "$**": 1}, "a.b_-1_$**_1"),
        ({"x": 0.5}, "x_0.5"),
    ],
)
def test_an_index_without_a_name_gets_that_of_the_drivers(key: dict[str, object], name: str) -> None:
    assert building.default_name(key) == name


def operation(*names: str, done: int | None = None, total: int = 100, msg: str = "") -> dict[str, Any]:
    """As https://www.mongodb.com/docs/manual/reference/operator/aggregation/currentOp/ shows them."""
    found: dict[str, Any] = {"command": {"createIndexes": "a", "indexes": [{"name": each} for each in names]}}
    if done is not None:
        text = f"{msg}: {done}/{total} {done * 100 // total}%"
        found |= {"msg": f"{msg} {text}", "progress": {"done": done, "total": total}}
    return found


SCAN = "Index Build: scanning collection"


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([], {}),
        ([operation("a")], {"a": BuildProgress()}),
        ([operation("a", "b", done=5, msg=SCAN)], dict.fromkeys("ab", BuildProgress(SCAN, 5, 100))),
        # The command that waits says nothing; the thread that builds does.
        ([operation("a"), operation("a", done=7, msg=SCAN)], {"a": BuildProgress(SCAN, 7, 100)}),
        ([operation("a", done=7, msg=SCAN), operation("a")], {"a": BuildProgress(SCAN, 7, 100)}),
        # One on each shard.
        (
            [operation("a", done=7, msg=SCAN), operation("a", done=3, total=50, msg=SCAN)],
            {"a": BuildProgress(SCAN, 10, 150)},
        ),
    ],
)
def test_how_far_a_build_is_comes_from_the_list_of_operations(
    operations: list[dict[str, Any]], expected: dict[str, BuildProgress]
) -> None:
    assert progress.of_operations(operations) == expected
