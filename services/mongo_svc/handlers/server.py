"""`studio.mongodb.v1.ServerService`: the server itself, as messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers
from services.mongo_svc.client import MongoClient
from services.mongo_svc.handlers import figures
from services.mongo_svc.server import (
    advice,
    bounds,
    log,
    operations,
    overview,
    profiler,
    sessions,
    shown,
    top,
)
from services.mongo_svc.server.asking import Missing, number
from services.runtime.databases import Databases
from services.runtime.rates import Rates
from studio.mongodb.v1 import server_service_pb2 as pb
from studio.mongodb.v1 import server_status_pb2 as status_pb
from studio.mongodb.v1 import server_work_pb2 as work_pb
from studio.mongodb.v1.common_pb2 import Unavailable
from studio.mongodb.v1.server_service_pb2_grpc import ServerServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]


class ServerHandler(ServerServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases
        self._rates = Rates()

    async def GetServerStatus(  # noqa: N802  the rpc
        self, request: status_pb.GetServerStatusRequest, context: Context
    ) -> status_pb.GetServerStatusResponse:
        """The server at a glance."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await overview.get_overview(client, self._rates, request.database_id)
        response = figures.status_of(found)
        response.unavailable.extend(_unavailable(found.missing))
        return response

    async def GetServerDocument(self, request: pb.GetServerDocumentRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """What the server tells, as it is."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            document = await client.raw_command("admin", {request.command or "serverStatus": 1})
        response = pb.GetServerDocumentResponse()
        response.document.bson = bytes(document.raw)
        return answers.render(response, answers.mode_of(request.ejson))

    async def ListOperations(  # noqa: N802  the rpc
        self, request: work_pb.ListOperationsRequest, context: Context
    ) -> work_pb.ListOperationsResponse:
        """What runs now."""
        del context
        query = operations.Query(
            limit=request.limit or bounds.DEFAULT_OPERATIONS,
            min_ms=request.min_ms,
            namespace=request.namespace,
            idle=request.idle,
            system=request.system,
        )
        async with await self._databases.lease(request.database_id, only_reads=True) as client:
            found = await operations.list_operations(client, query)
        return work_pb.ListOperationsResponse(
            operations=map(_operation, found.operations),
            has_more=found.has_more,
            unavailable=_unavailable(found.missing),
        )

    async def KillOperation(  # noqa: N802  the rpc
        self, request: work_pb.KillOperationRequest, context: Context
    ) -> work_pb.KillOperationResponse:
        """Ends an operation."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await operations.kill(client, request.opid)
        return work_pb.KillOperationResponse(operation=_operation(found))

    async def ListTop(self, request: work_pb.ListTopRequest, context: Context) -> work_pb.ListTopResponse:  # noqa: N802  the rpc
        """Where time goes."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await top.list_top(
                client, database=request.database_name, limit=request.limit or bounds.DEFAULT_TOP
            )
        response = work_pb.ListTopResponse(has_more=found.has_more)
        for each in found.entries:
            added = response.collections.add(namespace=each.namespace)
            for name, (ms, count) in each.figures.items():
                getattr(added, name).CopyFrom(work_pb.TopFigure(ms=ms, count=count))
        return response

    async def GetProfiler(self, request: work_pb.GetProfilerRequest, context: Context) -> work_pb.Profiler:  # noqa: N802  the rpc
        """What is recorded."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            name = client.database_name(request.database_name)
            return _profiler(name, await profiler.read(client, name))

    async def SetProfiler(self, request: work_pb.SetProfilerRequest, context: Context) -> work_pb.Profiler:  # noqa: N802  the rpc
        """Changes what is recorded."""
        del context
        given = {
            field: getattr(request, field)
            for field in ("level", "slow_ms", "sample_rate", "filter")
            if request.HasField(field)
        }
        async with await self._databases.lease(request.database_id) as client:
            name = client.database_name(request.database_name)
            return _profiler(name, await profiler.write(client, name, profiler.Change(**given)))

    async def ListProfilerEntries(  # noqa: N802  the rpc
        self, request: work_pb.ListProfilerEntriesRequest, context: Context
    ) -> work_pb.ListProfilerEntriesResponse:
        """What was recorded."""
        del context
        query = profiler.Query(
            database=request.database_name,
            size=request.page_size or bounds.DEFAULT_ENTRIES,
            collection=request.collection,
            operation=request.operation,
            min_ms=request.min_ms,
            since_unix_ms=request.since_unix_ms,
            after=request.page_token,
        )
        async with await self._databases.lease(request.database_id, only_reads=True) as client:
            page = await profiler.list_entries(client, query)
        return work_pb.ListProfilerEntriesResponse(
            entries=map(_entry, page.entries), next_page_token=page.next
        )

    async def ListSessions(  # noqa: N802  the rpc
        self, request: work_pb.ListSessionsRequest, context: Context
    ) -> work_pb.ListSessionsResponse:
        """Who has sessions."""
        del context
        limit = request.limit or bounds.DEFAULT_SESSIONS
        async with await self._databases.lease(request.database_id, only_reads=True) as client:
            found = await sessions.list_sessions(client, cluster=request.cluster, limit=limit)
        return work_pb.ListSessionsResponse(
            sessions=[
                work_pb.Session(id=each.id, user=each.user, last_use_unix_ms=each.last_use_unix_ms)
                for each in found.sessions
            ],
            has_more=found.has_more,
            unavailable=_unavailable(found.missing),
        )

    async def GetServerLog(  # noqa: N802  the rpc
        self, request: pb.GetServerLogRequest, context: Context
    ) -> pb.GetServerLogResponse:
        """The last lines of the log."""
        del context
        async with await self._databases.lease(request.database_id, only_reads=True) as client:
            lines = await log.read(
                client,
                log=request.log or "global",
                search=request.search,
                limit=request.limit or bounds.DEFAULT_LOG_LINES,
            )
        return pb.GetServerLogResponse(
            lines=[
                pb.LogLine(
                    at_unix_ms=each.at_unix_ms,
                    severity=each.severity,
                    component=each.component,
                    context=each.context,
                    message=each.message,
                    attributes=each.attributes,
                )
                for each in lines
            ]
        )

    async def ListServerRecommendations(  # noqa: N802  the rpc
        self, request: pb.ListServerRecommendationsRequest, context: Context
    ) -> pb.ListServerRecommendationsResponse:
        """What to change."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await advice.advise(client, request.database_id)
        return pb.ListServerRecommendationsResponse(
            recommendations=[
                pb.ServerRecommendation(
                    id=each.id,
                    severity=each.severity,
                    title=each.title,
                    reason=each.reason,
                    reference=each.reference,
                )
                for each in found.findings
            ],
            checked=found.checked,
            skipped=found.skipped,
        )


def _unavailable(missing: Iterable[Missing]) -> list[Unavailable]:
    return [Unavailable(what=each.what, permission=each.permission, role=each.role) for each in missing]


def _operation(found: operations.Operation) -> work_pb.Operation:
    row = found.row
    return work_pb.Operation(
        opid=found.opid,
        type=shown.text(row.get("type")),
        operation=shown.text(row.get("op")),
        namespace=shown.text(row.get("ns")),
        active=row.get("active") is True,
        running_ms=found.running_ms,
        description=shown.text(row.get("desc")),
        client=shown.text(row.get("client") or row.get("client_s")),
        app_name=found.app_name,
        users=found.users,
        command=found.command,
        command_truncated=found.truncated,
        plan_summary=shown.text(row.get("planSummary")),
        waiting_for_lock=row.get("waitingForLock") is True,
        kill_pending=row.get("killPending") is True,
        yields=number(row, "numYields"),
        ours=found.app_name == operations.APP_NAME,
        message=shown.text(row.get("msg")),
    )


def _profiler(name: str, found: profiler.Setting) -> work_pb.Profiler:
    return work_pb.Profiler(
        database_name=name,
        level=found.level,
        slow_ms=found.slow_ms,
        sample_rate=found.sample_rate,
        filter=found.filter,
    )


def _entry(found: profiler.Entry) -> work_pb.ProfilerEntry:
    row = found.row
    changed = [number(row, name) for name in ("ninserted", "nModified", "ndeleted")]
    return work_pb.ProfilerEntry(
        at_unix_ms=found.at_unix_ms,
        operation=shown.text(row.get("op")),
        namespace=shown.text(row.get("ns")),
        ms=number(row, "millis"),
        command=found.command,
        command_truncated=found.truncated,
        plan_summary=shown.text(row.get("planSummary")),
        keys_examined=number(row, "keysExamined"),
        documents_examined=number(row, "docsExamined"),
        returned=number(row, "nreturned"),
        changed=max(changed),
        response_bytes=number(row, "responseLength"),
        sorted_in_memory=row.get("hasSortStage") is True,
        client=shown.text(row.get("client")),
        app_name=shown.text(row.get("appName")),
        user=shown.text(row.get("user")),
        error=shown.text(row.get("errMsg")),
        query_hash=shown.text(row.get("queryHash")),
    )
