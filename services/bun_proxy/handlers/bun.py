"""`studio.bun.v1.BunService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from services import VERSION
from services.bun_proxy import history, paging
from services.bun_proxy.client import ApiClient
from services.bun_proxy.discovery.catalogue import Catalogue
from services.bun_proxy.discovery.model import Document
from services.bun_proxy.discovery.select import Choice, choose
from services.bun_proxy.forward.calls import CallLog
from services.bun_proxy.handlers import messages
from services.bun_proxy.probe.health import UNREACHED, Health, check
from services.bun_proxy.probe.identity import Identity, identify
from services.bun_proxy.probe.places import places_of
from services.runtime.databases import Databases
from services.runtime.errors import StudioError
from studio.bun.v1 import bun_service_pb2 as pb
from studio.bun.v1 import routes_pb2 as routes_pb
from studio.bun.v1.bun_service_pb2_grpc import BunServiceServicer
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

_NO_DOCUMENT = frozenset({e.ERROR_REASON_API_DOCUMENT_NOT_FOUND, e.ERROR_REASON_API_DOCUMENT_INVALID})


class BunHandler(BunServiceServicer):
    """The service.

    Args:
        databases: gives the APIs.
        catalogue: knows their routes.
        calls: remembers how they were called.
    """

    def __init__(self, databases: Databases[ApiClient], catalogue: Catalogue, calls: CallLog) -> None:
        self._databases = databases
        self._catalogue = catalogue
        self._calls = calls

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:  # noqa: N802  the rpc
        """Says that the service is up."""
        del request, context
        return pb.GetStatusResponse(service="bun_proxy", version=VERSION)

    async def GetHealth(self, request: pb.GetHealthRequest, context: Context) -> pb.GetHealthResponse:  # noqa: N802  the rpc
        """Asks the API how it is."""
        del context
        connection = await self._databases.connection(_id(request))
        at = time.time()
        async with await self._databases.lease(connection.id) as api:
            health = await check(api, places_of(connection.config))
            response = messages.health(health)
            messages.set_breaker(response.breaker, api.breaker.stats())
            messages.set_pool(response.pool, api.pool.stats(), api.limits)
            messages.set_requests(response.requests, api.counters, self._calls.of(connection.id))
        messages.set_time(response.checked_at, at)
        return response

    async def GetInfo(self, request: pb.GetInfoRequest, context: Context) -> pb.GetInfoResponse:  # noqa: N802  the rpc
        """What the API says of itself."""
        del context
        connection = await self._databases.connection(_id(request))
        async with await self._databases.lease(connection.id) as api:
            health = await check(api, places_of(connection.config))
            options = api.options
        document, why = await self._document(connection.id, health)
        identity = Identity() if health.answer is None else identify(health.answer)
        response = pb.GetInfoResponse(
            base_url=f"{options.origin}{options.base_path}",
            host=options.host,
            port=options.port,
            tls=options.tls,
            auth_header=options.auth_header.decode(),
            has_key=options.auth_value is not None,
            server=identity.server,
            runtime=identity.runtime,
            runtime_version=identity.runtime_version,
            version=(document.version if document else "") or identity.version,
            document_error=why,
            status=health.verdict.status.value,
            latency_ms=-1.0 if health.answer is None else health.answer.latency_ms,
        )
        if document is not None:
            messages.set_document(response.document, document)
        return response

    async def ListRoutes(  # noqa: N802  the rpc
        self, request: routes_pb.ListRoutesRequest, context: Context
    ) -> routes_pb.ListRoutesResponse:
        """A page of the API's routes."""
        del context
        choice = Choice(
            search=request.search,
            method=request.method,
            tag=request.tag,
            size=request.page_size,
            after=paging.read(request.page_token, 2),
        )
        document = await self._catalogue.document(_id(request))
        response = routes_pb.ListRoutesResponse()
        messages.set_document(response.document, document)
        chosen = choose(document.routes, choice)
        response.next_page_token = messages.add_routes(response.routes, chosen, choice.page_size)
        return response

    async def RefreshRoutes(  # noqa: N802  the rpc
        self, request: routes_pb.RefreshRoutesRequest, context: Context
    ) -> routes_pb.RefreshRoutesResponse:
        """Asks for the API's document anew."""
        del context
        document = await self._catalogue.document(_id(request), refresh=True)
        response = routes_pb.RefreshRoutesResponse()
        messages.set_document(response.document, document)
        return response

    async def ListCalls(self, request: pb.ListCallsRequest, context: Context) -> pb.ListCallsResponse:  # noqa: N802  the rpc
        """A page of the API's last calls."""
        del context
        connection = await self._databases.connection(_id(request))
        query = history.Query(
            method=request.method,
            path=request.path,
            route=request.route,
            min_status=request.min_status,
            max_status=request.max_status,
            only_incomplete=request.only_incomplete,
            min_duration_ms=request.min_duration_ms,
            size=request.page_size or history.DEFAULT_PAGE,
            before=messages.number(request.page_token),
        )
        async with await self._databases.lease(connection.id) as api:
            base_path = api.options.base_path
        patterns = self._catalogue.known_patterns(connection.id, connection.revision)
        return messages.calls(history.page(self._calls.numbered(connection.id), query, patterns, base_path))

    async def _document(self, database_id: str, health: Health) -> tuple[Document | None, str]:
        """The API's document, or why there is none."""
        if health.answer is None:
            return None, health.verdict.message
        try:
            return await self._catalogue.document(database_id), ""
        except StudioError as error:
            if error.reason not in _NO_DOCUMENT | UNREACHED:
                raise
            return None, error.message


def _id(
    request: pb.GetHealthRequest
    | pb.GetInfoRequest
    | routes_pb.ListRoutesRequest
    | routes_pb.RefreshRoutesRequest
    | pb.ListCallsRequest,
) -> str:
    """The API's id as it is written everywhere: what is known by it must be found, however it is asked for."""
    return request.database_id.lower()
