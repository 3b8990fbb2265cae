"""Sets: https://redis.io/docs/latest/commands/?group=set. Their pages are `scan`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import key_not_found
from services.redis_svc.types.ask import of_type
from services.redis_svc.types.change import change

TYPE = "set"


@dataclass(frozen=True, slots=True)
class Changed:
    """What an edit did."""

    elements: int
    """Members that it added or removed."""
    length: int
    """Members now; -1 where the user may not ask."""


async def add(client: RedisClient, key: bytes, members: Sequence[bytes]) -> Changed:
    """Adds members: https://redis.io/docs/latest/commands/sadd/.

    Raises:
        StudioError: WRONG_TYPE with the type the key has; DB_PERMISSION_DENIED; …
    """
    (added,), length = await change(client, key, TYPE, [(b"SADD", key, *members)], (b"SCARD", key))
    return Changed(of_type(added, int), length)


async def remove(client: RedisClient, key: bytes, members: Sequence[bytes]) -> Changed:
    """Removes members; the key goes with the last one: https://redis.io/docs/latest/commands/srem/.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type the key has; DB_PERMISSION_DENIED; …
    """
    (removed,), length = await change(client, key, TYPE, [(b"SREM", key, *members)], (b"SCARD", key))
    if not removed and not length:
        raise key_not_found()
    return Changed(of_type(removed, int), length)
