"""Reading documents: they stay raw BSON."""

from __future__ import annotations

import pymongo
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, errors
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson.layout import Kind


async def by_id(client: MongoClient, database: str, collection: str, id_: ejson.Value) -> bytes | None:
    """The document of an `_id`, whatever type that has; None where there is none.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    # `$eq`, so that an `_id` that is a document is compared, not read as operators.
    operand = ejson.build([ejson.Element(id_.kind, b"$eq", id_.raw)])
    query = ejson.build([ejson.Element(Kind.DOCUMENT, b"_id", operand)])
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        found = await client.collection(database, collection).find_one(RawBSONDocument(query))
    return None if found is None else bytes(found.raw)
