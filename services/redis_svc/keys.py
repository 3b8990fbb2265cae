"""Keys as such, whatever they hold: what is known of one, its name, its expiry, its end.

https://redis.io/docs/latest/commands/?group=generic
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import conflict, key_not_found, raise_for, to_studio_error
from services.redis_svc.key_details import UNKNOWN, Lookup, Wanted
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.redis_svc.types.ask import of_type, raise_first
from services.runtime.errors import StudioError, invalid_argument

_NO_SUCH_KEY = "no such key"
_EXPIRED = -2
"""PTTL of no key (https://redis.io/docs/latest/commands/pttl/)."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """All that is known of a key but its value."""

    type: str
    """As TYPE names it."""
    ttl_ms: int
    """Milliseconds until it expires; -1 when it never does."""
    memory: int
    """Bytes, sampled; -1 where the server does not say."""
    length: int
    """Bytes of a string, entries of any other type; -1 where unknown."""
    encoding: str
    """As OBJECT ENCODING names it; empty where the server does not say."""
    idle_s: int
    """Seconds since its last use; -1 under an LFU policy."""
    frequency: int
    """Logarithmic counter of uses; -1 under any other policy."""
    references: int
    """As OBJECT REFCOUNT answers; -1 where the server does not say."""


async def get_key(client: RedisClient, key: bytes, *, memory_samples: int = 0) -> KeyFacts:
    """What is known of a key.

    Args:
        client: the database.
        key: the key.
        memory_samples: elements that MEMORY USAGE looks at; 0 for the default, never all of them.

    Raises:
        StudioError: KEY_NOT_FOUND; DB_PERMISSION_DENIED.
    """
    limits = dataclasses.replace(client.limits, memory_samples=memory_samples or client.limits.memory_samples)
    lookup = Lookup(Wanted(), "", limits)
    link = client.link_for(key)
    # Before the length: reading that counts as a use of the key.
    objects = pack((b"OBJECT", fact, key) for fact in (b"ENCODING", b"IDLETIME", b"FREQ", b"REFCOUNT"))
    replies = await link.request(objects + lookup.request([key]), 4 + lookup.width)
    encoding, idle, frequency, references = replies[:4]
    for reply in replies[4:6]:  # TYPE and PTTL: without them there is nothing to tell
        raise_for(reply, command="TYPE")
    keys = lookup.keys([key], replies[4:])
    if not keys.names:
        raise key_not_found()
    if asked := lookup.lengths_request(keys):
        lookup.with_lengths(keys, await link.request(*asked))
    return KeyFacts(
        type=keys.types[0],
        ttl_ms=keys.ttls[0],
        memory=keys.memory[0],
        length=keys.lengths[0] if keys.lengths else UNKNOWN,
        encoding=encoding.decode("utf-8", "replace") if isinstance(encoding, bytes) else "",
        idle_s=_number(idle),
        frequency=_number(frequency),
        references=_number(references),
    )


async def rename(client: RedisClient, key: bytes, new_key: bytes, *, overwrite: bool) -> None:
    """Gives a key another name (https://redis.io/docs/latest/commands/renamenx/).

    Raises:
        StudioError: KEY_NOT_FOUND; CONFLICT when the name is taken and may not be overwritten.
    """
    command = b"RENAME" if overwrite else b"RENAMENX"
    reply = await client.link_for(key).execute(command, key, new_key, repeatable=False)
    if isinstance(reply, ServerError) and _NO_SUCH_KEY in reply.text:
        raise key_not_found()
    raise_for(reply, command=command.decode())
    if reply == 0:
        raise _taken()


async def copy(
    client: RedisClient, key: bytes, new_key: bytes, *, overwrite: bool, database: int | None = None
) -> None:
    """Copies a key inside the server, with its expiry (https://redis.io/docs/latest/commands/copy/).

    Args:
        client: the database.
        key: the key.
        new_key: the copy's name.
        overwrite: replace what has that name.
        database: number of the database to copy to; None for the same.

    Raises:
        StudioError: KEY_NOT_FOUND; CONFLICT; INVALID_ARGUMENT for a copy onto itself or a database that there is not;
            NOT_SUPPORTED before Redis 6.2.
    """
    command: Command = (b"COPY", key, new_key)
    if database is not None:
        command += (b"DB", database)
    if overwrite:
        command += (b"REPLACE",)
    link = client.link_for(key)
    # EXISTS behind it: 0 means that there is nothing to copy, or that the name is taken.
    reply, exists = await link.execute_many([command, (b"EXISTS", key)], repeatable=False)
    if isinstance(reply, ServerError):
        if "objects are the same" in reply.text:
            raise invalid_argument("new_key", "is the key itself")
        if "DB index is out of range" in reply.text:
            raise invalid_argument("target_database", "the server has no such database")
        raise to_studio_error(reply, command="COPY")
    if reply == 0:
        raise _taken() if exists == 1 else key_not_found()


async def delete(client: RedisClient, keys: Sequence[bytes]) -> int:
    """Removes keys; the server frees their memory in the background (https://redis.io/docs/latest/commands/unlink/).

    But for Clusters it is one command: all of them go, or none where the user may not touch one.

    Returns:
        How many existed.
    """
    groups = [(key,) for key in keys] if client.is_cluster else [tuple(keys)]
    replies = await _run(client, b"UNLINK", groups)
    refused = [group for group, reply in zip(groups, replies, strict=True) if _lacks_unlink(reply)]
    if refused:
        # Before Redis 4, or not allowed: refused is not executed, so that DEL does nothing twice.
        others = await _run(client, b"DEL", refused)
        if not any(isinstance(reply, ServerError) and reply.prefix == "NOPERM" for reply in others):
            replies = [reply for reply in replies if not _lacks_unlink(reply)] + others
    for reply in replies:
        raise_for(reply, command="UNLINK")
    return sum(of_type(reply, int) for reply in replies)


async def set_expiry(
    client: RedisClient, key: bytes, *, ttl_ms: int | None = None, at_unix_ms: int | None = None
) -> int:
    """Sets when a key expires, or that it never does.

    Args:
        client: the database.
        key: the key.
        ttl_ms: milliseconds from now: https://redis.io/docs/latest/commands/pexpire/
        at_unix_ms: milliseconds since 1970; a time that is over removes the key. Neither: the key never expires.

    Returns:
        Milliseconds until it expires; 0 when it just did, -1 when it never does.

    Raises:
        StudioError: KEY_NOT_FOUND.
    """
    if ttl_ms is not None:
        change: Command = (b"PEXPIRE", key, ttl_ms)
    elif at_unix_ms is not None:
        change = (b"PEXPIREAT", key, at_unix_ms)
    else:
        change = (b"PERSIST", key)
    commands: list[Command] = [(b"EXISTS", key), change, (b"PTTL", key)]
    replies = await client.link_for(key).execute_many(commands, repeatable=False)
    raise_first(commands, replies)
    existed, _, left = (of_type(reply, int) for reply in replies)
    if not existed:
        raise key_not_found()
    return 0 if left == _EXPIRED else left


async def _run(client: RedisClient, name: bytes, groups: Sequence[tuple[bytes, ...]]) -> list[Reply]:
    return await client.execute_many([(group[0], (name, *group)) for group in groups], repeatable=False)


def _lacks_unlink(reply: Reply) -> bool:
    return isinstance(reply, ServerError) and (
        "unknown command" in reply.text or (reply.prefix == "NOPERM" and "'unlink'" in reply.text)
    )


def _number(reply: Reply) -> int:
    return reply if isinstance(reply, int) else UNKNOWN


def _taken() -> StudioError:
    return conflict("A key of the new name exists already; nothing was changed.")
