"""Places in sorted sets: https://redis.io/docs/latest/commands/?group=geo.

The server keeps 52 bits of a position: what is read differs from what was added by less than a metre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command
from services.redis_svc.types.affordable import affordable
from services.redis_svc.types.ask import of_type, read, write
from services.redis_svc.types.sorted_sets import TYPE


@dataclass(frozen=True, slots=True)
class Place:
    """A place."""

    member: bytes
    """Its name."""
    longitude: float
    """Degrees east."""
    latitude: float
    """Degrees north."""
    distance_m: float = 0.0
    """Metres from the centre of a search."""


async def add(client: RedisClient, key: bytes, places: Sequence[Place]) -> int:
    """Adds places, or moves them: https://redis.io/docs/latest/commands/geoadd/.

    Returns:
        How many are new.

    Raises:
        StudioError: WRONG_TYPE with the type the key has; DB_PERMISSION_DENIED; …
    """
    words: list[bytes | str] = []
    for place in places:
        words += (repr(place.longitude), repr(place.latitude), place.member)
    (added,) = await write(client, key, TYPE, (b"GEOADD", key, *words))
    return of_type(added, int)


async def search(
    client: RedisClient, key: bytes, *, longitude: float, latitude: float, radius_m: float, count: int
) -> list[Place]:
    """The places within a radius, nearest first: https://redis.io/docs/latest/commands/geosearch/.

    Args:
        client: the database.
        key: the key.
        longitude: degrees east of the centre.
        latitude: degrees north of the centre.
        radius_m: metres.
        count: most places; fewer where they have large names.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type it has; NOT_SUPPORTED before Redis 6.2; …
    """
    _, count = await affordable(client, key, TYPE, (b"ZCARD", key), count)
    command: Command = (b"GEOSEARCH", key, b"FROMLONLAT", repr(longitude), repr(latitude))
    command += (b"BYRADIUS", repr(radius_m), b"m", b"ASC", b"COUNT", count, b"WITHCOORD", b"WITHDIST")
    (reply,) = await read(client, key, TYPE, command)
    found = cast("list[tuple[bytes, bytes, tuple[bytes, bytes]]]", of_type(reply, list))
    return [
        Place(member, float(longitude), float(latitude), float(distance))
        for member, distance, (longitude, latitude) in found
    ]
