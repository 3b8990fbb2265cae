"""Hides, changes and drops indexes.

https://www.mongodb.com/docs/manual/reference/command/collMod/#change-index-properties,
https://www.mongodb.com/docs/manual/reference/command/dropIndexes/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from services.mongo_svc import errors
from services.mongo_svc.catalog.changes import not_done
from services.mongo_svc.catalog.guard import check_changeable
from services.mongo_svc.client import PLAIN, MongoClient
from services.mongo_svc.codes import TYPE_MISMATCH
from services.mongo_svc.indexes import listing
from services.mongo_svc.indexes.listing import Index
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

ID_INDEX = "_id_"


async def modify(
    client: MongoClient,
    database: str,
    collection: str,
    name: str,
    change: Mapping[str, Any],
    *,
    dry_run: bool,
) -> Index:
    """Changes an index.

    Args:
        client: the server.
        database: name of the database.
        collection: name of the collection.
        name: the index.
        change: what to change, in the server's terms: `hidden`, `expireAfterSeconds`, `prepareUnique`, `unique`.
        dry_run: only look whether it could be made unique.

    Returns:
        The index as it is now.

    Raises:
        StudioError: INVALID_ARGUMENT; NAMESPACE_NOT_FOUND for no such index; others as `MongoClient.command`.
    """
    check_changeable(database, client.collection_name(database, collection))
    _check_name(name)
    if not change:
        raise invalid_argument("hidden", "must be given, or another change")
    if dry_run and "unique" not in change:
        raise invalid_argument("dry_run", "is for `unique` alone")
    await _existing(client, database, collection, [name])
    options = {"dryRun": True} if dry_run else {}
    await client.command(database, {"collMod": collection, "index": {"name": name, **change}, **options})
    (after,) = await _existing(client, database, collection, [name])
    if change.get("hidden", after.hidden) != after.hidden:
        raise not_done("whether an index is hidden")
    return after


async def drop(client: MongoClient, database: str, collection: str, names: Sequence[str]) -> None:
    """Drops indexes, or aborts their builds: all of them, or none where one does not exist.

    Raises:
        StudioError: as `modify`.
    """
    check_changeable(database, client.collection_name(database, collection))
    for name in names:
        _check_name(name)
    wanted = list(dict.fromkeys(names))
    await _existing(client, database, collection, wanted)
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        await drop_now(client, database, collection, wanted)


async def drop_now(client: MongoClient, database: str, collection: str, names: Sequence[str]) -> None:
    """The bare command, in one where the server takes several names.

    Raises:
        PyMongoError: as the server says.
    """
    target = client.database(database)
    index: str | list[str] = names[0] if len(names) == 1 else list(names)
    try:
        await target.command({"dropIndexes": collection, "index": index}, codec_options=PLAIN)
    except OperationFailure as error:
        # Some compatible servers take one name only.
        if error.code != TYPE_MISMATCH or len(names) == 1:
            raise
        for name in names:
            await target.command({"dropIndexes": collection, "index": name}, codec_options=PLAIN)


async def _existing(client: MongoClient, database: str, collection: str, names: Sequence[str]) -> list[Index]:
    known = {each.name: each for each in await listing.specifications(client, database, collection)}
    for name in names:
        if name not in known:
            raise StudioError(
                e.ERROR_REASON_NAMESPACE_NOT_FOUND,
                f"{collection} has no index {name[:64]!r}.",
                metadata={"index": name[:64]},
            )
    return [known[name] for name in names]


def _check_name(name: str) -> None:
    if name == ID_INDEX:
        raise invalid_argument("name", f"can't be {ID_INDEX}: every collection keeps the index of `_id`")
    if name == "*":
        raise invalid_argument("name", "must be the name of an index: name those that shall go")
