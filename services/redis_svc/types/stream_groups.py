"""Consumer groups of streams, and their consumers: https://redis.io/docs/latest/commands/xgroup/."""

from __future__ import annotations

from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import element_not_found
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.replies import Command, Reply
from services.redis_svc.types import stream_ids
from services.redis_svc.types.ask import of_type, read, write
from services.redis_svc.types.change import edit
from services.redis_svc.types.streams import TYPE, text, to_dict

MOST = 1000
"""Groups, or consumers, that are returned; the server has no pages of them."""


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group."""

    name: bytes
    """Its name."""
    consumers: int
    """Its consumers."""
    pending: int
    """Entries delivered and not acknowledged."""
    last_delivered_id: str
    """Id of the entry delivered last."""
    entries_read: int
    """Entries it has read; -1 where the server does not know: before Redis 7, or after its position was set."""
    lag: int
    """Entries it has not been given; -1 likewise, or after entries behind its position were deleted."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of a group."""

    name: bytes
    """Its name."""
    pending: int
    """Entries it has not acknowledged."""
    idle_ms: int
    """Milliseconds since it last tried to read."""
    inactive_ms: int
    """Milliseconds since it last read something; -1 where it never did, or before Redis 7.2."""


async def list_groups(client: RedisClient, key: bytes) -> list[Group]:
    """The groups: https://redis.io/docs/latest/commands/xinfo-groups/.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type it has; DB_PERMISSION_DENIED; …
    """
    (reply,) = await read(client, key, TYPE, (b"XINFO", b"GROUPS", key))
    found = [to_dict(each) for each in of_type(reply, list)[:MOST]]
    return [
        Group(
            name=of_type(each["name"], bytes),
            consumers=of_type(each["consumers"], int),
            pending=of_type(each["pending"], int),
            last_delivered_id=text(each["last-delivered-id"]),
            entries_read=_known(each.get("entries-read")),
            lag=_known(each.get("lag")),
        )
        for each in found
    ]


async def create(client: RedisClient, key: bytes, group: bytes, start: str, *, create_stream: bool) -> None:
    """Makes a group: https://redis.io/docs/latest/commands/xgroup-create/.

    Args:
        client: the database.
        key: the key.
        group: its name.
        start: entries after this id are delivered; `$` or empty for those from now on.
        create_stream: make the stream where there is none.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; CONFLICT where there is a group of this name;
            KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    command: Command = (b"XGROUP", b"CREATE", key, group, stream_ids.one(start or "$", "start", special="$"))
    if create_stream:
        await write(client, key, TYPE, (*command, b"MKSTREAM"))
    else:
        await edit(client, key, TYPE, command)


async def set_position(client: RedisClient, key: bytes, group: bytes, start: str) -> None:
    """Moves a group: entries after the id are delivered next. https://redis.io/docs/latest/commands/xgroup-setid/.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; ELEMENT_NOT_FOUND for a group that there is not;
            KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    await edit(
        client, key, TYPE, (b"XGROUP", b"SETID", key, group, stream_ids.one(start, "start", special="$"))
    )


async def delete(client: RedisClient, key: bytes, group: bytes) -> None:
    """Removes a group with all it has pending: https://redis.io/docs/latest/commands/xgroup-destroy/.

    Raises:
        StudioError: ELEMENT_NOT_FOUND; KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    (deleted,) = await edit(client, key, TYPE, (b"XGROUP", b"DESTROY", key, group))
    if not deleted:
        raise element_not_found("consumer group")


async def list_consumers(client: RedisClient, key: bytes, group: bytes) -> list[Consumer]:
    """The consumers of a group: https://redis.io/docs/latest/commands/xinfo-consumers/.

    Raises:
        StudioError: ELEMENT_NOT_FOUND for a group that there is not; KEY_NOT_FOUND; WRONG_TYPE; …
    """
    return [
        Consumer(
            name=of_type(each["name"], bytes),
            pending=of_type(each["pending"], int),
            idle_ms=of_type(each["idle"], int),
            inactive_ms=_known(each.get("inactive")),
        )
        for each in (await _consumers(client, key, group))[:MOST]
    ]


async def delete_consumer(client: RedisClient, key: bytes, group: bytes, consumer: bytes) -> int:
    """Removes a consumer; what it had pending is lost to the group.

    https://redis.io/docs/latest/commands/xgroup-delconsumer/ answers 0 also where there is no such consumer, so the
    consumers are looked at first.

    Returns:
        How many entries it had pending.

    Raises:
        StudioError: ELEMENT_NOT_FOUND for a group or consumer that there is not; KEY_NOT_FOUND; WRONG_TYPE; …
    """
    if all(each["name"] != consumer for each in await _consumers(client, key, group)):
        raise element_not_found("consumer")
    (pending,) = await edit(client, key, TYPE, (b"XGROUP", b"DELCONSUMER", key, group, consumer))
    return of_type(pending, int)


async def _consumers(client: RedisClient, key: bytes, group: bytes) -> list[dict[str, Reply]]:
    (reply,) = await read(client, key, TYPE, (b"XINFO", b"CONSUMERS", key, group))
    return [to_dict(each) for each in of_type(reply, list)]


def _known(reply: Reply) -> int:
    return reply if isinstance(reply, int) else UNKNOWN
