"""HyperLogLogs, which live in strings (https://redis.io/docs/latest/commands/?group=hyperloglog)."""

from __future__ import annotations

from collections.abc import Sequence

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import key_not_found, raise_for, wrong_type
from services.redis_svc.replies import Command, Reply, ServerError
from services.redis_svc.types.ask import check_type, of_type

NAME = "HyperLogLog"


async def count(client: RedisClient, keys: Sequence[bytes]) -> int:
    """About how many different elements some HyperLogLogs have seen together. One that is missing has seen none.

    Raises:
        StudioError: KEY_NOT_FOUND when none of them exists; WRONG_TYPE.
    """
    commands: list[Command] = [(b"PFCOUNT", *keys), (b"EXISTS", *keys)]
    found, existing = await client.link_for(keys[0]).execute_many(commands)
    await _check(client, keys, found, "PFCOUNT")
    if existing == 0:
        raise key_not_found()
    return of_type(found, int)


async def add(client: RedisClient, key: bytes, elements: Sequence[bytes]) -> bool:
    """Adds elements; makes the HyperLogLog where there is none.

    Returns:
        Whether the estimate changed.
    """
    reply = await client.link_for(key).execute(b"PFADD", key, *elements, repeatable=False)
    await _check(client, [key], reply, "PFADD")
    return of_type(reply, int) == 1


async def _check(client: RedisClient, keys: Sequence[bytes], reply: Reply, command: str) -> None:
    if isinstance(reply, ServerError) and reply.prefix == "WRONGTYPE":
        types = await client.link_for(keys[0]).execute_many([(b"TYPE", key) for key in keys])
        for type_ in types:
            if type_ not in {b"none", b"string"}:
                check_type(type_, NAME)
        raise wrong_type("string", NAME)
    raise_for(reply, command=command)
