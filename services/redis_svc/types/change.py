"""An edit and the length after it, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.replies import Command, Reply, pack
from services.redis_svc.types.ask import raise_typed


async def change(
    client: RedisClient, key: bytes, type_: str, commands: Sequence[Command], length: Command
) -> tuple[list[Reply], int]:
    """Runs commands, then counts. A user who may edit and not count has edited: that is no failure.

    Args:
        client: the database.
        key: the key they are about.
        type_: its type, as TYPE names it.
        commands: what to run; sent once, never repeated where they may have been executed.
        length: the command that counts.

    Returns:
        The commands' replies, and the length; -1 where the user may not ask.

    Raises:
        StudioError: WRONG_TYPE with the type the key has; what the first error reply means.
    """
    *replies, counted = await client.link_for(key).request(
        pack((*commands, length)), len(commands) + 1, repeatable=False
    )
    await raise_typed(client, key, type_, commands, replies)
    return replies, counted if isinstance(counted, int) else UNKNOWN
