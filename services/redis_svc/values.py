"""Reads and sets string values, each in one round trip."""

from __future__ import annotations

from dataclasses import dataclass

from services.redis_svc.atomic import Check, changed, compare_and_run
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import key_not_found, raise_for, to_studio_error, wrong_type
from services.redis_svc.replies import Command, Reply, ServerError, bulk, pack, prefix
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

_TYPE = prefix(2, (b"TYPE",))
_PTTL = prefix(2, (b"PTTL",))
_STRLEN = prefix(2, (b"STRLEN",))
_GETRANGE = prefix(4, (b"GETRANGE",))


@dataclass(frozen=True, slots=True)
class Value:
    """A range of a string value."""

    content: bytes
    """The bytes of the range."""
    ttl_ms: int
    """Milliseconds until the key expires; -1 when it never does."""
    length: int
    """Bytes of the whole value."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How a value is set: the options of https://redis.io/docs/latest/commands/set/."""

    ttl_ms: int | None = None
    """PX; None for no expiry."""
    keep_ttl: bool = False
    """KEEPTTL."""
    if_not_exists: bool = False
    """NX."""
    if_exists: bool = False
    """XX."""
    expected: bytes | None = None
    """What the key must still hold; None for anything or nothing."""


async def get(client: RedisClient, key: bytes, *, offset: int = 0, limit: int = 0) -> Value:
    """A range of a string value.

    Args:
        client: the database.
        key: the key.
        offset: first byte.
        limit: most bytes; 0 for the default.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE with the type it has.
    """
    limit = limit or client.limits.default_range_bytes
    name = bulk(key)
    range_ = bulk(b"%d" % offset) + bulk(b"%d" % (offset + limit - 1))
    payload = b"".join((_TYPE, name, _PTTL, name, _STRLEN, name, _GETRANGE, name, range_))
    type_, ttl, length, content = await client.link_for(key).request(payload, 4)
    # The common case first: four checks, no calls.
    if type_ == b"string" and type(ttl) is int and type(length) is int and type(content) is bytes:
        if ttl == -2:  # noqa: PLR2004  PTTL of no key: it expired between the commands
            raise key_not_found()
        return Value(content, ttl, length)
    raise_for(type_, command="TYPE")
    if type_ == b"none":
        raise key_not_found()
    if type_ != b"string":
        raise wrong_type(type_.decode("utf-8", "backslashreplace") if isinstance(type_, bytes) else "value")
    for reply, command in ((ttl, "PTTL"), (length, "STRLEN"), (content, "GETRANGE")):
        raise_for(reply, command=command)
    raise StudioError(
        e.ERROR_REASON_DB_PROTOCOL_ERROR,
        "The Redis server answered with a type that the command does not have.",
    )


async def set_value(client: RedisClient, key: bytes, value: bytes, setting: Setting) -> None:
    """Sets a string value. Sent once: never repeated where it may have been executed.

    Raises:
        StudioError: CONFLICT when the key exists and must not, or holds something else than expected; KEY_NOT_FOUND
            when it doesn't exist and must; PAYLOAD_TOO_LARGE; DB_READ_ONLY; …
    """
    most = client.limits.max_value_bytes
    if len(value) > most:
        raise StudioError(
            e.ERROR_REASON_PAYLOAD_TOO_LARGE,
            f"The value has {len(value)} bytes; {most} are the most that can be set in one call.",
        )
    command: Command = (b"SET", key, value)
    if setting.ttl_ms is not None:
        command += (b"PX", setting.ttl_ms)
    if setting.keep_ttl:
        command += (b"KEEPTTL",)
    if setting.if_not_exists:
        command += (b"NX",)
    if setting.if_exists:
        command += (b"XX",)
    reply: Reply
    if setting.expected is None:
        (reply,) = await client.link_for(key).request(pack((command,)), 1, repeatable=False)
    else:
        reply = await _set_if(client, key, command, setting)
    if isinstance(reply, ServerError):
        raise to_studio_error(reply, command="SET")
    if reply is None:
        if setting.if_exists:
            raise key_not_found()
        raise StudioError(e.ERROR_REASON_CONFLICT, "The key exists already.")


async def _set_if(client: RedisClient, key: bytes, command: Command, setting: Setting) -> Reply:
    if setting.if_not_exists:
        raise invalid_argument("expected", "a key that must not exist holds nothing")
    check = Check((b"GET", key), setting.expected or b"")
    try:
        (reply,) = await compare_and_run(client.link_for(key), key, [check], [command])
    except StudioError as error:
        if error.reason == e.ERROR_REASON_WRONG_TYPE:
            # It held a string when the caller read it.
            raise changed() from None
        raise
    return reply
