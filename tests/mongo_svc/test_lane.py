"""The short way for small reads: it answers as the driver does, and fails as the driver does."""

from __future__ import annotations

from typing import Any

import bson
import pymongo
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.errors import ExecutionTimeout, OperationFailure

from services.mongo_svc import lane
from services.mongo_svc.client import MongoClient
from tests.mongo_svc.conftest import OpenClient
from tests.support.fault_proxy import FaultProxy
from tests.support.mongodb import MongoServer

Driver = AsyncMongoClient[dict[str, Any]]


def find(**options: object) -> dict[str, object]:
    return {"find": "things", "filter": RawBSONDocument(bson.encode({"_id": 1})), "limit": 1, **options}


async def test_it_answers_as_the_driver_does(
    client: MongoClient, mongodb: Driver, mongodb_database: str
) -> None:
    await mongodb[mongodb_database].things.insert_one({"_id": 1, "a": "ä"})
    assert lane.is_open(client.driver)
    answer = await lane.read(client.driver, mongodb_database, find())
    assert bson.decode(answer.raw)["cursor"]["firstBatch"] == [{"_id": 1, "a": "ä"}]


async def test_what_the_server_refuses_is_the_drivers_error(
    client: MongoClient, mongodb_database: str
) -> None:
    with pytest.raises(OperationFailure) as refused:
        await lane.read(client.driver, mongodb_database, find(sort=RawBSONDocument(bson.encode({"a": 7}))))
    assert refused.value.code == 15975


async def test_the_deadline_reaches_the_server_before_anything_is_sent(
    client: MongoClient, mongodb_database: str
) -> None:
    await lane.read(client.driver, mongodb_database, find())
    with pytest.raises(ExecutionTimeout), pymongo.timeout(1e-9):
        await lane.read(client.driver, mongodb_database, find())


async def test_a_connection_that_was_cut_is_replaced_without_a_word(
    mongodb_server: MongoServer, open_client: OpenClient, mongodb_database: str
) -> None:
    async with FaultProxy(mongodb_server.host, mongodb_server.port) as proxy:
        url = mongodb_server.url.replace(f":{mongodb_server.port}/", f":{proxy.port}/")
        client = open_client(url)
        await lane.read(client.driver, mongodb_database, find())
        proxy.cut()
        answer = await lane.read(client.driver, mongodb_database, find())
    assert bson.decode(answer.raw)["cursor"]["firstBatch"] == []


@pytest.mark.parametrize("option", ["readPreference=secondaryPreferred", "readConcernLevel=majority"])
async def test_it_is_closed_where_more_must_be_said(
    mongodb_url: str, open_client: OpenClient, option: str
) -> None:
    assert not lane.is_open(open_client(f"{mongodb_url}&{option}").driver)
