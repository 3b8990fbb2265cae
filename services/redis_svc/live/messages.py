"""Messages of channels, and events of keys, which are messages of channels that the server itself writes to."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for
from services.redis_svc.link import Link
from services.redis_svc.live.bounds import Bounds
from services.redis_svc.live.mailbox import Mailbox
from services.redis_svc.live.pace import Pace
from services.redis_svc.replies import Command, ServerError
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

Asked = dict[Link, tuple[list[Command], int]]

SETTING = "notify-keyspace-events"
_CLASSES = frozenset("g$lshzxetdnmA")
"""Kinds of events: https://redis.io/docs/latest/develop/use/keyspace-notifications/#configuration"""


@dataclass(frozen=True, slots=True)
class Message:
    """A message."""

    at_unix_ms: float
    """When it arrived."""
    channel: bytes
    """Where it was published."""
    pattern: bytes
    """The pattern that matched; empty for a channel subscribed by name."""
    payload: bytes
    """What was published."""


def subscriptions(
    client: RedisClient, channels: Iterable[str], patterns: Iterable[str], shard_channels: Iterable[str]
) -> Asked:
    """What to ask of which server. In a Cluster any node has every message, but those of shard channels.

    Raises:
        StudioError: INVALID_ARGUMENT where there is nothing to subscribe to.
    """
    asked: Asked = {}
    for name, texts in ((b"SUBSCRIBE", channels), (b"PSUBSCRIBE", patterns)):
        if words := [text.encode() for text in dict.fromkeys(texts)]:
            _add(asked, client.links[0], (name, *words))
    shards: dict[Link, list[bytes]] = {}
    for text in dict.fromkeys(shard_channels):
        shards.setdefault(client.link_for(text.encode()), []).append(text.encode())
    for link, words in shards.items():
        # One by one: channels of different slots must not share a command.
        for word in words:
            _add(asked, link, (b"SSUBSCRIBE", word))
    if not asked:
        raise invalid_argument("channels", "give a channel, a pattern or a shard channel")
    return asked


async def keyspace_subscriptions(client: RedisClient, database: int, pattern: bytes) -> Asked:
    """What to ask of the servers for events of keys: in a Cluster each tells of its own keys.

    Raises:
        StudioError: NOT_SUPPORTED where a server sends none; the hint says which setting is missing.
    """
    asked: Asked = {}
    for link in client.links:
        reply = await link.execute(b"CONFIG", b"GET", SETTING)
        # Whoever may not ask for the setting may still listen.
        if not isinstance(reply, ServerError) and isinstance(reply, list) and len(reply) > 1:
            value = reply[1]
            _require(value.decode("ascii", "backslashreplace") if isinstance(value, bytes) else "")
        _add(asked, link, (b"PSUBSCRIBE", keyspace_prefix(database) + (pattern or b"*")))
    return asked


def keyspace_prefix(database: int) -> bytes:
    """What stands before the key in a channel of its events."""
    return b"__keyspace@%d__:" % database


async def messages(
    mailbox: Mailbox, bounds: Bounds, check: Callable[[], Awaitable[None]]
) -> AsyncGenerator[Message | None, None]:
    """The messages; None for a heartbeat."""
    pace = Pace(mailbox, bounds, check)
    async for beat in pace.beats():
        message = _message(beat.item) if isinstance(beat.item, list) else None
        if beat.item is None or message is not None:
            pace.said()
            yield message


async def publish(client: RedisClient, channel: bytes, payload: bytes, *, shard: bool) -> int:
    """Publishes a message; returns how many clients of that server received it.

    Raises:
        StudioError: DB_PERMISSION_DENIED; NOT_SUPPORTED where the server has no shard channels; …
    """
    name, link = (b"SPUBLISH", client.link_for(channel)) if shard else (b"PUBLISH", client.links[0])
    reply = await link.execute(name, channel, payload, repeatable=False)
    raise_for(reply, command=name.decode())
    return reply if isinstance(reply, int) else 0


def _add(asked: Asked, link: Link, command: Command) -> None:
    commands, confirmations = asked.get(link, ([], 0))
    asked[link] = ([*commands, command], confirmations + len(command) - 1)


def _require(value: str) -> None:
    flags = set(value)
    if "K" in flags and flags & _CLASSES:
        return
    missing = "K (events by key)" if "K" not in flags else "A (all kinds of events), or some of its kinds"
    needed = "".join(sorted({*flags, "K", "A"} if not flags & _CLASSES else {*flags, "K"}))
    raise StudioError(
        e.ERROR_REASON_NOT_SUPPORTED,
        f"The Redis server sends no keyspace events: its setting {SETTING} is {value!r} and lacks {missing}.",
        hint=f"An administrator can set it: CONFIG SET {SETTING} {needed}",
        metadata={"setting": SETTING, "value": value, "needed": needed},
    )


def _message(item: Sequence[object]) -> Message | None:
    """Formats: https://redis.io/docs/latest/develop/interact/pubsub/#format-of-pushed-messages ."""
    now = time.time() * 1000
    match item:
        case [b"message" | b"smessage", bytes(channel), bytes(payload)]:
            return Message(now, channel, b"", payload)
        case [b"pmessage", bytes(pattern), bytes(channel), bytes(payload)]:
            return Message(now, channel, pattern, payload)
    return None
