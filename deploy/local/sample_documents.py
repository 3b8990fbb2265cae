"""Sample documents for the embedded MongoDB: the database `shop`, with the types and features that users look for.

Written once; what the user does with them afterwards stays. The same on every machine.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary, UuidRepresentation
from bson.code import Code
from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel, MongoClient
from pymongo.database import Database

from deploy.local.sample_data import CITIES, FIRST_NAMES, MARKER, TAGS

VERSION = "1"
DATABASE = "shop"
CUSTOMERS, PRODUCTS, ORDERS, CARTS, READINGS = 500, 200, 5000, 100, 1000
STATUSES = ("open", "paid", "shipped", "delivered", "returned")
FIRST_DAY = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
NEVER = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
BEYOND_JAVASCRIPT = Int64(2**53 + 1)

Document = dict[str, Any]
Dice = random.Random

INDEXES: Mapping[str, tuple[IndexModel, ...]] = {
    "customers": (
        IndexModel([("email", ASCENDING)], unique=True),
        IndexModel([("home", GEOSPHERE)]),
        IndexModel([("phone", ASCENDING)], sparse=True),
    ),
    "products": (
        IndexModel([("tags", ASCENDING)]),
        IndexModel([("stock", ASCENDING)], partialFilterExpression={"stock": {"$lt": 10}}, name="scarce"),
    ),
    "orders": (
        IndexModel([("customer_id", ASCENDING), ("placed_at", DESCENDING)]),
        IndexModel([("status", ASCENDING)]),
    ),
    "carts": (IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),),
}


def url_of_the_database(url: str) -> str:
    """The URL of a server, with the sample database as the one that is used where none is named."""
    return urlsplit(url)._replace(path=f"/{DATABASE}").geturl()


def write_once(url: str, folder: Path) -> int:
    """Writes the sample documents to the MongoDB at `url`, unless `folder` says that they were.

    Returns:
        How many documents were written: 0 when there was nothing to do.
    """
    marker = folder / MARKER
    if marker.exists():
        return 0
    # The standard's UUIDs, not those of an old driver.
    with MongoClient[Document](url, uuidRepresentation="standard") as client:
        client.drop_database(DATABASE)  # of a run that was interrupted here
        written = _write(client[DATABASE])
        # The marker must not outlive the documents: they have to be on the disk before it.
        client.admin.command("fsync")
    marker.write_text(VERSION)
    return written


def _write(database: Database[Document]) -> int:
    dice = random.Random(20_240_229)  # noqa: S311  sample data, not secrets
    collections: tuple[tuple[str, Callable[[Dice], Iterator[Document]]], ...] = (
        ("customers", _customers),
        ("products", _products),
        ("orders", _orders),
        ("carts", _carts),
        ("sensor_readings", _readings),
        ("types", _types),
    )
    database.create_collection(
        "sensor_readings", timeseries={"timeField": "at", "metaField": "sensor", "granularity": "minutes"}
    )
    written = 0
    for name, documents in collections:
        if name in INDEXES:
            database[name].create_indexes(list(INDEXES[name]))
        written += len(database[name].insert_many(documents(dice), ordered=False).inserted_ids)
    database.create_collection(
        "open_orders",
        viewOn="orders",
        pipeline=[{"$match": {"status": "open"}}, {"$project": {"items": 0}}],
    )
    return written


def _customers(dice: Dice) -> Iterator[Document]:
    for number in range(1, CUSTOMERS + 1):
        name = dice.choice(FIRST_NAMES)
        customer: Document = {
            "_id": _customer_id(number),
            "name": name,
            "email": f"user{number}@example.com",
            "address": {
                "city": dice.choice(CITIES),
                "street": f"Street {dice.randrange(1, 99)}",
                "floor": None,
            },
            "home": {
                "type": "Point",
                "coordinates": [round(dice.uniform(-180, 180), 5), round(dice.uniform(-80, 80), 5)],
            },
            "joined_at": _moment(dice),
            "newsletter": dice.random() < 0.5,  # noqa: PLR2004  half of them
            "visits": [
                {"at": _moment(dice), "pages": dice.randrange(1, 30)} for _ in range(dice.randrange(4))
            ],
        }
        # Documents of a collection differ.
        if number % 5 == 0:
            customer["phone"] = f"+351 {dice.randrange(10**8):08d}"
        yield customer


def _products(dice: Dice) -> Iterator[Document]:
    for number in range(1, PRODUCTS + 1):
        yield {
            "_id": _sku(number),
            "title": f"Product {number}",
            "price": _money(dice.randrange(100, 99_999)),
            "tags": sorted(dice.sample(TAGS, dice.randrange(1, len(TAGS)))),
            "stock": dice.randrange(200),
            "size_cm": {"width": round(dice.uniform(1, 90), 1), "height": round(dice.uniform(1, 90), 1)},
            "image": Binary(dice.randbytes(48)),
        }


def _orders(dice: Dice) -> Iterator[Document]:
    for number in range(1, ORDERS + 1):
        prices = [dice.randrange(100, 99_999) for _ in range(dice.randrange(1, 5))]
        placed_at = _moment(dice)
        yield {
            "_id": number,
            # A JavaScript number would round these.
            "tracking": Int64(BEYOND_JAVASCRIPT + 2 * number),
            "customer_id": _customer_id(dice.randrange(1, CUSTOMERS + 1)),
            "placed_at": placed_at,
            "status": dice.choice(STATUSES),
            "items": [
                {
                    "sku": _sku(dice.randrange(1, PRODUCTS + 1)),
                    "quantity": dice.randrange(1, 4),
                    "price": _money(cents),
                }
                for cents in prices
            ],
            "total": _money(sum(prices)),
            "history": [{"status": "open", "at": placed_at, "by": {"role": "customer"}}],
        }


def _carts(dice: Dice) -> Iterator[Document]:
    for _ in range(CARTS):
        yield {
            "_id": uuid.UUID(bytes=dice.randbytes(16), version=4),
            "skus": [_sku(dice.randrange(1, PRODUCTS + 1)) for _ in range(dice.randrange(1, 6))],
            "expires_at": NEVER,
        }


def _readings(dice: Dice) -> Iterator[Document]:
    for number in range(READINGS):
        yield {
            "_id": ObjectId(dice.randbytes(12)),
            "at": FIRST_DAY + dt.timedelta(minutes=number),
            "sensor": {"room": ("cellar", "kitchen", "attic")[number % 3], "kind": "temperature"},
            "celsius": round(dice.gauss(19, 2), 2),
        }


def _types(dice: Dice) -> Iterator[Document]:
    """A document for each type: as the value, and as `_id` where that is allowed."""
    uuid_ = Binary.from_uuid(uuid.UUID(bytes=dice.randbytes(16), version=4), UuidRepresentation.STANDARD)
    values: dict[str, object] = {
        "double": 0.1,
        "not a number": float("nan"),
        "infinity": float("-inf"),
        "negative zero": -0.0,
        "string": "Grüße, 世界 👋",
        "object": {"nested": {"deeply": [1, {"a": None}]}},
        "binary": Binary(b"\x00\xff\x80", 0),
        "uuid": uuid_,
        "object id": ObjectId("65920080c0ffee0000000001"),
        "boolean": True,
        "date": dt.datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=dt.UTC),
        "date before 1970": dt.datetime(1815, 12, 10, tzinfo=dt.UTC),
        # The embedded server refuses later ones.
        "last day of 9999": dt.datetime(9999, 12, 31, tzinfo=dt.UTC),
        "null": None,
        "int32": 2**31 - 1,
        "timestamp": Timestamp(1_700_000_000, 7),
        "int64": BEYOND_JAVASCRIPT,
        "smallest int64": Int64(-(2**63)),
        "decimal": Decimal128("12345678901234567890.12345678901234"),
        "min key": MinKey(),
        "max key": MaxKey(),
    }
    for name, value in values.items():
        yield {"_id": value, "type": name, "value": value}
    # Not allowed as an identifier.
    others: dict[str, object] = {
        "array": [1, "two", [3.0], {"four": Int64(4)}],
        "regular expression": Regex("^a.*z$", "im"),
        "JavaScript": Code("function () { return 1; }"),
        "JavaScript with scope": Code("function () { return x; }", {"x": 1}),
        "reference": DBRef("customers", _customer_id(1)),
        "names with a dot or a dollar": {"a.b": 1, "$price": 2, "": 3},
        "looks like Extended JSON": {"$oid": "not an identifier"},
    }
    for name, value in others.items():
        yield {"_id": name, "type": name, "value": value}


def _customer_id(number: int) -> ObjectId:
    return ObjectId(f"65920080{number:016x}")


def _sku(number: int) -> str:
    return f"SKU-{number:05d}"


def _money(cents: int) -> Decimal128:
    return Decimal128(f"{cents // 100}.{cents % 100:02d}")


def _moment(dice: Dice) -> dt.datetime:
    return FIRST_DAY + dt.timedelta(milliseconds=dice.randrange(365 * 86_400_000))
