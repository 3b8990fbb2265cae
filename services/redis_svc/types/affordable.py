"""How many elements one page may have, judged before they are read: ranges can't be stopped on the way."""

from __future__ import annotations

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command, pack
from services.redis_svc.types.ask import check_type, of_type


async def affordable(
    client: RedisClient, key: bytes, type_: str, length: Command, count: int
) -> tuple[int, int]:
    """The number of elements of a collection, and how many of them a page may have.

    The average size is that of the few elements which MEMORY USAGE samples
    (https://redis.io/docs/latest/commands/memory-usage/); where the user may not ask, pages are short.

    Args:
        client: the database.
        key: the key.
        type_: the type it must have, as TYPE names it.
        length: the command that counts the elements.
        count: most elements that are wanted.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type it has; DB_PERMISSION_DENIED; …
    """
    limits = client.limits
    memory: Command = (b"MEMORY", b"USAGE", key, b"SAMPLES", limits.memory_samples)
    found, counted, size = await client.link_for(key).request(pack(((b"TYPE", key), length, memory)), 3)
    check_type(found, type_)
    total = of_type(counted, int)
    if not isinstance(size, int):
        return total, min(count, limits.page_without_sizes)
    average = max(1, size // max(1, total))
    return total, max(1, min(count, limits.page_bytes // average))
