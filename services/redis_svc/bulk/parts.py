"""Reads a large value part by part, each of about the same size, with the commands that page through its type."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import cast

from services.redis_svc.bulk.bounds import Bounds
from services.redis_svc.bulk.lines import Json, blob
from services.redis_svc.bulk.reading import Entry
from services.redis_svc.link import ServerLink
from services.redis_svc.replies import Reply, ServerError
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_LENGTH = {"hash": b"HLEN", "list": b"LLEN", "set": b"SCARD", "zset": b"ZCARD", "stream": b"XLEN"}
_SCAN = {"hash": b"HSCAN", "set": b"SSCAN", "zset": b"ZSCAN"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value."""

    reply: Reply
    """As the command for the whole would answer; an error where it could not be read."""
    extra: dict[str, Json] = field(default_factory=dict)
    """What else the last line tells."""


async def parts(link: ServerLink, entry: Entry, bounds: Bounds) -> AsyncGenerator[Part, None]:
    """The parts, in order; after one that is an error no more come."""
    if entry.type == "string":
        paging = _string(link, entry.name, bounds)
    elif entry.type in _LENGTH:
        length = await _ask(link, _LENGTH[entry.type], entry.name)
        if not isinstance(length, int):
            yield Part(length)
            return
        if not length and entry.type != "stream":
            return
        # As many elements as should make a part, judging from the average.
        count = max(1, min(bounds.part_elements, bounds.part_bytes * length // max(1, entry.size)))
        if entry.type in _SCAN:
            paging = _scanned(link, _SCAN[entry.type], entry.name, count)
        elif entry.type == "list":
            paging = _list(link, entry.name, count)
        else:
            paging = _stream(link, entry.name, count)
    else:
        paging = _whole_json(link, entry.name)
    async for part in paging:
        yield part
        if isinstance(part.reply, ServerError):
            return


async def _whole_json(link: ServerLink, key: bytes) -> AsyncGenerator[Part, None]:
    yield Part(await _ask(link, b"JSON.GET", key))


async def _string(link: ServerLink, key: bytes, bounds: Bounds) -> AsyncGenerator[Part, None]:
    at, full = 0, bounds.part_bytes
    while True:
        reply = await _ask(link, b"GETRANGE", key, at, at + full - 1)
        if isinstance(reply, bytes) and not reply:
            return
        yield Part(reply)
        if not isinstance(reply, bytes) or len(reply) < full:
            return
        at += full


async def _list(link: ServerLink, key: bytes, count: int) -> AsyncGenerator[Part, None]:
    at = 0
    while True:
        reply = await _ask(link, b"LRANGE", key, at, at + count - 1)
        if reply == []:
            return
        yield Part(reply)
        at += count


async def _scanned(link: ServerLink, name: bytes, key: bytes, count: int) -> AsyncGenerator[Part, None]:
    cursor: bytes = b"0"
    while True:
        reply = await _ask(link, name, key, cursor, b"COUNT", count)
        if not isinstance(reply, list):
            yield Part(reply)
            return
        cursor, items = cast("tuple[bytes, list[Reply]]", reply)
        if items:
            yield Part(items)
        if cursor == b"0":
            return


async def _stream(link: ServerLink, key: bytes, count: int) -> AsyncGenerator[Part, None]:
    about = await _about_stream(link, key)
    if isinstance(about, ServerError):
        yield Part(about)
        return
    start = b"-"
    while True:
        reply = await _ask(link, b"XRANGE", key, start, b"+", b"COUNT", count)
        if not isinstance(reply, list):
            yield Part(reply)
            return
        if not reply:
            if start == b"-":
                yield Part([], about)  # empty, but with groups or a last id
            return
        yield Part(reply, about)
        start = b"(" + cast("bytes", cast("list[Reply]", reply[-1])[0])


async def _about_stream(link: ServerLink, key: bytes) -> dict[str, Json] | ServerError:
    """What a stream is beside its entries: https://redis.io/docs/latest/commands/xinfo-groups/."""
    stream = await _ask(link, b"XINFO", b"STREAM", key)
    groups = await _ask(link, b"XINFO", b"GROUPS", key)
    for reply in (stream, groups):
        if isinstance(reply, ServerError):
            return reply
    found: list[Json] = []
    for each in cast("list[Reply]", groups):
        group = _fields(each)
        name = cast("bytes", group[b"name"])
        consumers = await _ask(link, b"XINFO", b"CONSUMERS", key, name)
        names = [_fields(one)[b"name"] for one in consumers] if isinstance(consumers, list) else []
        found.append(
            {
                "name": blob(name),
                "last_id": cast("bytes", group[b"last-delivered-id"]).decode(),
                "consumers": [blob(cast("bytes", one)) for one in names],
            }
        )
    last_id = cast("bytes", _fields(stream)[b"last-generated-id"]).decode()
    return {"last_id": last_id, "groups": found}


def _fields(reply: Reply) -> dict[bytes, Reply]:
    items = cast("list[Reply]", reply)
    return dict(zip(cast("list[bytes]", items[::2]), items[1::2], strict=True))


async def _ask(link: ServerLink, *command: bytes | int) -> Reply:
    try:
        return await link.execute(*command)
    except StudioError as error:
        if error.reason != e.ERROR_REASON_RESOURCE_EXHAUSTED:
            raise
        return ServerError(f"ERR {error.message}")
