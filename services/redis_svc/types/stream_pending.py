"""What consumer groups have delivered and nobody has acknowledged: list, acknowledge, hand to another consumer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for
from services.redis_svc.replies import Command, ServerError, pack
from services.redis_svc.types import stream_ids
from services.redis_svc.types.affordable import affordable
from services.redis_svc.types.ask import check_type, of_type, raise_first, read
from services.redis_svc.types.change import edit
from services.redis_svc.types.streams import TYPE, Entry, checked, text, to_entries

_END = "0-0"
"""What XAUTOCLAIM answers when nothing is left to look at."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that was delivered and not acknowledged."""

    id: str
    """Its id. The entry itself may have been deleted."""
    consumer: bytes
    """Who has it."""
    idle_ms: int
    """Milliseconds since it was delivered."""
    deliveries: int
    """How often it was delivered."""


@dataclass(frozen=True, slots=True)
class PendingPage:
    """Some of them."""

    entries: list[Pending]
    """No more than asked for."""
    total: int
    """All that the group has pending."""
    next_start: str
    """Id of the one behind the page; empty on the last."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a consumer was given."""

    entries: list[Entry]
    """The entries."""
    deleted_ids: list[str]
    """Pending ids whose entries are gone."""
    next_start: str
    """Where the next call begins; empty when nothing is left."""


async def list_pending(
    client: RedisClient,
    key: bytes,
    group: bytes,
    *,
    consumer: bytes | None = None,
    start: str = "",
    count: int = 100,
    min_idle_ms: int = 0,
) -> PendingPage:
    """A page of what is pending: https://redis.io/docs/latest/commands/xpending/.

    Args:
        client: the database.
        key: the key.
        group: the group.
        consumer: only what this one has; None for all.
        start: least id, as `stream_ids.bound` takes it.
        count: most entries.
        min_idle_ms: only those idle for so long; since Redis 6.2.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; ELEMENT_NOT_FOUND for a group that there is not;
            KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    low = stream_ids.bound(start, "start", stream_ids.LEAST)
    idle = (b"IDLE", min_idle_ms) if min_idle_ms else ()
    whose = () if consumer is None else (consumer,)
    command: Command = (b"XPENDING", key, group, *idle, low, stream_ids.GREATEST, count + 1, *whose)
    summary, reply = await read(client, key, TYPE, (b"XPENDING", key, group), command)
    rows = cast("list[tuple[bytes, bytes, int, int]]", of_type(reply, list))
    entries = [Pending(id_.decode(), name, idle_ms, times) for id_, name, idle_ms, times in rows]
    return PendingPage(
        entries=entries[:count],
        total=of_type(of_type(summary, list)[0], int),
        next_start=entries[count].id if len(entries) > count else "",
    )


async def acknowledge(client: RedisClient, key: bytes, group: bytes, ids: Sequence[str]) -> int:
    """Acknowledges entries: https://redis.io/docs/latest/commands/xack/.

    Returns:
        How many were pending.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; ELEMENT_NOT_FOUND for a group that there is not, which
            XACK itself does not say; KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    ack: Command = (b"XACK", key, group, *checked(ids))
    asked = ((b"TYPE", key), (b"XPENDING", key, group), ack)
    type_, summary, acknowledged = await client.link_for(key).request(pack(asked), 3, repeatable=False)
    # Who may acknowledge and not look has acknowledged: only what the looks found counts, not that they were refused.
    if not isinstance(type_, ServerError):
        check_type(type_, TYPE)
    if isinstance(summary, ServerError) and summary.prefix == "NOGROUP":
        raise_for(summary)
    raise_first((ack,), (acknowledged,))
    return of_type(acknowledged, int)


async def claim(
    client: RedisClient,
    key: bytes,
    group: bytes,
    consumer: bytes,
    ids: Sequence[str],
    *,
    min_idle_ms: int = 0,
    count: int = 0,
) -> Claimed:
    """Hands named entries to a consumer: https://redis.io/docs/latest/commands/xclaim/.

    XCLAIM says nothing of an entry that is pending and deleted, so what is pending is looked at first.

    Args:
        client: the database.
        key: the key.
        group: the group.
        consumer: who gets them; made where there is no such consumer.
        ids: of the entries. Those that are not pending are left out.
        min_idle_ms: only those idle for so long.
        count: most entries; 0 for all. Where they are large it is fewer: `next_start` is the first id left.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; ELEMENT_NOT_FOUND for a group that there is not;
            KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    wanted = checked(ids)
    _, most = await affordable(client, key, TYPE, (b"XLEN", key), count or len(ids))
    now = wanted[:most]
    looks: list[Command] = [(b"XPENDING", key, group, each, each, 1) for each in now]
    rows = [
        row
        for reply in await read(client, key, TYPE, *looks)
        for row in cast("list[tuple[bytes, bytes, int, int]]", of_type(reply, list))
    ]
    pending = dict.fromkeys(id_.decode() for id_, _, idle_ms, _ in rows if idle_ms >= min_idle_ms)
    (reply,) = await edit(client, key, TYPE, (b"XCLAIM", key, group, consumer, min_idle_ms, *now))
    entries = to_entries(reply)
    got = {entry.id for entry in entries}
    missing = [each for each in pending if each not in got]
    finds: list[Command] = [(b"XRANGE", key, each, each, b"COUNT", 1) for each in missing]
    found = await read(client, key, TYPE, *finds) if finds else []
    deleted = [each for each, reply in zip(missing, found, strict=True) if not reply]
    return Claimed(entries, deleted, wanted[most] if len(wanted) > most else "")


async def claim_idle(
    client: RedisClient,
    key: bytes,
    group: bytes,
    consumer: bytes,
    *,
    min_idle_ms: int = 0,
    start: str = "",
    count: int = 100,
) -> Claimed:
    """Hands whatever is idle for so long to a consumer: https://redis.io/docs/latest/commands/xautoclaim/.

    Ids whose entries are gone leave what is pending; since Redis 7 the server tells them.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; ELEMENT_NOT_FOUND for a group that there is not;
            NOT_SUPPORTED before Redis 6.2; KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    low = stream_ids.bound(start, "start", stream_ids.LEAST)
    _, most = await affordable(client, key, TYPE, (b"XLEN", key), count)
    command: Command = (b"XAUTOCLAIM", key, group, consumer, min_idle_ms, low, b"COUNT", most)
    (reply,) = await edit(client, key, TYPE, command)
    next_, claimed, *rest = of_type(reply, list)
    gone = of_type(rest[0], list) if rest else []
    following = text(next_)
    return Claimed(to_entries(claimed), [text(each) for each in gone], "" if following == _END else following)
