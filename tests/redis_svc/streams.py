"""Streams that the tests of streams share."""

from __future__ import annotations

from redis.asyncio import Redis

from services.redis_svc.types.streams import Entry


async def fill(redis: Redis, entries: int) -> list[str]:
    """A stream `s` with entries 1-0, 2-0, …; returns their ids."""
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(1, entries + 1):
            pipe.xadd("s", {"n": number}, id=f"{number}-0")
        await pipe.execute()
    return [f"{number}-0" for number in range(1, entries + 1)]


async def deliver(redis: Redis, *, count: int | None = None, consumer: str = "c") -> None:
    """Gives entries of `s` to a consumer of the group `g`."""
    await redis.xreadgroup("g", consumer, {"s": ">"}, count=count)


def ids(entries: list[Entry]) -> list[str]:
    return [entry.id for entry in entries]
