"""Items of lists, by index from both ends. Pages of them: `list_page`.

https://redis.io/docs/latest/commands/?group=list
"""

from __future__ import annotations

from collections.abc import Sequence

from services.redis_svc.atomic import Check
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import element_not_found, key_not_found, not_supported
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.replies import Command, Reply, ServerError
from services.redis_svc.types.ask import check_type, compare, of_type, raise_first, raise_typed, write
from services.redis_svc.types.change import change
from services.redis_svc.types.list_page import TYPE, whole_items
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


async def push(
    client: RedisClient, key: bytes, items: Sequence[bytes], *, left: bool = False, if_exists: bool = False
) -> int:
    """Adds items to one end, one after the other: on the left the last one becomes the first of the list.

    https://redis.io/docs/latest/commands/lpush/, https://redis.io/docs/latest/commands/rpushx/

    Returns:
        Items of the list now.

    Raises:
        StudioError: KEY_NOT_FOUND when there must be a list and is none; WRONG_TYPE.
    """
    name = (b"LPUSH" if left else b"RPUSH") + (b"X" if if_exists else b"")
    (reply,) = await write(client, key, TYPE, (name, key, *items))
    length = of_type(reply, int)
    if not length:
        raise key_not_found()
    return length


async def set_item(
    client: RedisClient, key: bytes, index: int, content: bytes, *, expected: bytes | None = None
) -> int:
    """Replaces an item (https://redis.io/docs/latest/commands/lset/).

    Args:
        client: the database.
        key: the key.
        index: of the item; negative counts from the end.
        content: the new item.
        expected: what it must still be; None for anything.

    Returns:
        Items of the list; -1 where the user may not ask.

    Raises:
        StudioError: KEY_NOT_FOUND; ELEMENT_NOT_FOUND beyond either end; CONFLICT when the item is another by now, or
            none; WRONG_TYPE.
    """
    commands: list[Command] = [(b"LSET", key, index, content), (b"LLEN", key)]
    link = client.link_for(key)
    if expected is None:
        replies = await link.execute_many(commands, repeatable=False)
    else:
        checks = [Check((b"LINDEX", key, index), expected)]
        replies = await compare(client, key, TYPE, checks, commands)
    done = replies[0]
    if isinstance(done, ServerError) and "no such key" in done.text:
        raise key_not_found()
    if isinstance(done, ServerError) and "index out of range" in done.text:
        raise element_not_found("item")
    await raise_typed(client, key, TYPE, commands[:1], replies[:1])
    return _count(replies[1])


async def insert(client: RedisClient, key: bytes, pivot: bytes, content: bytes, *, before: bool) -> int:
    """Inserts an item beside the first one that equals the pivot (https://redis.io/docs/latest/commands/linsert/).

    Returns:
        Items of the list now.

    Raises:
        StudioError: KEY_NOT_FOUND; ELEMENT_NOT_FOUND when no item equals the pivot; WRONG_TYPE.
    """
    where = b"BEFORE" if before else b"AFTER"
    (reply,) = await write(client, key, TYPE, (b"LINSERT", key, where, pivot, content))
    length = of_type(reply, int)
    if length < 0:
        raise element_not_found("item")
    if not length:
        raise key_not_found()
    return length


async def remove(client: RedisClient, key: bytes, content: bytes, count: int = 0) -> int:
    """Removes items that equal a value (https://redis.io/docs/latest/commands/lrem/).

    Args:
        client: the database.
        key: the key.
        content: the value.
        count: how many from the beginning, or from the end where negative; 0 for all.

    Returns:
        How many there were.
    """
    (removed,) = await write(client, key, TYPE, (b"LREM", key, count, content))
    return of_type(removed, int)


async def trim(client: RedisClient, key: bytes, start: int, stop: int) -> int:
    """Keeps a range of items; the list goes where it is empty (https://redis.io/docs/latest/commands/ltrim/).

    Returns:
        Items of the list now; -1 where the user may not ask.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE.
    """
    exists: Command = (b"EXISTS", key)
    (existed, _), length = await change(
        client, key, TYPE, [exists, (b"LTRIM", key, start, stop)], (b"LLEN", key)
    )
    if not existed:
        raise key_not_found()
    return length


async def move(client: RedisClient, key: bytes, target: bytes, *, from_left: bool, to_left: bool) -> bytes:
    """Moves an item from one end of a list to one end of another (https://redis.io/docs/latest/commands/lmove/).

    Returns:
        The item.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE of either list; NOT_SUPPORTED before Redis 6.2, but for the one
            direction that RPOPLPUSH has.
    """
    sides = {True: b"LEFT", False: b"RIGHT"}
    command: Command = (b"LMOVE", key, target, sides[from_left], sides[to_left])
    link = client.link_for(key)
    reply = await link.execute(*command, repeatable=False)
    if isinstance(reply, ServerError) and "unknown command" in reply.text:
        if from_left or not to_left:
            raise not_supported("LMOVE")
        command = (b"RPOPLPUSH", key, target)
        reply = await link.execute(*command, repeatable=False)
    if isinstance(reply, ServerError) and reply.prefix == "WRONGTYPE":
        for each in await link.execute_many([(b"TYPE", key), (b"TYPE", target)]):
            if each != b"none":
                check_type(each, TYPE)
    raise_first([command], [reply])
    if reply is None:
        raise key_not_found()
    return of_type(reply, bytes)


async def pop(client: RedisClient, key: bytes, *, left: bool, count: int = 0) -> tuple[list[bytes], int]:
    """Takes items from one end, as many as an answer should hold: those that don't fit stay in the list.

    They are looked at before they are taken (https://redis.io/docs/latest/commands/lpop/): an answer that is too large
    to arrive must not cost an item.

    Args:
        client: the database.
        key: the key.
        left: from the beginning.
        count: most items; 0 for the default.

    Returns:
        The items in the order in which they were taken, and how many are left.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE; PAYLOAD_TOO_LARGE for an item that no answer holds.
    """
    count = count or client.limits.default_page_values
    seen, _, length = await whole_items(client, key, 0 if left else -count, count)
    if not left and len(seen) < min(count, length):
        # A page goes forward. Seen from the other end only the last item is known to fit.
        seen, _, _ = await whole_items(client, key, -1, 1)
    most = client.limits.max_value_bytes
    if seen and len(seen[0]) > most:
        raise StudioError(
            e.ERROR_REASON_PAYLOAD_TOO_LARGE,
            f"The item has {len(seen[0])} bytes; {most} are the most that one call returns. It is still in the list.",
        )
    name = b"LPOP" if left else b"RPOP"
    commands: list[Command] = [(name, key, len(seen)), (b"LLEN", key)]
    link = client.link_for(key)
    replies = await link.execute_many(commands, repeatable=False)
    if isinstance(replies[0], ServerError) and "wrong number of arguments" in replies[0].text:
        # Before Redis 6.2 it takes no count.
        commands = [*[(name, key)] * len(seen), (b"LLEN", key)]
        *singles, rest = await link.execute_many(commands, repeatable=False)
        replies = [[each for each in singles if each is not None], rest]
    await raise_typed(client, key, TYPE, commands[:1], replies[:1])
    if not replies[0]:  # gone since
        raise key_not_found()
    return [of_type(item, bytes) for item in of_type(replies[0], list)], _count(replies[1])


def _count(reply: Reply) -> int:
    """LLEN behind an edit: a user who may edit and not count has edited."""
    return reply if isinstance(reply, int) else UNKNOWN
