"""Every type of BSON survives being read, changed and written over REST."""

from __future__ import annotations

from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from services.mongo_svc import ejson
from services.mongo_svc.ejson.layout import Kind
from tests.mongo_svc.corpus import CORPUS, IDS, document, int32
from tests.support.mongo_api import MongoApi

RAW = CodecOptions(document_class=RawBSONDocument)
JSON = {"content-type": "application/json"}

Collection = AsyncCollection[RawBSONDocument]
Engine = AsyncMongoClient[dict[str, Any]]

NOT_KEPT_BY_THE_ENGINE = {
    "text that is not UTF-8": "is refused",
    "repeated names": "only the last one stays",
    "repeated names of the outermost level": "only the last one stays",
    "undefined": "becomes null",
    "date after 9999": "is refused",
    "first date": "is refused",
    "DBPointer": "becomes a DBRef, a document",
    "symbol": "becomes a text",
    "_id: text that is not UTF-8": "is refused",
    "_id: DBRef": "is refused",
    "_id: date after 9999": "is refused",
    "_id: first date": "is refused",
    "_id: DBPointer": "is refused",
    "_id: symbol": "becomes a text",
}
"""What the embedded engine itself does not store as it is sent, and what it does; MongoDB keeps it."""


@pytest.fixture
def collection(mongo_engine: Engine, mongo_database: str) -> Collection:
    return mongo_engine[mongo_database].corpus.with_options(codec_options=RAW)


async def insert(collection: Collection, name: str, raw: bytes) -> bool:
    """Inserts by the driver, past our own code. Whether the engine keeps it."""
    await collection.delete_many({})
    try:
        await collection.insert_one(RawBSONDocument(raw))
    except PyMongoError:
        kept = False
    else:
        kept = await stored(collection) == raw
    assert kept == (name not in NOT_KEPT_BY_THE_ENGINE), name
    return kept


async def stored(collection: Collection) -> bytes:
    found = await collection.find_one()
    assert found is not None
    return bytes(found.raw)


async def read(api: MongoApi, database: str, id_: str, mode: str) -> str:
    """A document's own text."""
    answer = await api.http.get(
        f"{api.base}/documents/get",
        params={"databaseName": database, "collection": "corpus", "id": id_, "ejson": mode},
    )
    assert answer.status_code == 200, answer.text
    return answer.text.removeprefix('{"document":').removesuffix("}")


async def replace(api: MongoApi, database: str, fields: str) -> None:
    """Puts text as it is: a JSON library would lose repeated names."""
    body = f'{{"databaseName":"{database}","collection":"corpus",{fields}}}'
    answer = await api.http.put(f"{api.base}/documents", content=body.encode(), headers=JSON)
    assert answer.status_code == 200, answer.text


async def test_read_canonically_and_put_back(
    mongo_api: MongoApi, mongo_database: str, collection: Collection
) -> None:
    for name, raw in CORPUS.items():
        if await insert(collection, name, raw):
            text = await read(mongo_api, mongo_database, "1", "canonical")
            assert ejson.loads(text.encode()) == raw, name
            await collection.replace_one({}, RawBSONDocument(document((Kind.INT32, b"other", int32(1)))))
            await replace(mongo_api, mongo_database, f'"document":{text}')
            assert await stored(collection) == raw, name


async def test_read_as_it_comes_and_edited_beside(
    mongo_api: MongoApi, mongo_database: str, collection: Collection
) -> None:
    """Relaxed text doesn't tell all types apart; what isn't edited keeps its own all the same."""
    for name, raw in CORPUS.items():
        if await insert(collection, name, raw):
            text = await read(mongo_api, mongo_database, "1", "relaxed")
            edited = text.removesuffix("}") + ',"new":1}'
            await replace(mongo_api, mongo_database, f'"document":{edited},"expected":{text}')
            expected = document(*ejson.elements(raw), (Kind.INT32, b"new", int32(1)))
            assert await stored(collection) == expected, name


async def test_any_type_of_id(mongo_api: MongoApi, mongo_database: str, collection: Collection) -> None:
    for name, (kind, value) in IDS.items():
        if await insert(collection, f"_id: {name}", document((kind, b"_id", value))):
            id_ = ejson.dumps_value(ejson.Value(kind, value), ejson.Mode.CANONICAL).decode()
            text = await read(mongo_api, mongo_database, id_, "canonical")
            assert ejson.loads(text.encode()) == await stored(collection), name
            await replace(mongo_api, mongo_database, f'"id":{id_},"document":{{"a":1}}')
            expected = document((kind, b"_id", value), (Kind.INT32, b"a", int32(1)))
            assert await stored(collection) == expected, name
            query: dict[str, Any] = {"databaseName": mongo_database, "collection": "corpus", "id": id_}
            assert (await mongo_api.send("DELETE", "documents", query=query)).status_code == 200, name
            assert await collection.count_documents({}) == 0, name
