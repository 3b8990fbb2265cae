"""Commands on one key that should hold one type, in one round trip; says which type it holds where it is another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from services.redis_svc.atomic import Check, compare_and_run
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import key_not_found, raise_for, to_studio_error, wrong_type
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

T = TypeVar("T", bytes, int, list[Reply])


async def read(client: RedisClient, key: bytes, expected: str, *commands: Command) -> list[Reply]:
    """Runs commands that only read; they may be repeated when the connection is lost.

    Args:
        client: the database.
        key: the key they are about.
        expected: its type, as TYPE names it.
        commands: the commands.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type it has; what the first error reply means.
    """
    asked = ((b"TYPE", key), *commands)
    type_, *replies = await client.link_for(key).request(pack(asked), len(asked))
    check_type(type_, expected)
    raise_first(commands, replies)
    return replies


async def write(client: RedisClient, key: bytes, expected: str, *commands: Command) -> list[Reply]:
    """Runs commands that change something: sent once, never repeated where they may have been executed.

    Raises:
        StudioError: WRONG_TYPE with the type the key has; what the first error reply means.
    """
    replies = await client.link_for(key).request(pack(commands), len(commands), repeatable=False)
    await raise_typed(client, key, expected, commands, replies)
    return replies


async def raise_typed(
    client: RedisClient, key: bytes, expected: str, commands: Sequence[Command], replies: Sequence[Reply]
) -> None:
    """Raises what the first error reply means; asks for the key's type where it is the wrong one."""
    if any(isinstance(reply, ServerError) and reply.prefix == "WRONGTYPE" for reply in replies):
        type_ = await client.link_for(key).execute(b"TYPE", key)
        if type_ not in {b"none", expected.encode()}:  # another one by now: the first reply says enough
            check_type(type_, expected)
    raise_first(commands, replies)


async def compare(
    client: RedisClient, key: bytes, expected: str, checks: Sequence[Check], commands: Sequence[Command]
) -> list[Reply]:
    """Runs commands if checks hold, as `atomic.compare_and_run` does; says which type the key has.

    Returns:
        The replies, errors among them.
    """
    try:
        return await compare_and_run(client.link_for(key), key, checks, commands)
    except StudioError as error:
        if error.reason == e.ERROR_REASON_WRONG_TYPE:
            check_type(await client.link_for(key).execute(b"TYPE", key), expected)
        raise


def check_type(reply: Reply, expected: str) -> None:
    """Raises unless TYPE answered with the expected one."""
    if reply == expected.encode():
        return
    raise_for(reply, command="TYPE")
    if reply == b"none":
        raise key_not_found()
    raise wrong_type(
        reply.decode("utf-8", "backslashreplace") if isinstance(reply, bytes) else "value", expected
    )


def raise_first(commands: Sequence[Command], replies: Sequence[Reply]) -> None:
    """Raises what the first error reply means."""
    for command, reply in zip(commands, replies, strict=True):
        if isinstance(reply, ServerError):
            name = command[0]
            raise to_studio_error(reply, command=name.decode() if isinstance(name, bytes) else str(name))


def of_type(reply: Reply, type_: type[T]) -> T:
    """The reply, which is of the type that the command's page gives.

    Raises:
        StudioError: DB_PROTOCOL_ERROR when it is not.
    """
    if isinstance(reply, type_):
        return reply
    raise_for(reply)
    raise StudioError(
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
        "The Redis server answered with a type that the command does not have.",
    )
