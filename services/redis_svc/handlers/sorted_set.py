"""`studio.redis.v1.SortedSetService`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from services.redis_svc.handlers.blobs import all_bytes, key_of, to_blob, to_bytes, whole
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.types import geo, sorted_sets
from services.redis_svc.types.scan import SORTED_SET, scan
from services.redis_svc.types.sorted_set_ranges import Range, list_range
from services.redis_svc.types.sorted_sets import Scored
from services.runtime.errors import invalid_argument
from studio.redis.v1 import sorted_set_service_pb2 as pb
from studio.redis.v1.sorted_set_service_pb2_grpc import SortedSetServiceServicer

if TYPE_CHECKING:
    import grpc

    from services.redis_svc.handlers.databases import Databases

    Context = grpc.aio.ServicerContext[Any, Any]


class SortedSetHandler(SortedSetServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def ListScoredMembers(  # noqa: N802  the rpc
        self, request: pb.ListScoredMembersRequest, context: Context
    ) -> pb.ListScoredMembersResponse:
        """A range of members, or one page of those that match a pattern."""
        del context
        count = request.count or DEFAULTS.default_page_values
        async with await self._databases.client(request.database_id) as client:
            if pattern := to_bytes(request.pattern, "pattern"):
                page = await scan(
                    client, key_of(request), SORTED_SET, count=count, cursor=request.cursor, pattern=pattern
                )
                pairs = ((member, score.decode()) for member, score in page.elements)
                return pb.ListScoredMembersResponse(
                    members=_members(pairs), length=page.length, more=bool(page.cursor), cursor=page.cursor
                )
            if request.cursor not in {"", "0"}:
                raise invalid_argument("cursor", "goes with a pattern; a range goes on with an offset")
            range_ = Range(
                by=request.by or "rank",
                min=request.min,
                max=request.max,
                offset=whole("offset", request.offset),
                count=count,
                reverse=request.reverse,
            )
            found = await list_range(client, key_of(request), range_)
        return pb.ListScoredMembersResponse(
            members=_members(found.members), length=found.length, more=found.more
        )

    async def AddScoredMembers(  # noqa: N802  the rpc
        self, request: pb.AddScoredMembersRequest, context: Context
    ) -> pb.AddScoredMembersResponse:
        """Adds members or changes their scores."""
        del context
        members = [
            Scored(
                to_bytes(each.member, f"members[{index}].member"),
                each.score,
                each.expected_score if each.HasField("expected_score") else None,
            )
            for index, each in enumerate(request.members)
        ]
        async with await self._databases.client(request.database_id) as client:
            done = await sorted_sets.add(
                client,
                key_of(request),
                members,
                only_new=request.only_new,
                only_existing=request.only_existing,
            )
        return pb.AddScoredMembersResponse(added=done.added, changed=done.changed, length=done.length)

    async def RemoveScoredMembers(  # noqa: N802  the rpc
        self, request: pb.RemoveScoredMembersRequest, context: Context
    ) -> pb.RemoveScoredMembersResponse:
        """Removes members."""
        del context
        members = all_bytes(request.members, "members")
        async with await self._databases.client(request.database_id) as client:
            done = await sorted_sets.remove(client, key_of(request), members)
        return pb.RemoveScoredMembersResponse(deleted=done.elements, length=done.length)

    async def AddPlaces(  # noqa: N802  the rpc
        self, request: pb.AddPlacesRequest, context: Context
    ) -> pb.AddPlacesResponse:
        """Adds places, or moves them."""
        del context
        places = [
            geo.Place(to_bytes(each.member, f"places[{index}].member"), each.longitude, each.latitude)
            for index, each in enumerate(request.places)
        ]
        async with await self._databases.client(request.database_id) as client:
            return pb.AddPlacesResponse(added=await geo.add(client, key_of(request), places))

    async def SearchPlaces(  # noqa: N802  the rpc
        self, request: pb.SearchPlacesRequest, context: Context
    ) -> pb.SearchPlacesResponse:
        """The places within a radius."""
        del context
        async with await self._databases.client(request.database_id) as client:
            found = await geo.search(
                client,
                key_of(request),
                longitude=request.longitude,
                latitude=request.latitude,
                radius_m=request.radius_m,
                count=request.count or DEFAULTS.default_page_values,
            )
        return pb.SearchPlacesResponse(
            places=[
                pb.Place(
                    member=to_blob(each.member),
                    longitude=each.longitude,
                    latitude=each.latitude,
                    distance_m=each.distance_m,
                )
                for each in found
            ]
        )


def _members(pairs: Iterable[tuple[bytes, str]]) -> list[pb.ScoredMember]:
    return [pb.ScoredMember(member=to_blob(member), score=score) for member, score in pairs]
