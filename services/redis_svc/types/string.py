"""Strings in part: append, overwrite, count. Whole values and their ranges: `values`.

https://redis.io/docs/latest/commands/?group=string
"""

from __future__ import annotations

from services.redis_svc.atomic import Check
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import to_studio_error
from services.redis_svc.replies import Command, ServerError
from services.redis_svc.types.ask import compare, of_type, raise_typed, write
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

TYPE = "string"
_INT64 = range(-(2**63), 2**63)
_NO_NUMBER = ("value is not an integer", "value is not a valid float", "would overflow", "NaN or Infinity")


async def append(client: RedisClient, key: bytes, content: bytes) -> int:
    """Adds bytes to the end (https://redis.io/docs/latest/commands/append/).

    Returns:
        Bytes of the value now.
    """
    (length,) = await write(client, key, TYPE, (b"APPEND", key, content))
    return of_type(length, int)


async def set_range(
    client: RedisClient, key: bytes, offset: int, content: bytes, expected: bytes | None = None
) -> int:
    """Overwrites part of a string (https://redis.io/docs/latest/commands/setrange/).

    Args:
        client: the database.
        key: the key.
        offset: the first byte to overwrite.
        content: what to write.
        expected: what must still stand there, where it matters.

    Returns:
        Bytes of the value now.

    Raises:
        StudioError: CONFLICT when something else stands there; nothing is changed then.
    """
    command = (b"SETRANGE", key, offset, content)
    if expected is None:
        (length,) = await write(client, key, TYPE, command)
        return of_type(length, int)
    check = Check((b"GETRANGE", key, offset, offset + max(len(expected), 1) - 1), expected)
    replies = await compare(client, key, TYPE, [check], [command])
    await raise_typed(client, key, TYPE, (command,), replies)
    return of_type(replies[0], int)


async def increment(client: RedisClient, key: bytes, by: str) -> str:
    """Adds to the number that a string holds; a missing key counts as 0.

    Args:
        client: the database.
        key: the key.
        by: a decimal number. A whole one is added exactly (https://redis.io/docs/latest/commands/incrby/), any other
            as a long double (https://redis.io/docs/latest/commands/incrbyfloat/).

    Returns:
        The number now, in decimal.

    Raises:
        StudioError: DB_QUERY_ERROR when the key holds no such number; INVALID_ARGUMENT beyond 64 bits.
    """
    command: Command
    if "." in by:
        command = (b"INCRBYFLOAT", key, by.lstrip("+"))
    else:
        number = int(by)
        if number not in _INT64:
            raise invalid_argument("by", "a whole number has 64 bits at most")
        command = (b"INCRBY", key, number)
    reply = await client.link_for(key).execute(*command, repeatable=False)
    if isinstance(reply, ServerError) and any(text in reply.text for text in _NO_NUMBER):
        raise StudioError(
            e.ERROR_REASON_DB_QUERY_ERROR,
            "The key does not hold a number that this can be added to: "
            f"{to_studio_error(reply).message.rpartition(': ')[2]}.",
            hint="A whole number is added to whole numbers of 64 bits only; write 1.0 to count as a float.",
        )
    await raise_typed(client, key, TYPE, (command,), (reply,))
    return str(reply) if isinstance(reply, int) else of_type(reply, bytes).decode()
