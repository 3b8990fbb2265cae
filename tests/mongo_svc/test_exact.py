"""Changes that others cross, and servers without transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bson
import pytest
from bson import Int64
from pymongo import AsyncMongoClient

from services.mongo_svc import errors, terms
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Mode
from services.mongo_svc.writes import changing, exact, preview, transactions
from services.mongo_svc.writes.changing import Changed, Update
from services.mongo_svc.writes.where import Where
from services.runtime.errors import StudioError

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession

Engine = AsyncMongoClient[dict[str, Any]]

READ = bson.encode({"_id": 1, "n": 5})
NEW = bson.encode({"_id": 1, "new": True})


@pytest.fixture
def where(mongodb_database: str) -> Where:
    return Where(mongodb_database, "c", terms.id_is(terms.int32(1)))


@pytest.fixture
def no_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server answers that is no replica set; the embedded one always is."""

    def begin(client: MongoClient) -> None:
        del client
        raise transactions.UnavailableError

    monkeypatch.setattr(transactions, "begin", begin)


class Replacing:
    """Replaces the document; the first time, someone else was quicker by the time it is about to."""

    def __init__(self, client: MongoClient, mongodb: Engine, other: dict[str, Any] | None) -> None:
        self._client = client
        self._mongodb = mongodb
        self._other = other

    async def __call__(self, where: Where, current: bytes, session: AsyncClientSession | None) -> Changed:
        assert current == READ
        if self._other is not None:
            await self._mongodb[where.database].c.replace_one({"_id": 1}, self._other)
        return await changing.replace(self._client, where, NEW, session=session)


async def change(client: MongoClient, where: Where, act: exact.Act) -> Changed:
    with errors.translated():
        return await exact.when_unchanged(client, where, READ, Mode.CANONICAL, act)


async def test_who_comes_in_between_stays(
    client: MongoClient, mongodb: Engine, mongodb_database: str, where: Where
) -> None:
    collection = mongodb[mongodb_database].c
    await collection.insert_one({"_id": 1, "n": 5})
    for other in ({"n": 6}, {"n": 5.0}):
        await collection.replace_one({"_id": 1}, {"n": 5})
        with pytest.raises(StudioError) as refused:
            await change(client, where, Replacing(client, mongodb, other))
        assert refused.value.reason_name == "CONFLICT"
        assert str(await collection.find_one()) == str({"_id": 1, **other})


@pytest.mark.usefixtures("no_transactions")
async def test_without_transactions_too(
    client: MongoClient, mongodb: Engine, mongodb_database: str, where: Where
) -> None:
    collection = mongodb[mongodb_database].c
    await collection.insert_one({"_id": 1, "n": 5})
    with pytest.raises(StudioError) as refused:
        await change(client, where, Replacing(client, mongodb, {"n": 6}))
    assert refused.value.reason_name == "CONFLICT"
    assert refused.value.metadata["current"] == '{"_id":{"$numberInt":"1"},"n":{"$numberInt":"6"}}'
    assert await collection.find_one() == {"_id": 1, "n": 6}
    await collection.replace_one({"_id": 1}, {"n": 5})
    assert (await change(client, where, Replacing(client, mongodb, None))).modified == 1
    assert await collection.find_one() == {"_id": 1, "new": True}


@pytest.mark.usefixtures("no_transactions")
async def test_a_dry_run_without_transactions_shows_what_is(
    client: MongoClient, mongodb: Engine, mongodb_database: str
) -> None:
    await mongodb[mongodb_database].c.insert_one({"_id": 1, "n": 5})
    update = Update(operators=bson.encode({"$set": {"n": 6}}), many=True)
    found = await preview.update(client, Where(mongodb_database, "c"), update)
    assert found.samples == [preview.Sample(READ, None)]
    assert found.without_after
    assert await mongodb[mongodb_database].c.find_one() == {"_id": 1, "n": 5}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"n": 5, "l": [1, {"k": 2}, 3]}, {"n": Int64(5), "l": [Int64(1), {"k": Int64(2)}, 3]}),
        ({"n": 6, "l": [{"k": 2}, 3, 1]}, {"n": 6, "l": [{"k": Int64(2)}, 3, Int64(1)]}),
        ({"l": [7, {"k": 2, "m": 1}]}, {"l": [7, {"k": Int64(2), "m": 1}]}),
        ({"n": "5", "l": []}, {"n": "5", "l": []}),
    ],
    ids=["unchanged", "moved", "changed beside", "of another type"],
)
def test_what_looks_as_before_keeps_its_type(sent: dict[str, Any], kept: dict[str, Any]) -> None:
    current = bson.encode({"n": Int64(5), "l": [Int64(1), {"k": Int64(2)}, 3]})
    assert exact.keeping_types(bson.encode(sent), current) == bson.encode(kept)
