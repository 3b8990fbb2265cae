"""`studio.registry.v1.AccessService`: grants, and what callers may do."""

from __future__ import annotations

import math
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from services.registry.grants.permissions import actions_of, actions_on
from services.registry.store import Grant, Store
from services.runtime import context as call
from services.runtime.access import Registered, role_name, role_on
from services.runtime.context import Caller
from services.runtime.databases import is_production, is_read_only
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import ERROR_REASON_NOT_FOUND
from studio.registry.v1 import access_service_pb2 as messages
from studio.registry.v1.access_service_pb2_grpc import AccessServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

log = get_logger(__name__)


class AccessHandler(AccessServiceServicer):
    """Answers users. That the database exists, and that the caller may do this on it, `authorize` has found.

    Args:
        store: keeps the grants.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListGrants(  # noqa: N802  the rpc's name
        self,
        request: messages.ListGrantsRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.ListGrantsResponse:
        """The grants on a database."""
        grants = await self._store.list_grants(request.database_id)
        return messages.ListGrantsResponse(permissions=map(_message, grants))

    async def CreateGrant(  # noqa: N802  the rpc's name
        self,
        request: messages.CreateGrantRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.Grant:
        """Gives a role."""
        grant = await self._store.put_grant(
            request.database_id.lower(), request.subject, request.role, call.current_caller().subject
        )
        log.info("grant.created", database_id=grant.database_id, grant_id=grant.id, role=grant.role)
        return _message(grant)

    async def DeleteGrant(  # noqa: N802  the rpc's name
        self,
        request: messages.DeleteGrantRequest,
        context: Context,  # noqa: ARG002
    ) -> Empty:
        """Takes one back."""
        if not await self._store.delete_grant(request.database_id.lower(), request.id):
            raise StudioError(ERROR_REASON_NOT_FOUND, "There is no grant of this id on this database.")
        log.info("grant.deleted", database_id=request.database_id, grant_id=request.id)
        return Empty()

    async def GetPermissions(  # noqa: N802  the rpc's name
        self,
        request: messages.GetPermissionsRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.GetPermissionsResponse:
        """What the caller is and may do."""
        caller = call.current_caller()
        answer = messages.GetPermissionsResponse(
            subject=caller.subject,
            role=role_name(caller.role),
            projects=sorted(caller.projects or ()),
            all_projects=caller.projects is None,
            credential=caller.credential.value,
            actions=actions_of(caller),
        )
        if math.isfinite(caller.expires_at):
            answer.expires_at.FromSeconds(int(min(caller.expires_at, _LAST_SECOND)))
        database = call.database.get()
        if request.database_id and database is not None:
            answer.database.CopyFrom(_on(database, caller))
        return answer


_LAST_SECOND = 253402300799
"""The last that a Timestamp takes: https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp."""


def _on(database: Registered, caller: Caller) -> messages.DatabasePermissions:
    role = role_on(caller, database)
    return messages.DatabasePermissions(
        id=database.id,
        role=role_name(role),
        read_only=is_read_only(database.config),
        production=is_production(database.config),
        actions=actions_on(role, database),
    )


def _message(grant: Grant) -> messages.Grant:
    message = messages.Grant(
        id=grant.id,
        database_id=grant.database_id,
        subject=grant.subject,
        role=grant.role,
        created_by=grant.created_by,
    )
    message.created_at.FromDatetime(grant.created_at)
    return message
