"""Roles: listed, created, changed, dropped.

https://www.mongodb.com/docs/manual/reference/command/nav-role-management/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.mongo_svc.client import Document, MongoClient
from services.mongo_svc.users import asking, own
from services.mongo_svc.users.asking import Name
from services.mongo_svc.users.paging import page
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

PRIVILEGES, ROLES = "privileges", "roles"
"""What can be cleared."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What a privilege is about."""

    database: str = ""
    collection: str = ""
    cluster: bool = False
    any: bool = False


@dataclass(frozen=True, slots=True)
class Privilege:
    """What may be done with something."""

    resource: Resource
    actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Role:
    """A role."""

    name: Name
    built_in: bool
    privileges: Sequence[Privilege]
    roles: Sequence[Name]
    inherited_roles: Sequence[Name]
    inherited_privileges: Sequence[Privilege]


@dataclass(frozen=True, slots=True)
class Grants:
    """Privileges and roles."""

    privileges: Sequence[Privilege] = ()
    roles: Sequence[Name] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Which roles."""

    database: str
    size: int
    role: str = ""
    built_in: bool = False
    privileges: bool = False
    after: str = ""


async def list_roles(client: MongoClient, query: Query) -> tuple[list[Role], str]:
    """A page of roles, and the token of the next one.

    Raises:
        StudioError: INVALID_CURSOR; NAMESPACE_NOT_FOUND where one is asked for by its name; as `MongoClient.command`.
    """
    database = client.database_name(query.database)
    if query.role:
        return [await get(client, Name(query.role, database))], ""
    rows = await _rows(client, database, 1, showBuiltinRoles=query.built_in, showPrivileges=query.privileges)
    shown, token = page(rows, _name, size=query.size, after=query.after)
    return [_role(row) for row in shown], token


async def get(client: MongoClient, name: Name) -> Role:
    """One role, with its privileges.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND; as `MongoClient.command`.
    """
    rows = await _rows(client, name.database, {"role": name.name, "db": name.database}, showPrivileges=True)
    if not rows:
        raise StudioError(e.ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such role in the database.")
    return _role(rows[0])


async def create(client: MongoClient, name: Name, grants: Grants) -> Role:
    """Creates a role; returns it as it is.

    Raises:
        StudioError: ALREADY_EXISTS; as `MongoClient.command`.
    """
    command = {"createRole": name.name, **_both(name, grants)}
    await asking.command(client, name.database, command)
    return await get(client, name)


async def update(
    client: MongoClient, name: Name, grants: Grants, *, clear: Collection[str], force: bool
) -> Role:
    """Replaces privileges or roles of a role; returns it as it is then.

    Raises:
        StudioError: COMMAND_REFUSED for a role of the connection's own user; NAMESPACE_NOT_FOUND; as
            `MongoClient.command`.
    """
    both = _both(name, grants)
    wanted = {field: both[field] for field in (PRIVILEGES, ROLES) if both[field] or field in clear}
    if not wanted:
        raise invalid_argument("role", "nothing to change is given")
    for field in clear:
        if both[field]:
            raise invalid_argument("clear", f"names {field}, which are given as well")
    await own.spare_role(client, name, force=force)
    await asking.command(client, name.database, {"updateRole": name.name, **wanted})
    return await get(client, name)


async def change(client: MongoClient, name: Name, *, grant: Grants, revoke: Grants, force: bool) -> Role:
    """Gives a role privileges and roles, then takes some; returns it as it is then.

    Raises:
        StudioError: COMMAND_REFUSED for a role of the connection's own user; NAMESPACE_NOT_FOUND; as
            `MongoClient.command`.
    """
    given, taken = _both(name, grant), _both(name, revoke)
    if not any((*given.values(), *taken.values())):
        raise invalid_argument("grant_privileges", "nothing to give or take is given")
    if any(taken.values()):
        await own.spare_role(client, name, force=force)
    for command, field, value in (
        ("grantPrivilegesToRole", PRIVILEGES, given[PRIVILEGES]),
        ("grantRolesToRole", ROLES, given[ROLES]),
        ("revokePrivilegesFromRole", PRIVILEGES, taken[PRIVILEGES]),
        ("revokeRolesFromRole", ROLES, taken[ROLES]),
    ):
        if value:
            await asking.command(client, name.database, {command: name.name, field: value})
    return await get(client, name)


async def drop(client: MongoClient, name: Name, *, force: bool) -> None:
    """Drops a role.

    Raises:
        StudioError: COMMAND_REFUSED for a role of the connection's own user; NAMESPACE_NOT_FOUND; as
            `MongoClient.command`.
    """
    await own.spare_role(client, name, force=force)
    await asking.command(client, name.database, {"dropRole": name.name})


def _both(name: Name, grants: Grants) -> dict[str, list[Document]]:
    return {
        PRIVILEGES: [_privilege(each, place) for place, each in enumerate(grants.privileges)],
        ROLES: asking.roles(grants.roles, name.database),
    }


def _privilege(each: Privilege, place: int) -> Document:
    resource = each.resource
    kinds = [bool(resource.database or resource.collection), resource.cluster, resource.any]
    if sum(kinds) > 1:
        raise invalid_argument(
            f"privileges[{place}].resource",
            "is exactly one of a database and collection, cluster, any_resource",
        )
    about: Document = {"db": resource.database, "collection": resource.collection}
    if resource.cluster:
        about = {"cluster": True}
    if resource.any:
        about = {"anyResource": True}
    return {"resource": about, "actions": list(each.actions)}


async def _rows(
    client: MongoClient, database: str, which: object, **options: bool
) -> list[Mapping[str, Any]]:
    answer = await asking.command(client, database, {"rolesInfo": which, **options})
    return list(answer.get("roles", ()))


def _name(row: Mapping[str, Any]) -> Name:
    return Name(str(row.get("role", "")), str(row.get("db", "")))


def _role(row: Mapping[str, Any]) -> Role:
    return Role(
        name=_name(row),
        built_in=row.get("isBuiltin") is True,
        privileges=_privileges(row.get("privileges")),
        roles=asking.names(row.get("roles")),
        inherited_roles=asking.names(row.get("inheritedRoles")),
        inherited_privileges=_privileges(row.get("inheritedPrivileges")),
    )


def _privileges(value: object) -> list[Privilege]:
    found = []
    for each in value if isinstance(value, list) else ():
        about = each.get("resource", {})
        resource = Resource(
            database=str(about.get("db", "")),
            collection=str(about.get("collection", "")),
            cluster=about.get("cluster") is True,
            any=about.get("anyResource") is True,
        )
        found.append(Privilege(resource, [str(action) for action in each.get("actions", ())]))
    return found
