"""`studio.registry.v1.RegistryService`: the registry as users see it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from services.registry.connection_strings import Parts
from services.registry.databases import Databases
from services.registry.grants.visible import role_of, visible
from services.registry.handlers.health import to_health, to_stats
from services.registry.handlers.messages import to_message
from services.registry.health.reports import Reports
from services.registry.store import Database, Filters
from services.registry.store.postgres import no_project
from services.registry.target import Target
from services.registry.updates import FIELDS, Updates, wanted
from services.runtime import context as call
from studio.registry.v1 import database_pb2, health_pb2
from studio.registry.v1 import registry_service_pb2 as messages
from studio.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer

NEXT_PAGE_HEADER = "x-next-page-token"
STALE_HEADER = "x-stale"

Context = grpc.aio.ServicerContext[Any, Any]


class RegistryHandler(RegistryServiceServicer):
    """Answers users.

    Args:
        databases: what it calls.
        updates: what it calls to change one.
        reports: what it calls for health and counts.
        on_railway: whether this system runs there.
    """

    def __init__(self, databases: Databases, updates: Updates, reports: Reports, *, on_railway: bool) -> None:
        self._databases = databases
        self._updates = updates
        self._reports = reports
        self._on_railway = on_railway

    async def ListDatabases(  # noqa: N802  the rpc's name
        self, request: messages.ListDatabasesRequest, context: Context
    ) -> messages.ListDatabasesResponse:
        """One page; the next token also as a header, since over REST the body is the bare list."""
        filters = Filters(
            project_ref=request.project_ref, type=request.type, status=request.status, search=request.search
        )
        listed, token = await self._databases.list_page(
            visible(call.current_caller(), filters),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        headers = [(NEXT_PAGE_HEADER, token)] if token else []
        if listed.stale:
            headers.append((STALE_HEADER, "true"))
        if headers:
            await context.send_initial_metadata(tuple(headers))
        return messages.ListDatabasesResponse(
            databases=map(self._message, listed.rows), next_page_token=token
        )

    async def CreateDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.CreateDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.Database:
        """Tests, encrypts, stores."""
        projects = call.current_caller().projects
        if projects is not None and request.project_ref not in projects:
            raise no_project(request.project_ref)
        created = await self._databases.create(
            _target(request),
            project_ref=request.project_ref,
            name=request.name,
            description=request.description,
            skip_test=request.skip_test,
            request_id=request.request_id,
        )
        return self._message(created)

    async def GetDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.GetDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.Database:
        """One database."""
        return self._message(await self._databases.get(request.id))

    async def UpdateDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.UpdateDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> database_pb2.Database:
        """Changes what the request names."""
        given = {field.name: value for field, value in request.ListFields() if field.name in FIELDS}
        change = wanted(given, request.update_mask.paths, skip_test=request.skip_test)
        return self._message(await self._updates.update(request.id, change))

    async def DeleteDatabase(  # noqa: N802  the rpc's name
        self,
        request: messages.DeleteDatabaseRequest,
        context: Context,  # noqa: ARG002
    ) -> Empty:
        """Removes it from the registry."""
        await self._databases.delete(request.id)
        return Empty()

    async def GetDatabaseHealth(  # noqa: N802  the rpc's name
        self,
        request: health_pb2.GetDatabaseHealthRequest,
        context: Context,  # noqa: ARG002
    ) -> health_pb2.GetDatabaseHealthResponse:
        """The checks of one database."""
        found = await self._databases.get(request.id)
        since = request.since.ToDatetime(UTC) if request.HasField("since") else None
        return to_health(found, await self._reports.history(found.id, since))

    async def GetDatabaseStats(  # noqa: N802  the rpc's name
        self,
        request: health_pb2.GetDatabaseStatsRequest,
        context: Context,  # noqa: ARG002
    ) -> health_pb2.GetDatabaseStatsResponse:
        """How many databases there are."""
        filters = visible(call.current_caller(), Filters(project_ref=request.project_ref))
        return to_stats(await self._reports.stats(filters))

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

    def _message(self, row: Database) -> database_pb2.Database:
        return to_message(row, role_of(call.current_caller(), row), on_railway=self._on_railway)


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
        type=request.type,
        connection_string=request.connection_string,
        parts=parts,
        config=request.config,
        options=dict(request.options),
    )
