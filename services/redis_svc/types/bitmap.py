"""Bits of strings (https://redis.io/docs/latest/commands/?group=bitmap)."""

from __future__ import annotations

from collections.abc import Sequence

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command
from services.redis_svc.types.ask import of_type, read, write
from services.redis_svc.types.string import TYPE

MAX_OFFSET = 2**32 - 1
"""Bits of the longest string, 512 MB (https://redis.io/docs/latest/commands/setbit/)."""


async def get_bits(
    client: RedisClient, key: bytes, offsets: Sequence[int], start: int = 0, end: int = -1
) -> tuple[list[int], int]:
    """Single bits, and how many are set in a range.

    Args:
        client: the database.
        key: the key.
        offsets: of the bits, up to `MAX_OFFSET`.
        start: first byte of the range; negative counts from the end.
        end: last byte of the range.

    Returns:
        The bits in the order of the offsets, and the count.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE.
    """
    commands: list[Command] = [(b"GETBIT", key, offset) for offset in offsets]
    *bits, count = await read(client, key, TYPE, *commands, (b"BITCOUNT", key, start, end))
    return [of_type(bit, int) for bit in bits], of_type(count, int)


async def set_bits(client: RedisClient, key: bytes, bits: Sequence[tuple[int, bool]]) -> list[int]:
    """Sets bits, all at once (https://redis.io/docs/latest/commands/bitfield/).

    Returns:
        What they were, in order.
    """
    words: list[bytes | int] = []
    for offset, on in bits:
        words += (b"SET", b"u1", offset, int(on))
    (previous,) = await write(client, key, TYPE, (b"BITFIELD", key, *words))
    return [of_type(bit, int) for bit in of_type(previous, list)]
