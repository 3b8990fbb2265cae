"""Entries of streams: https://redis.io/docs/latest/commands/?group=stream. Groups are `stream_groups`'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.types import stream_ids
from services.redis_svc.types.affordable import affordable
from services.redis_svc.types.ask import of_type, raise_typed
from services.redis_svc.types.change import edit
from services.runtime.errors import invalid_argument

TYPE = "stream"
_BAD_ID = ("equal or smaller than the target", "must be greater than 0-0", "Invalid stream ID")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry."""

    id: str
    """Its id."""
    fields: list[tuple[bytes, bytes]]
    """Names and values in their order; a name may occur twice."""


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A range of entries."""

    entries: list[Entry]
    """No more than asked for."""
    length: int
    """Entries of the stream."""
    first_id: str
    """Id of the oldest; empty where there is none, or the user may not ask."""
    last_id: str
    """Id that was given last; empty where the user may not ask."""
    next_start: str
    """Id of the entry behind the page; empty on the last."""


async def list_entries(
    client: RedisClient,
    key: bytes,
    *,
    start: str = "",
    end: str = "",
    count: int = 100,
    reverse: bool = False,
) -> EntryPage:
    """A range of entries; a page of large ones ends early. https://redis.io/docs/latest/commands/xrange/.

    Args:
        client: the database.
        key: the key.
        start: least id, as `stream_ids.bound` takes it.
        end: greatest id.
        count: most entries.
        reverse: newest first.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    low = stream_ids.bound(start, "start", stream_ids.LEAST)
    high = stream_ids.bound(end, "end", stream_ids.GREATEST)
    length, count = await affordable(client, key, TYPE, (b"XLEN", key), count)
    # One more than the page holds tells where the next one begins.
    ends = (high, low) if reverse else (low, high)
    command: Command = (b"XREVRANGE" if reverse else b"XRANGE", key, *ends, b"COUNT", count + 1)
    asked = (command, (b"XINFO", b"STREAM", key))
    found, info = await client.link_for(key).request(pack(asked), 2)
    await raise_typed(client, key, TYPE, (command,), (found,))
    entries = to_entries(found)
    facts = to_dict(info) if isinstance(info, list) else {}
    first = facts.get("first-entry")
    return EntryPage(
        entries=entries[:count],
        length=length,
        first_id=text(first[0]) if isinstance(first, list) else "",
        last_id=text(facts.get("last-generated-id", b"")),
        next_start=entries[count].id if len(entries) > count else "",
    )


async def add(
    client: RedisClient,
    key: bytes,
    fields: Sequence[tuple[bytes, bytes]],
    *,
    id_: str = "",
    max_length: int = 0,
) -> str:
    """Adds an entry: https://redis.io/docs/latest/commands/xadd/.

    Args:
        client: the database.
        key: the key.
        fields: names and values, in their order.
        id_: as `stream_ids.new` takes it.
        max_length: trim the stream to about this length; 0 for no trimming.

    Returns:
        The entry's id.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none, or not greater than the last one; WRONG_TYPE; …
    """
    trim = (b"MAXLEN", b"~", max_length) if max_length else ()
    pairs = (part for field in fields for part in field)
    command: Command = (b"XADD", key, *trim, stream_ids.new(id_), *pairs)
    reply = await client.link_for(key).execute(*command, repeatable=False)
    if isinstance(reply, ServerError) and any(words in reply.text for words in _BAD_ID):
        raise invalid_argument("id", "must be greater than the id that was given last, and than 0-0")
    await raise_typed(client, key, TYPE, (command,), (reply,))
    return text(reply)


async def delete(client: RedisClient, key: bytes, ids: Sequence[str]) -> int:
    """Removes entries: https://redis.io/docs/latest/commands/xdel/.

    Returns:
        How many there were.

    Raises:
        StudioError: INVALID_ARGUMENT for an id that is none; KEY_NOT_FOUND; WRONG_TYPE with the type it has; …
    """
    (deleted,) = await edit(client, key, TYPE, (b"XDEL", key, *checked(ids)))
    return of_type(deleted, int)


def checked(ids: Sequence[str]) -> list[str]:
    """The ids, each of which is one.

    Raises:
        StudioError: INVALID_ARGUMENT naming the field.
    """
    return [stream_ids.one(each, f"ids[{index}]") for index, each in enumerate(ids)]


def to_entries(reply: Reply) -> list[Entry]:
    """Entries as XRANGE and XCLAIM answer them; without those of which only the id is left (before Redis 7)."""
    found = cast("list[tuple[bytes, list[bytes]] | None]", of_type(reply, list))
    return [
        Entry(each[0].decode(), list(zip(each[1][::2], each[1][1::2], strict=True)))
        for each in found
        if each is not None and each[1] is not None
    ]


def to_dict(reply: Reply) -> dict[str, Reply]:
    """Names and values as XINFO answers them, one behind the other."""
    flat = of_type(reply, list)
    return {text(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def text(reply: Reply) -> str:
    """An id or a name that is ASCII."""
    return of_type(reply, bytes).decode()
