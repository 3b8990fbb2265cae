"""Trims streams without holding the server: https://redis.io/docs/latest/commands/xtrim/.

A trim to whole nodes removes about 10,000 entries at most (100 times `stream-node-max-entries`), so it is repeated;
what is left for the exact one is less than a node.
"""

from __future__ import annotations

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command
from services.redis_svc.types import stream_ids
from services.redis_svc.types.ask import of_type, write
from services.redis_svc.types.change import edit
from services.redis_svc.types.streams import TYPE
from services.runtime.errors import invalid_argument

MAX_STEPS = 100_000
"""Steps of one call: others may add to the stream as fast as it is trimmed."""


async def trim(
    client: RedisClient,
    key: bytes,
    *,
    max_length: int | None = None,
    min_id: str = "",
    approximate: bool = False,
) -> int:
    """Removes the oldest entries, step by step.

    Args:
        client: the database.
        key: the key.
        max_length: entries to keep; None where `min_id` says it.
        min_id: the oldest id to keep; since Redis 6.2.
        approximate: whole nodes only: much cheaper, and a few more entries stay.

    Returns:
        How many entries are gone.

    Raises:
        StudioError: INVALID_ARGUMENT unless exactly one of the two is given; KEY_NOT_FOUND; WRONG_TYPE; …
    """
    if (max_length is None) == (not min_id):
        raise invalid_argument("max_length", "or min_id must be given, and not both")
    how = (b"MAXLEN", max_length) if max_length is not None else (b"MINID", stream_ids.one(min_id, "min_id"))
    step: Command = (b"XTRIM", key, how[0], b"~", how[1])
    (reply,) = await edit(client, key, TYPE, step)
    deleted = last = of_type(reply, int)
    for _ in range(MAX_STEPS):
        if not last:
            break
        (reply,) = await write(client, key, TYPE, step)
        last = of_type(reply, int)
        deleted += last
    if not approximate:
        (reply,) = await write(client, key, TYPE, (b"XTRIM", key, how[0], b"=", how[1]))
        deleted += of_type(reply, int)
    return deleted
