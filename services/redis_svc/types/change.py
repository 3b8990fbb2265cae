"""Edits in one round trip with what is told beside them: the length after it, or that there was no such key."""

from __future__ import annotations

from collections.abc import Sequence

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.types.ask import check_type, raise_first, raise_typed


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


async def edit(client: RedisClient, key: bytes, type_: str, *commands: Command) -> list[Reply]:
    """Runs commands that change what is there and make nothing where no key is.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type the key has; what the first error reply means.
    """
    asked = ((b"TYPE", key), *commands)
    found, *replies = await client.link_for(key).request(pack(asked), len(asked), repeatable=False)
    if not isinstance(found, ServerError):  # a user who may edit and not ask for the type has edited
        check_type(found, type_)
    raise_first(commands, replies)
    return replies
