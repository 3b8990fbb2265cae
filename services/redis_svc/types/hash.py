"""Fields of hashes: one whole, set, removed, with an expiry of their own. Pages of them: `hash_page`.

https://redis.io/docs/latest/commands/?group=hash
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.atomic import MAX_WORDS, Check, Match
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import element_not_found, key_not_found
from services.redis_svc.key_details import UNKNOWN
from services.redis_svc.replies import Command
from services.redis_svc.types.ask import compare, of_type, raise_typed, read, write
from services.redis_svc.types.change import change
from services.redis_svc.types.hash_page import NO_TTL, TYPE, Field
from services.redis_svc.types.part import part
from services.runtime.errors import invalid_argument

_AT_A_TIME = MAX_WORDS // 2 - 1
"""Fields of one HSET inside a script."""
_UNLIKELY = 32
"""Bytes of a name that no field has."""


@dataclass(frozen=True, slots=True)
class NewField:
    """What to set a field to, and on which condition."""

    name: bytes
    """Its name."""
    content: bytes
    """Its value from now on."""
    ttl_ms: int | None = None
    """Milliseconds until it expires; None for never."""
    expected: bytes | None = None
    """What it must still hold; None for anything or nothing."""
    absent: bool = False
    """It must not exist."""


async def get_field(
    client: RedisClient, key: bytes, name: bytes, *, offset: int = 0, limit: int = 0
) -> Field:
    """One field, or a range of its value.

    Args:
        client: the database.
        key: the key.
        name: of the field.
        offset: first byte.
        limit: most bytes; 0 for the default.

    Raises:
        StudioError: KEY_NOT_FOUND; ELEMENT_NOT_FOUND; WRONG_TYPE; PAYLOAD_TOO_LARGE.
    """
    (reply,) = await read(client, key, TYPE, (b"HSTRLEN", key, name))
    length = of_type(reply, int)
    limit = limit or client.limits.default_range_bytes
    content = await part(client, key, (b"HGET", key, name), length, offset=offset, limit=limit)
    if content is None:
        raise element_not_found("field")
    found = await client.link_for(key).execute(b"HPTTL", key, b"FIELDS", 1, name)
    # A server without it, or a user who may not ask, is no reason to withhold the value.
    ttl = found[0] if isinstance(found, list) and found else NO_TTL
    return Field(name, content, length, ttl if isinstance(ttl, int) else NO_TTL)


async def set_fields(client: RedisClient, key: bytes, fields: Sequence[NewField]) -> tuple[int, int]:
    """Sets fields, all or none (https://redis.io/docs/latest/commands/hset/).

    Returns:
        How many are new, and how many the hash has now; -1 where the user may not ask.

    Raises:
        StudioError: CONFLICT when a field is not as expected; NOT_SUPPORTED where fields can't expire; WRONG_TYPE; …
    """
    if len({field.name for field in fields}) < len(fields):
        raise invalid_argument("fields", "names the same field twice")
    checks = [check for field in fields for check in _checks(key, field)]
    expiry = next((field.ttl_ms for field in fields if field.ttl_ms is not None), None)
    if not checks and expiry is None:
        pairs = [word for field in fields for word in (field.name, field.content)]
        (reply,), length = await change(client, key, TYPE, [(b"HSET", key, *pairs)], (b"HLEN", key))
        return of_type(reply, int), length
    if expiry is not None:
        await _check_expiry(client, key, expiry)
    commands = _writes(key, fields)
    replies = await compare(client, key, TYPE, checks, commands)
    await raise_typed(client, key, TYPE, commands[:-1], replies[:-1])
    added = sum(
        of_type(reply, int) for command, reply in zip(commands, replies, strict=True) if command[0] == b"HSET"
    )
    counted = replies[-1]
    return added, counted if isinstance(counted, int) else UNKNOWN


async def delete_fields(client: RedisClient, key: bytes, names: Sequence[bytes]) -> int:
    """Removes fields; the hash goes with its last one (https://redis.io/docs/latest/commands/hdel/).

    Returns:
        How many existed.
    """
    (deleted,) = await write(client, key, TYPE, (b"HDEL", key, *names))
    return of_type(deleted, int)


async def expire_fields(
    client: RedisClient, key: bytes, names: Sequence[bytes], *, ttl_ms: int | None = None
) -> list[int]:
    """Sets or removes the expiry of fields (https://redis.io/docs/latest/commands/hpexpire/).

    Args:
        client: the database.
        key: the key.
        names: the fields.
        ttl_ms: milliseconds from now; None for never (https://redis.io/docs/latest/commands/hpersist/).

    Returns:
        For each field what the command answers: 1 done, -1 there was none to remove, -2 no such field, 2 removed.

    Raises:
        StudioError: KEY_NOT_FOUND; NOT_SUPPORTED before Redis 7.4 and Valkey 9.
    """
    change: Command = (b"HPERSIST", key) if ttl_ms is None else (b"HPEXPIRE", key, ttl_ms)
    exists, results = await write(
        client, key, TYPE, (b"EXISTS", key), (*change, b"FIELDS", len(names), *names)
    )
    if not exists:
        raise key_not_found()
    return [of_type(result, int) for result in of_type(results, list)]


def _checks(key: bytes, field: NewField) -> list[Check]:
    command: Command = (b"HGET", key, field.name)
    if field.absent:
        return [Check(command, match=Match.ABSENT)]
    return [] if field.expected is None else [Check(command, field.expected)]


def _writes(key: bytes, fields: Sequence[NewField]) -> list[Command]:
    """HSET takes the expiry of what it sets away, so that only new ones need to be set."""
    commands: list[Command] = []
    for start in range(0, len(fields), _AT_A_TIME):
        some = fields[start : start + _AT_A_TIME]
        commands.append((b"HSET", key, *(word for field in some for word in (field.name, field.content))))
    expiring: dict[int, list[bytes]] = {}
    for field in fields:
        if field.ttl_ms is not None:
            expiring.setdefault(field.ttl_ms, []).append(field.name)
    for ttl_ms, names in expiring.items():
        for start in range(0, len(names), _AT_A_TIME):
            some_names = names[start : start + _AT_A_TIME]
            commands.append((b"HPEXPIRE", key, ttl_ms, b"FIELDS", len(some_names), *some_names))
    return [*commands, (b"HLEN", key)]


async def _check_expiry(client: RedisClient, key: bytes, ttl_ms: int) -> None:
    """Raises where fields can't expire, or the user may not make them: before HSET, not after it.

    Asks for a field that there is not, which changes nothing.
    """
    await write(client, key, TYPE, (b"HPEXPIRE", key, ttl_ms, b"FIELDS", 1, os.urandom(_UNLIKELY)))
