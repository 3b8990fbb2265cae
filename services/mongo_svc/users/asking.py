"""Commands about users and roles: their own errors, and the databases they are sent to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo.errors import OperationFailure

from services.mongo_svc import errors
from services.mongo_svc.client import RAW, Document, MongoClient, Raw
from services.mongo_svc.users.bounds import EXTERNAL
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

USER_NOT_FOUND, ROLE_NOT_FOUND = 11, 31
ROLE_EXISTS, USER_EXISTS = 51002, 51003
"""https://www.mongodb.com/docs/manual/reference/error-codes/"""


@dataclass(frozen=True, slots=True)
class Name:
    """A role or user and its database."""

    name: str
    database: str


def database_of(client: MongoClient, name: str) -> str:
    """The database that a request means, `$external` among them.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    return name if name == EXTERNAL else client.database_name(name)


async def command(client: MongoClient, database: str, command: MutableMapping[str, Any]) -> Raw:
    """Runs a command about users or roles.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND, ALREADY_EXISTS; others as `MongoClient.command`.
    """
    with translated(), pymongo.timeout(client.deadline_s()):
        return await client.driver.get_database(database).command(command, codec_options=RAW)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """As `errors.translated`, for what only users and roles have."""
    with errors.translated():
        try:
            yield
        except OperationFailure as error:
            reason = _REASONS.get(error.code or 0)
            if reason is None:
                raise
            raise StudioError(*reason) from None


_REASONS = {
    USER_NOT_FOUND: (e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such user in the database."),
    ROLE_NOT_FOUND: (e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such role in the database."),
    ROLE_EXISTS: (e.ERROR_REASON_ALREADY_EXISTS, "The database has a role of this name already."),
    USER_EXISTS: (e.ERROR_REASON_ALREADY_EXISTS, "The database has a user of this name already."),
}


def names(rows: object) -> list[Name]:
    """Roles, as answers of the server hold them."""
    return [
        Name(str(each.get("role", "")), str(each.get("db", "")))
        for each in (rows if isinstance(rows, Sequence) else ())
        if isinstance(each, Mapping)
    ]


def roles(given: Sequence[Name], database: str) -> list[Document]:
    """Roles, as commands take them.

    Args:
        given: those without a database are of the one that follows.
        database: of the user or role that is given them.
    """
    return [{"role": each.name, "db": each.database or database} for each in given]
