"""`studio.mongodb.v1.UserService`: users and roles, as messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies
from services.mongo_svc.client import MongoClient
from services.mongo_svc.users import bounds, roles, users
from services.mongo_svc.users.asking import Name, database_of
from services.runtime.databases import Databases
from services.runtime.errors import invalid_argument
from studio.mongodb.v1 import role_pb2 as role_pb
from studio.mongodb.v1 import user_service_pb2 as pb
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.mongodb.v1.user_service_pb2_grpc import UserServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

_DOCUMENT = 0x03


class UserHandler(UserServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases

    async def ListUsers(self, request: pb.ListUsersRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """A page of users."""
        del context
        query = users.Query(
            database=request.database_name,
            size=request.page_size or bounds.DEFAULT_PAGE,
            all_databases=request.all_databases,
            user=request.user,
            search=request.search,
            after=request.page_token,
        )
        async with await self._databases.lease(request.database_id, only_reads=True) as client:
            found, token = await users.list_users(client, query)
        response = pb.ListUsersResponse(users=map(_user, found), next_page_token=token)
        return answers.render(response, answers.mode_of(request.ejson))

    async def CreateUser(self, request: pb.CreateUserRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Creates a user."""
        del context
        body = bodies.read(request.body, pb.CreateUserBody)
        async with await self._databases.lease(request.database_id) as client:
            name = Name(body.user, database_of(client, body.database_name))
            user = await users.create(client, name, _wanted(body))
        return answers.render(_user(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Changes a user."""
        del context
        body = bodies.read(request.body, pb.UpdateUserBody)
        async with await self._databases.lease(request.database_id) as client:
            name = Name(body.user, database_of(client, body.database_name))
            user = await users.update(client, name, _wanted(body), force=body.force)
        return answers.render(_user(user))

    async def DropUser(self, request: pb.DropUserRequest, context: Context) -> pb.DropUserResponse:  # noqa: N802  the rpc
        """Drops a user."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            name = Name(request.user, database_of(client, request.database_name))
            await users.drop(client, name, force=request.force)
        return pb.DropUserResponse()

    async def ChangeUserRoles(  # noqa: N802  the rpc
        self, request: pb.ChangeUserRolesRequest, context: Context
    ) -> pb.ChangeUserRolesResponse:
        """Gives and takes roles."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await users.change_roles(
                client,
                Name(request.user, database_of(client, request.database_name)),
                grant=_names(request.grant),
                revoke=_names(request.revoke),
                force=request.force,
            )
        return pb.ChangeUserRolesResponse(roles=map(_role_name, found))

    async def ListRoles(  # noqa: N802  the rpc
        self, request: role_pb.ListRolesRequest, context: Context
    ) -> role_pb.ListRolesResponse:
        """A page of roles."""
        del context
        query = roles.Query(
            database=request.database_name,
            size=request.page_size or bounds.DEFAULT_PAGE,
            role=request.role,
            built_in=request.built_in,
            privileges=request.privileges,
            after=request.page_token,
        )
        async with await self._databases.lease(request.database_id, only_reads=True) as client:
            found, token = await roles.list_roles(client, query)
        return role_pb.ListRolesResponse(roles=map(_role, found), next_page_token=token)

    async def CreateRole(self, request: role_pb.CreateRoleRequest, context: Context) -> role_pb.Role:  # noqa: N802  the rpc
        """Creates a role."""
        del context
        grants = _grants(request.privileges, request.roles)
        async with await self._databases.lease(request.database_id) as client:
            name = Name(request.role, client.database_name(request.database_name))
            return _role(await roles.create(client, name, grants))

    async def UpdateRole(self, request: role_pb.UpdateRoleRequest, context: Context) -> role_pb.Role:  # noqa: N802  the rpc
        """Replaces what a role has."""
        del context
        grants = _grants(request.privileges, request.roles)
        async with await self._databases.lease(request.database_id) as client:
            name = Name(request.role, client.database_name(request.database_name))
            found = await roles.update(
                client, name, grants, clear=frozenset(request.clear), force=request.force
            )
        return _role(found)

    async def ChangeRoleGrants(  # noqa: N802  the rpc
        self, request: role_pb.ChangeRoleGrantsRequest, context: Context
    ) -> role_pb.Role:
        """Gives and takes what a role has."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await roles.change(
                client,
                Name(request.role, client.database_name(request.database_name)),
                grant=_grants(request.grant_privileges, request.grant_roles),
                revoke=_grants(request.revoke_privileges, request.revoke_roles),
                force=request.force,
            )
        return _role(found)

    async def DropRole(self, request: role_pb.DropRoleRequest, context: Context) -> role_pb.DropRoleResponse:  # noqa: N802  the rpc
        """Drops a role."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            name = Name(request.role, client.database_name(request.database_name))
            await roles.drop(client, name, force=request.force)
        return role_pb.DropRoleResponse()


def _wanted(body: pb.CreateUserBody | pb.UpdateUserBody) -> users.Wanted:
    if body.HasField("custom_data") and body.custom_data.type not in (0, _DOCUMENT):
        raise invalid_argument("custom_data", "must be an object")
    return users.Wanted(
        password=body.password,
        roles=_names(body.roles),
        custom_data=body.custom_data.bson if body.HasField("custom_data") else None,
        restrictions=[
            users.Restriction(list(each.client_source), list(each.server_address))
            for each in body.authentication_restrictions
        ],
        mechanisms=list(body.mechanisms),
        clear=frozenset(body.clear) if isinstance(body, pb.UpdateUserBody) else frozenset(),
    )


def _names(given: Iterable[role_pb.RoleName]) -> list[Name]:
    return [Name(each.role, each.database_name) for each in given]


def _grants(privileges: Iterable[role_pb.Privilege], given: Iterable[role_pb.RoleName]) -> roles.Grants:
    return roles.Grants(
        [
            roles.Privilege(
                roles.Resource(
                    each.resource.database_name,
                    each.resource.collection,
                    cluster=each.resource.cluster,
                    any=each.resource.any_resource,
                ),
                list(each.actions),
            )
            for each in privileges
        ],
        _names(given),
    )


def _role_name(name: Name) -> role_pb.RoleName:
    return role_pb.RoleName(role=name.name, database_name=name.database)


def _user(found: users.User) -> pb.User:
    response = pb.User(
        user=found.name.name,
        database_name=found.name.database,
        roles=map(_role_name, found.roles),
        authentication_restrictions=[
            role_pb.AuthenticationRestriction(
                client_source=each.client_source, server_address=each.server_address
            )
            for each in found.restrictions
        ],
        mechanisms=found.mechanisms,
        ours=found.ours,
    )
    if found.custom_data is not None:
        response.custom_data.CopyFrom(ExtendedJson(bson=found.custom_data))
    return response


def _privilege(found: roles.Privilege) -> role_pb.Privilege:
    resource = found.resource
    return role_pb.Privilege(
        resource=role_pb.Resource(
            database_name=resource.database,
            collection=resource.collection,
            cluster=resource.cluster,
            any_resource=resource.any,
        ),
        actions=found.actions,
    )


def _role(found: roles.Role) -> role_pb.Role:
    return role_pb.Role(
        role=found.name.name,
        database_name=found.name.database,
        built_in=found.built_in,
        privileges=map(_privilege, found.privileges),
        roles=map(_role_name, found.roles),
        inherited_roles=map(_role_name, found.inherited_roles),
        inherited_privileges=map(_privilege, found.inherited_privileges),
    )
