"""The sample documents: what there is of them, and that they are written once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128
from pymongo import MongoClient
from pymongo.database import Database

from deploy.local.sample_data import MARKER
from deploy.local.sample_documents import BEYOND_JAVASCRIPT, url_of_the_database, write_once
from tests.support.mongodb import MongoServer

Shop = Database[dict[str, Any]]


@pytest.fixture
def shop(mongodb_server: MongoServer) -> Iterator[Shop]:
    """The database of the samples, empty and dropped afterwards."""
    with MongoClient[dict[str, Any]](url_of_the_database(mongodb_server.url)) as client:
        database = client.get_default_database()
        yield database
        client.drop_database(database)


def test_there_are_documents_of_every_type_and_collections_and_indexes_of_every_kind(
    shop: Shop, mongodb_server: MongoServer, tmp_path: Path
) -> None:
    written = write_once(mongodb_server.url, tmp_path)
    collections = {each["name"]: each for each in shop.list_collections()}
    assert collections["open_orders"]["type"] == "view"
    assert "timeseries" in collections["sensor_readings"]["options"]
    stored = [name for name in collections if name != "open_orders" and not name.startswith("system.")]
    assert sum(shop[name].count_documents({}) for name in stored) == written

    assert shop.orders.count_documents({}) == 5000
    assert shop.orders.count_documents({"tracking": {"$gt": BEYOND_JAVASCRIPT}}) == 5000
    order = shop.orders.find_one()
    assert order is not None
    assert isinstance(order["items"][0]["price"], Decimal128)
    assert 0 < shop.open_orders.count_documents({}) < 5000
    # Types that no document holds are those that drivers no longer write.
    types = shop.types.aggregate([{"$group": {"_id": {"$type": "$value"}}}])
    assert {each["_id"] for each in types} >= {
        "double", "string", "object", "array", "binData", "objectId", "bool", "date", "null", "regex",
        "javascript", "int", "timestamp", "long", "decimal", "minKey", "maxKey",
    }  # fmt: skip
    assert len(shop.types.distinct("type", {"_id": {"$type": ["long", "date", "object", "decimal"]}})) >= 6

    customers, carts = shop.customers.index_information(), shop.carts.index_information()
    assert customers["email_1"]["unique"]
    assert customers["home_2dsphere"]["key"] == [("home", "2dsphere")]
    assert carts["expires_at_1"]["expireAfterSeconds"] == 0
    assert "partialFilterExpression" in shop.products.index_information()["scarce"]


def test_what_the_user_changed_is_not_written_again_unless_writing_was_interrupted(
    shop: Shop, mongodb_server: MongoServer, tmp_path: Path
) -> None:
    written = write_once(mongodb_server.url, tmp_path)
    shop.drop_collection("orders")
    assert write_once(mongodb_server.url, tmp_path) == 0
    assert shop.orders.count_documents({}) == 0
    (tmp_path / MARKER).unlink()
    assert write_once(mongodb_server.url, tmp_path) == written
    assert shop.orders.count_documents({}) == 5000
