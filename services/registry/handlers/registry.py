"""`studio.registry.v1.RegistryService`: the registry as users see it."""

from __future__ import annotations

from typing import Any

import grpc

from services.registry.connection_strings import Parts
from services.registry.databases import Databases, Target
from services.registry.handlers.messages import to_message
from services.registry.store import Filters
from studio.registry.v1 import database_pb2
from studio.registry.v1 import registry_service_pb2 as messages
from studio.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer

NEXT_PAGE_HEADER = "x-next-page-token"

Context = grpc.aio.ServicerContext[Any, Any]


class RegistryHandler(RegistryServiceServicer):
    """Answers users.

    Args:
        databases: what it calls.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def ListDatabases(  # noqa: N802  the rpc's name
        self, request: messages.ListDatabasesRequest, context: Context
    ) -> messages.ListDatabasesResponse:
        """One page; the next token also as a header, since over REST the body is the bare list."""
        filters = Filters(
            project_ref=request.project_ref, type=request.type, status=request.status, search=request.search
        )
        rows, token = await self._databases.list_page(
            filters, page_size=request.page_size, page_token=request.page_token
        )
        if token:
            await context.send_initial_metadata(((NEXT_PAGE_HEADER, token),))
        return messages.ListDatabasesResponse(databases=map(to_message, rows), next_page_token=token)

    async def CreateDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.CreateDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.Database:
        """Tests, encrypts, stores."""
        created = await self._databases.create(
            _target(request),
            project_ref=request.project_ref,
            name=request.name,
            description=request.description,
            skip_test=request.skip_test,
        )
        return to_message(created)

    async def GetDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.GetDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.Database:
        """One database."""
        return to_message(await self._databases.get(request.id))

    async def TestConnection(  # noqa: N802  the rpc's name
        self,
        request: messages.TestConnectionRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.ConnectionDiagnosis:
        """Tests what is not saved."""
        return await self._databases.test_unsaved(_target(request))

    async def TestDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.TestDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.ConnectionDiagnosis:
        """Tests what is saved."""
        return await self._databases.test_saved(request.id)


def _target(request: messages.CreateDatabaseRequest | messages.TestConnectionRequest) -> Target:
    parts = Parts(
        host=request.host,
        port=request.port,
        username=request.username,
        password=request.password,
        database_name=request.database_name,
        tls=request.tls,
    )
    return Target(
        type=request.type, connection_string=request.connection_string, parts=parts, config=request.config
    )
