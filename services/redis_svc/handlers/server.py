"""`studio.redis.v1.ServerService`: the server itself, as messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from services.redis_svc.handlers import blobs
from services.redis_svc.handlers.analysis import report_of
from services.redis_svc.server import advice, analysis, clients, latency, overview, slow_log
from services.redis_svc.server.rules import RULES
from services.runtime.places import Places
from services.runtime.rates import Rates
from studio.redis.v1 import memory_analysis_pb2 as memory_pb
from studio.redis.v1 import server_service_pb2 as pb
from studio.redis.v1.server_service_pb2_grpc import ServerServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.client import RedisClient
    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]

ANALYSES = 16
"""Memory analyses at a time in this process."""
ANALYSES_OF_ONE_DATABASE = 2
"""They take turns, so that two are no heavier than one; a second has room while the first one's caller goes away."""


class ServerHandler(ServerServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._rates = Rates()
        self._places = Places("analyses", ANALYSES, ANALYSES_OF_ONE_DATABASE)
        self._turns: WeakKeyDictionary[RedisClient, asyncio.Lock] = WeakKeyDictionary()

    async def GetOverview(self, request: pb.GetOverviewRequest, context: Context) -> pb.GetOverviewResponse:  # noqa: N802  the rpc
        """The server at a glance."""
        del context
        async with await self._databases.client(request.database_id) as client:
            found = await overview.get_overview(client, self._rates, request.database_id)
        response = pb.GetOverviewResponse(
            version=found.version,
            flavor=found.flavor,
            mode=found.mode,
            role=found.role,
            eviction_policy=found.eviction_policy,
            last_save_status=found.last_save_status,
            nodes=found.nodes,
            databases=[
                pb.KeyspaceInfo(
                    database=each.number,
                    keys=each.keys,
                    expires=each.expires,
                    average_ttl_ms=each.average_ttl_ms,
                )
                for each in found.databases
            ],
        )
        for name, number in found.numbers.items():
            whole = response.DESCRIPTOR.fields_by_name[name].cpp_type != _DOUBLE
            setattr(response, name, int(number) if whole else number)
        return response

    async def ListClients(self, request: pb.ListClientsRequest, context: Context) -> pb.ListClientsResponse:  # noqa: N802  the rpc
        """Who is connected."""
        del context
        async with await self._databases.client(request.database_id, only_reads=True) as client:
            found = await clients.list_clients(client, request.type)
        return pb.ListClientsResponse(clients=map(_client, found.clients), total=found.total)

    async def KillClient(self, request: pb.KillClientRequest, context: Context) -> pb.KillClientResponse:  # noqa: N802  the rpc
        """Closes a connection."""
        del context
        async with await self._databases.client(request.database_id) as client:
            killed = await clients.kill_client(client, int(request.id), request.node)
        return pb.KillClientResponse(killed=killed)

    async def ListSlowLog(self, request: pb.ListSlowLogRequest, context: Context) -> pb.ListSlowLogResponse:  # noqa: N802  the rpc
        """Commands that took long."""
        del context
        async with await self._databases.client(request.database_id, only_reads=True) as client:
            return _slow_log(await slow_log.list_slow_log(client, request.count))

    async def ConfigureSlowLog(  # noqa: N802  the rpc
        self, request: pb.ConfigureSlowLogRequest, context: Context
    ) -> pb.ListSlowLogResponse:
        """Changes what is recorded, and shows what is now."""
        del context
        threshold = (
            blobs.whole("threshold_us", request.threshold_us) if request.HasField("threshold_us") else None
        )
        length = blobs.whole("max_length", request.max_length) if request.HasField("max_length") else None
        async with await self._databases.client(request.database_id) as client:
            await slow_log.configure(client, threshold_us=threshold, max_length=length, reset=request.reset)
            return _slow_log(await slow_log.list_slow_log(client))

    async def GetLatency(self, request: pb.GetLatencyRequest, context: Context) -> pb.GetLatencyResponse:  # noqa: N802  the rpc
        """How long things take."""
        del context
        async with await self._databases.client(request.database_id) as client:
            found = await latency.get_latency(client)
        return pb.GetLatencyResponse(
            events=[
                pb.LatencyEvent(
                    event=each.name, at_unix_ms=each.at_unix_ms, latest_ms=each.latest_ms, max_ms=each.max_ms
                )
                for each in found.events
            ],
            threshold_ms=found.threshold_ms,
            commands=[
                pb.CommandLatency(
                    command=each.name,
                    calls=each.calls,
                    usec_per_call=each.usec_per_call,
                    p50_us=each.p50_us,
                    p99_us=each.p99_us,
                )
                for each in found.commands
            ],
            round_trip_ms=found.round_trip_ms,
        )

    async def AnalyzeMemory(  # noqa: N802  the rpc
        self, request: memory_pb.AnalyzeMemoryRequest, context: Context
    ) -> AsyncIterator[memory_pb.AnalyzeMemoryResponse]:
        """What the keys take, as a stream of progress."""
        del context
        question = analysis.Question(
            pattern=blobs.to_bytes(request.pattern, "pattern"),
            separator=request.separator.encode() or analysis.SEPARATOR,
            max_keys=blobs.whole("max_keys", request.max_keys),
        )
        async with await self._databases.client(request.database_id) as client:
            with self._places.take(request.database_id):
                turn = self._turns.setdefault(client, asyncio.Lock())
                async with contextlib.aclosing(analysis.analyze(client, question, turn=turn)) as reports:
                    async for tally in reports:
                        yield report_of(tally)

    async def ListRecommendations(  # noqa: N802  the rpc
        self, request: pb.ListRecommendationsRequest, context: Context
    ) -> pb.ListRecommendationsResponse:
        """What to change, and why."""
        del context
        async with await self._databases.client(request.database_id) as client:
            found = await advice.advise(client, RULES)
        return pb.ListRecommendationsResponse(
            recommendations=_recommendations(found.recommendations),
            checked=found.checked,
            skipped=found.skipped,
        )


_DOUBLE = pb.GetOverviewResponse.DESCRIPTOR.fields_by_name["uptime_s"].cpp_type


def _client(found: clients.ClientFacts) -> pb.Client:
    return pb.Client(
        id=str(found.id),
        address=found.address,
        name=found.name,
        user=found.user,
        database=found.database,
        age_s=found.age_s,
        idle_s=found.idle_s,
        command=found.command,
        memory_bytes=found.memory,
        flags=found.flags,
        library=found.library,
        ours=found.ours,
        node=found.node,
    )


def _slow_log(found: slow_log.SlowLog) -> pb.ListSlowLogResponse:
    return pb.ListSlowLogResponse(
        commands=[
            pb.SlowCommand(
                id=str(each.id),
                at_unix_ms=each.at_unix_ms,
                duration_us=each.duration_us,
                arguments=map(blobs.to_blob, each.arguments),
                client=each.client,
                client_name=each.client_name,
                node=each.node,
            )
            for each in found.commands
        ],
        threshold_us=found.threshold_us,
        max_length=found.max_length,
        length=found.length,
    )


def _recommendations(found: Iterable[advice.Recommendation]) -> Iterable[pb.Recommendation]:
    for each in found:
        yield pb.Recommendation(
            id=each.rule.id,
            severity=each.rule.severity.value,
            title=each.rule.title,
            reason=each.reason,
            reference=each.rule.reference,
            nodes=each.nodes,
        )
