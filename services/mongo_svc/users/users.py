"""Users: listed, created, changed, dropped. Passwords go in and never come out.

https://www.mongodb.com/docs/manual/reference/command/nav-user-management/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument

from services.mongo_svc.client import Document, MongoClient
from services.mongo_svc.users import asking, own
from services.mongo_svc.users.asking import Name
from services.mongo_svc.users.bounds import EXTERNAL
from services.mongo_svc.users.paging import page
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

ROLES, CUSTOM_DATA, RESTRICTIONS = "roles", "custom_data", "authentication_restrictions"
"""What can be cleared, by the names of the contract."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """From where a user may log in."""

    client_source: Sequence[str] = ()
    server_address: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A user, without its credentials."""

    name: Name
    roles: Sequence[Name]
    custom_data: bytes | None
    """BSON; None for none."""
    restrictions: Sequence[Restriction]
    mechanisms: Sequence[str]
    ours: bool
    """The one that this connection logs in as."""


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """What a user is to be; what is empty stays as it is."""

    password: str = ""
    roles: Sequence[Name] = ()
    custom_data: bytes | None = None
    """BSON."""
    restrictions: Sequence[Restriction] = ()
    mechanisms: Sequence[str] = ()
    clear: Collection[str] = ()
    """What it has nothing of any more."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which users."""

    database: str
    size: int
    all_databases: bool = False
    user: str = ""
    search: str = ""
    after: str = ""


async def list_users(client: MongoClient, query: Query) -> tuple[list[User], str]:
    """A page of users, and the token of the next one.

    Raises:
        StudioError: INVALID_CURSOR; NAMESPACE_NOT_FOUND where one is asked for by its name; as `MongoClient.command`.
    """
    if query.user:
        return [await get(client, Name(query.user, asking.database_of(client, query.database)))], ""
    database = "admin" if query.all_databases else asking.database_of(client, query.database)
    rows = await _rows(client, database, {"forAllDBs": True} if query.all_databases else 1)
    found = [row for row in rows if query.search in str(row.get("user", ""))]
    shown, token = page(found, _name, size=query.size, after=query.after)
    ours = (await own.own(client)).users
    return [_user(row, ours) for row in shown], token


async def get(client: MongoClient, name: Name) -> User:
    """One user, with the restrictions that it has.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; as `MongoClient.command`.
    """
    who = {"user": name.name, "db": name.database}
    rows = await _rows(client, name.database, who, showAuthenticationRestrictions=True)
    if not rows:
        raise StudioError(e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such user in the database.")
    return _user(rows[0], (await own.own(client)).users)


async def create(client: MongoClient, name: Name, wanted: Wanted) -> User:
    """Creates a user; returns it as it is.

    Raises:
        StudioError: INVALID_ARGUMENT without a password; ALREADY_EXISTS; as `MongoClient.command`.
    """
    if name.database == EXTERNAL and wanted.password:
        raise invalid_argument("password", "a user of $external has none here")
    if name.database != EXTERNAL and not wanted.password:
        raise invalid_argument("password", "must be given")
    command: Document = {"createUser": name.name, ROLES: [], **_options(name, wanted)}
    await asking.command(client, name.database, command)
    return await get(client, name)


async def update(client: MongoClient, name: Name, wanted: Wanted, *, force: bool) -> User:
    """Changes a user; returns it as it is then.

    Raises:
        StudioError: COMMAND_REFUSED for the connection's own user; NAMESPACE_NOT_FOUND; as `MongoClient.command`.
    """
    options = _options(name, wanted)
    if not options:
        raise invalid_argument("user", "nothing to change is given")
    if set(options) != {"customData"}:
        await own.spare_user(client, name, force=force)
    await asking.command(client, name.database, {"updateUser": name.name, **options})
    return await get(client, name)


async def drop(client: MongoClient, name: Name, *, force: bool) -> None:
    """Drops a user.

    Raises:
        StudioError: COMMAND_REFUSED for the connection's own user; NAMESPACE_NOT_FOUND; as `MongoClient.command`.
    """
    await own.spare_user(client, name, force=force)
    await asking.command(client, name.database, {"dropUser": name.name})


async def change_roles(
    client: MongoClient, name: Name, *, grant: Sequence[Name], revoke: Sequence[Name], force: bool
) -> Sequence[Name]:
    """Gives a user roles, then takes some; returns those it has then.

    Raises:
        StudioError: COMMAND_REFUSED for the connection's own user; NAMESPACE_NOT_FOUND; as `MongoClient.command`.
    """
    if not grant and not revoke:
        raise invalid_argument("grant", "no role to give or take is given")
    if revoke:
        await own.spare_user(client, name, force=force)
    for command, given in (("grantRolesToUser", grant), ("revokeRolesFromUser", revoke)):
        if given:
            roles = asking.roles(given, name.database)
            await asking.command(client, name.database, {command: name.name, ROLES: roles})
    return (await get(client, name)).roles


def _options(name: Name, wanted: Wanted) -> Document:
    options: Document = {}
    if wanted.password:
        options["pwd"] = wanted.password
    if wanted.roles or ROLES in wanted.clear:
        _not_both("roles", wanted.roles, wanted.clear)
        options["roles"] = asking.roles(wanted.roles, name.database)
    if wanted.custom_data is not None or CUSTOM_DATA in wanted.clear:
        _not_both("custom_data", wanted.custom_data, wanted.clear)
        options["customData"] = {} if wanted.custom_data is None else RawBSONDocument(wanted.custom_data)
    if wanted.restrictions or RESTRICTIONS in wanted.clear:
        _not_both("authentication_restrictions", wanted.restrictions, wanted.clear)
        options["authenticationRestrictions"] = [_restriction(each) for each in wanted.restrictions]
    if wanted.mechanisms:
        options["mechanisms"] = list(wanted.mechanisms)
    return options


def _not_both(field: str, value: object, clear: Collection[str]) -> None:
    if value and field in clear:
        raise invalid_argument("clear", f"names {field}, which is given as well")


def _restriction(each: Restriction) -> Document:
    parts = {"clientSource": list(each.client_source), "serverAddress": list(each.server_address)}
    return {name: value for name, value in parts.items() if value}


async def _rows(client: MongoClient, database: str, who: object, **options: bool) -> list[Mapping[str, Any]]:
    answer = await asking.command(client, database, {"usersInfo": who, "showCredentials": False, **options})
    return list(answer.get("users", ()))


def _name(row: Mapping[str, Any]) -> Name:
    return Name(str(row.get("user", "")), str(row.get("db", "")))


def _user(row: Mapping[str, Any], ours: Collection[Name]) -> User:
    data = row.get("customData")
    return User(
        name=_name(row),
        roles=asking.names(row.get("roles")),
        custom_data=bytes(data.raw) if isinstance(data, RawBSONDocument) else None,
        restrictions=list(map(_restriction_of, _flat(row.get("authenticationRestrictions")))),
        mechanisms=[str(each) for each in row.get("mechanisms", ())],
        ours=_name(row) in ours,
    )


def _flat(value: object) -> list[Mapping[str, Any]]:
    """The server puts the restrictions of one user in lists of lists, in some versions."""
    found: list[Mapping[str, Any]] = []
    for each in value if isinstance(value, list) else ():
        found += _flat(each) if isinstance(each, list) else [each]
    return found


def _restriction_of(each: Mapping[str, Any]) -> Restriction:
    return Restriction(
        client_source=[str(value) for value in each.get("clientSource", ())],
        server_address=[str(value) for value in each.get("serverAddress", ())],
    )
