"""Asks a server about itself: by stages such as `$collStats`, and by commands that list what it has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from typing import Any

from services.mongo_svc.client import PLAIN, RAW, Document, MongoClient, Raw

MAX_ANSWERS = 10_000
"""Documents of one answer: what shards and nodes tell of all indexes of a collection is less."""


async def ask(
    client: MongoClient, database: str, source: str | int, *stages: Mapping[str, Any]
) -> list[Document]:
    """What the stages answer, as values of Python; within `pymongo.timeout` of the caller.

    Args:
        client: the server.
        database: name of the database.
        source: name of the collection, or 1 for the database.
        stages: the pipeline.

    Raises:
        PyMongoError: as the server says.
    """
    command = {"aggregate": source, "pipeline": list(stages), "cursor": {"batchSize": MAX_ANSWERS}}
    answer = await client.database(database).command(command, codec_options=PLAIN)
    found: Sequence[Document] = answer["cursor"]["firstBatch"]
    return list(found)


async def listed(client: MongoClient, database: str, command: MutableMapping[str, Any]) -> AsyncIterator[Raw]:
    """What a command that answers with a cursor lists, each as it is; within `pymongo.timeout` of the caller.

    PyMongo's own methods for `listCollections` and `listIndexes` give values of Python, which have lost repeated names.

    Raises:
        PyMongoError: as the server says.
    """
    cursor = await client.database(database).cursor_command(command, codec_options=RAW)
    async with cursor:
        async for each in cursor:
            yield each
