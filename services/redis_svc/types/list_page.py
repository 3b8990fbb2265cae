"""A page of a list's items, bounded in bytes as well as in number: a hundred items may have a gigabyte.

Redis tells no item's length without sending the item. So LRANGE asks for as many at a time as should fit, judging from
the list's average (MEMORY USAGE, sampled) and from the largest item seen, and the page ends early once it is full; a
reply that is larger than a connection takes is asked for again item by item.

https://redis.io/docs/latest/commands/lrange/
"""

from __future__ import annotations

from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.types.ask import check_type, of_type, raise_first, read
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

TYPE = "list"
_CAUTIOUS_COUNT = 10
"""Items to ask for where nothing tells how long they are."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item, or a part of it."""

    content: bytes
    """As much as was asked for."""
    length: int
    """Bytes of the whole item."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some items."""

    items: list[Item]
    """In order. Fewer than asked for where they are long."""
    start: int
    """Index of the first one, from the beginning."""
    length: int
    """Items of the list."""


async def list_items(
    client: RedisClient, key: bytes, *, start: int = 0, count: int = 0, offset: int = 0, max_bytes: int = 0
) -> Page:
    """A range of items.

    Args:
        client: the database.
        key: the key.
        start: index of the first one; negative counts from the end.
        count: most items; 0 for the default.
        offset: first byte of each item to return.
        max_bytes: most bytes of each item; 0 for the default.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE; RESOURCE_EXHAUSTED for an item that one reply can't hold.
    """
    longest = max_bytes or client.limits.default_value_bytes
    contents, first, length = await whole_items(
        client, key, start, count or client.limits.default_page_values
    )
    return Page([Item(item[offset : offset + longest], len(item)) for item in contents], first, length)


async def whole_items(
    client: RedisClient, key: bytes, start: int, count: int
) -> tuple[list[bytes], int, int]:
    """Items whole, as many as a page may hold; at least one, where there is any.

    Returns:
        The items, the index of the first one from the beginning, and how many items the list has.
    """
    link, budget = client.link_for(key), client.limits.page_value_bytes
    type_, length_reply, size = await link.execute_many(
        [(b"TYPE", key), (b"LLEN", key), (b"MEMORY", b"USAGE", key)]
    )
    check_type(type_, TYPE)
    raise_first([(b"LLEN", key)], [length_reply])
    length = of_type(length_reply, int)
    first = max(0, length + start) if start < 0 else start
    count = min(count, max(0, length - first))
    # A user may lack MEMORY, and a server may, too.
    largest = max(1, size // max(1, length)) if isinstance(size, int) else budget // _CAUTIOUS_COUNT
    items: list[bytes] = []
    taken = 0
    while len(items) < count and taken < budget:
        step = max(1, min(count - len(items), (budget - taken) // largest))
        at = first + len(items)
        try:
            (reply,) = await read(client, key, TYPE, (b"LRANGE", key, at, at + step - 1))
        except StudioError as error:
            if error.reason != e.ERROR_REASON_RESOURCE_EXHAUSTED or step == 1:
                raise
            largest = budget  # far above the average: one by one from here
            continue
        some = [of_type(item, bytes) for item in of_type(reply, list)]
        if not some:
            break  # the list has become shorter
        items += some
        taken += sum(map(len, some))
        largest = max(largest, *map(len, some))
    return items, first, length
