"""Makes, changes, renames and drops collections and databases.

https://www.mongodb.com/docs/manual/reference/command/nav-administration/. Options are the server's own, by its names.
Some servers answer with success where there was nothing to drop or where the collection was there before, so it is
looked first; between the look and the command another client may be faster, and then the server decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson

from services.mongo_svc import namespaces
from services.mongo_svc.catalog.guard import check_changeable, check_droppable
from services.mongo_svc.client import MongoClient
from services.mongo_svc.namespaces import VIEW, CollectionInfo
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

_OF_VIEWS = frozenset({"viewOn", "pipeline"})


async def create(
    client: MongoClient, database: str, collection: str, options: Mapping[str, Any]
) -> CollectionInfo:
    """Makes a collection or view.

    Raises:
        StudioError: ALREADY_EXISTS; COMMAND_REFUSED, PERMISSION_DENIED; others as `MongoClient.command`.
    """
    name = client.collection_name(database, collection)
    check_changeable(database, name)
    if await namespaces.kind_of(client, database, name) is not None:
        raise _exists(f"There is a collection {database}.{name} already.")
    await client.command(database, {"create": name, **options})
    return await namespaces.collection(client, database, name)


async def modify(
    client: MongoClient, database: str, collection: str, options: Mapping[str, Any]
) -> CollectionInfo:
    """Changes a collection or view.

    Raises:
        StudioError: INVALID_ARGUMENT where the change is not one for it; NAMESPACE_NOT_FOUND; others as `create`.
    """
    name = client.collection_name(database, collection)
    check_changeable(database, name)
    if not options:
        raise invalid_argument("body", "must say what to change")
    before = await namespaces.collection(client, database, name)
    wrong = sorted(set(options) - _OF_VIEWS if before.type == VIEW else set(options) & _OF_VIEWS)
    if wrong:
        what = "a view" if before.type == VIEW else "no view"
        raise invalid_argument(wrong[0], f"can't be changed: {name} is {what}")
    change = whole_view(before, options)
    await client.command(database, {"collMod": name, **change})
    after = await namespaces.collection(client, database, name)
    if before.type == VIEW and after == before and not _is_already(before, change):
        raise not_done("a view")
    return after


def not_done(what: str) -> StudioError:
    """The error for a change that a server takes with success, and ignores, as some compatible ones do."""
    return StudioError(e.ERROR_REASON_NOT_SUPPORTED, f"The server does not change {what}, though it says so.")


def _is_already(before: CollectionInfo, change: Mapping[str, Any]) -> bool:
    known = before.decoded_options()
    return bson.encode(change) == bson.encode({name: known.get(name) for name in change})


def whole_view(before: CollectionInfo, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The change of a collection as the server wants it: of a view always both halves, whichever changes."""
    if before.type != VIEW or set(options) == _OF_VIEWS:
        return options
    known = before.decoded_options()
    return {name: options.get(name, known.get(name)) for name in sorted(_OF_VIEWS, reverse=True)}


async def rename(
    client: MongoClient, database: str, collection: str, new_name: str, *, drop_target: bool
) -> CollectionInfo:
    """Renames a collection within its database.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; ALREADY_EXISTS; others as `create`.
    """
    target = (database, new_name)
    command = await renaming(client, (database, collection), target, drop_target=drop_target)
    await client.command("admin", command)
    return await namespaces.collection(client, *target)


async def renaming(
    client: MongoClient, source: tuple[str, str], target: tuple[str, str], *, drop_target: bool
) -> dict[str, Any]:
    """The command that renames or moves a collection, for the database `admin`.

    Args:
        client: the server.
        source: database and collection, as they are.
        target: as they shall be.
        drop_target: whether a collection of that name goes.

    Raises:
        StudioError: as `rename`.
    """
    for database, collection in (source, target):
        check_changeable(database, client.collection_name(database, collection))
    if source == target:
        raise invalid_argument("new_name", "must be another than now")
    await namespaces.existing(client, *source)
    if not drop_target and await namespaces.kind_of(client, *target) is not None:
        raise _exists(f"There is a collection {'.'.join(target)} already.", "Set `drop_target` to drop it.")
    return {"renameCollection": ".".join(source), "to": ".".join(target), "dropTarget": drop_target}


async def drop(client: MongoClient, database: str, collection: str) -> None:
    """Drops a collection or view.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; others as `create`.
    """
    name = client.collection_name(database, collection)
    check_changeable(database, name)
    await namespaces.existing(client, database, name)
    await client.command(database, {"drop": name})


async def create_database(
    client: MongoClient, database: str, collection: str, options: Mapping[str, Any]
) -> CollectionInfo:
    """Makes a database by its first collection.

    Raises:
        StudioError: ALREADY_EXISTS; others as `create`.
    """
    if await namespaces.database_exists(client, database):
        raise _exists(
            f"There is a database {database} already.", "`POST …/collections` makes a collection in it."
        )
    return await create(client, database, collection, options)


async def drop_database(client: MongoClient, database: str, confirm: str) -> None:
    """Drops a database.

    Raises:
        StudioError: COMMAND_REFUSED, CONFIRMATION_REQUIRED; NAMESPACE_NOT_FOUND; others as `MongoClient.command`.
    """
    name = client.database_name(database)
    check_droppable(name, confirm)
    if not await namespaces.database_exists(client, name):
        raise namespaces.not_found(name)
    await client.command(name, {"dropDatabase": 1})


def _exists(message: str, hint: str = "") -> StudioError:
    return StudioError(e.ERROR_REASON_ALREADY_EXISTS, message, hint=hint)
