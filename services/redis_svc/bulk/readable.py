"""Values as JSON, by type; a large one in several lines, each read on its own, so that no value is held as a whole.

    string  "text"
    hash    {"field": "value"}, or [["field", "value"], …] where a field is no text; `field_ttl_ms` as pairs
    list    ["item", …]                set     ["member", …]
    zset    [["member", 1.5], …]; infinite scores as "inf" and "-inf"
    stream  [["1-1", ["field", "value", …]], …]; the last line has `last_id` and `groups`
    JSON    its text, as JSON.GET writes it

Whatever is no text is {"base64": "…"} in its place. Lines of a value in parts have `id`, `part` (from 0) and `last`.
What waits for acknowledgement in a stream's groups is not carried: the `dump` format does.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias, cast

from services.redis_svc.bulk.job import Job, about_key
from services.redis_svc.bulk.lines import Json, blob, key_fields, line
from services.redis_svc.bulk.parts import Part, parts
from services.redis_svc.bulk.reading import Entry, Found, Links, Refuse, found, replies
from services.redis_svc.bulk.walk import Batch
from services.redis_svc.errors import to_studio_error
from services.redis_svc.link import ServerLink
from services.redis_svc.replies import Command, Reply, ServerError, pack
from studio.options.v1 import errors_pb2 as e

JSON_TYPE = "ReJSON-RL"
"""As TYPE names what the JSON modules of Redis and Valkey store."""

Piece: TypeAlias = "tuple[Batch | None, bytes]"
"""Lines, and the batch that ends with them, if one does."""

_WHOLE: dict[str, tuple[bytes, tuple[bytes | int, ...]]] = {
    "string": (b"GET", ()),
    "hash": (b"HGETALL", ()),
    "list": (b"LRANGE", (0, -1)),
    "set": (b"SMEMBERS", ()),
    "zset": (b"ZRANGE", (0, -1, b"WITHSCORES")),
    JSON_TYPE: (b"JSON.GET", ()),
}


class Readable:
    """Writes lines.

    Args:
        job: counts, and has the bounds.
        refuse: takes what can't be read.
    """

    def __init__(self, job: Job, refuse: Refuse) -> None:
        self._job = job
        self._refuse = refuse
        self._field_ttls = True  # until the server says that it has none

    async def lines(self) -> AsyncGenerator[Piece, None]:
        """The lines of the selected keys."""
        async with (
            Links(self._job.client.limits) as links,
            contextlib.aclosing(found(self._job, links, with_types=True)) as sources,
        ):
            async for source in sources:
                self._job.begin(source.batch)
                async with contextlib.aclosing(self._lines(source)) as pieces:
                    async for piece in pieces:
                        yield None, piece
                yield source.batch, b""

    async def _lines(self, source: Found) -> AsyncGenerator[bytes, None]:
        small: list[Entry] = []
        large: list[Entry] = []
        for entry in source.entries:
            if entry.type in _WHOLE and entry.size <= self._job.bounds.batch_bytes:
                small.append(entry)
            elif entry.type == "stream" or entry.type in _WHOLE:
                large.append(entry)
            else:
                self._refuse(entry, f"A value of type {entry.type or 'unknown'} has no readable form.")
        answers = replies(self._job, source, small, _whole, self._refuse)
        async with contextlib.aclosing(answers) as groups:
            async for group in groups:
                ttls = await self._ttls(source.link, [each for each in group if each[0].type == "hash"])
                written = [
                    _line(entry, value_of(entry.type, reply), ttls.get(entry.name))
                    for entry, reply in group
                    if _is_there(entry, reply)
                ]
                self._job.succeed(len(written))
                yield b"".join(written)
        for entry in large:
            async with contextlib.aclosing(self._in_parts(source.link, entry)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _in_parts(self, link: ServerLink, entry: Entry) -> AsyncGenerator[bytes, None]:
        id_, number = secrets.token_hex(4), 0
        pending: Part | None = None
        async with contextlib.aclosing(parts(link, entry, self._job.bounds)) as read:
            async for part in read:
                if isinstance(part.reply, ServerError):
                    self._refuse(entry, about_key(part.reply, ""))
                    return
                if pending is not None:
                    yield await self._part(link, entry, pending, id_, number, last=False)
                    number += 1
                pending = part
        if pending is not None:
            yield await self._part(link, entry, pending, id_, number, last=True)
            self._job.succeed()

    async def _part(
        self, link: ServerLink, entry: Entry, part: Part, id_: str, number: int, *, last: bool
    ) -> bytes:
        more: dict[str, Json] = {"id": id_, "part": number, "last": last}
        if number == 0 and last:
            more = {}
        ttls = await self._ttls(link, [(entry, part.reply)]) if entry.type == "hash" else {}
        content = value_of(entry.type, part.reply)
        return _line(entry, content, ttls.get(entry.name), {**more, **(part.extra if last else {})})

    async def _ttls(self, link: ServerLink, hashes: Sequence[tuple[Entry, Reply]]) -> dict[bytes, Json]:
        """Times to live of fields, by key: https://redis.io/docs/latest/commands/hpttl/."""
        asked = {
            entry.name: cast("list[bytes]", reply[::2])
            for entry, reply in hashes
            if isinstance(reply, list) and reply
        }
        if not asked or not self._field_ttls:
            return {}
        commands: list[Command] = [
            (b"HPTTL", key, b"FIELDS", len(fields), *fields) for key, fields in asked.items()
        ]
        ttls: dict[bytes, Json] = {}
        answers = await link.request(pack(commands), len(commands))
        for (key, fields), answer in zip(asked.items(), answers, strict=True):
            if isinstance(answer, ServerError):
                if to_studio_error(answer, command="HPTTL").reason == e.ERROR_REASON_NOT_SUPPORTED:
                    self._field_ttls = False
                    return {}
                continue  # the key is another one by now
            pairs: list[Json] = [
                [blob(field), ttl]
                for field, ttl in zip(fields, cast("list[int]", answer), strict=True)
                if ttl >= 0
            ]
            if pairs:
                ttls[key] = pairs
        return ttls


def value_of(type_: str, reply: Reply) -> Json:
    """A value, or a part of one, as JSON."""
    if not isinstance(reply, list):
        return blob(reply if isinstance(reply, bytes) else b"")
    items = cast("list[bytes]", reply)
    if type_ == "hash":
        names = list(map(blob, items[::2]))
        values = list(map(blob, items[1::2]))
        if all(isinstance(name, str) for name in names):
            return dict(zip(cast("list[str]", names), values, strict=True))
        return [list(pair) for pair in zip(names, values, strict=True)]
    if type_ == "zset":
        return [[blob(member), _score(score)] for member, score in zip(items[::2], items[1::2], strict=True)]
    if type_ == "stream":
        entries = cast("list[list[bytes | list[bytes]]]", reply)
        return [
            [cast("bytes", id_).decode(), list(map(blob, cast("list[bytes]", words)))]
            for id_, words in entries
        ]
    return list(map(blob, items))


def _score(text: bytes) -> Json:
    return text.decode() if b"inf" in text else float(text)


def _is_there(entry: Entry, reply: Reply) -> bool:
    """Whether the value still was when it was asked for: only strings can be empty."""
    return reply is not None and (isinstance(reply, bytes) or bool(reply) or entry.type == "string")


def _line(entry: Entry, value: Json, ttls: Json, more: dict[str, Json] | None = None) -> bytes:
    fields: dict[str, Json] = {**key_fields(entry.name), "type": entry.type, "ttl_ms": entry.ttl_ms}
    if ttls:
        fields["field_ttl_ms"] = ttls
    return line({**fields, **(more or {}), "value": value})


def _whole(entry: Entry) -> bytes:
    name, behind = _WHOLE[entry.type]
    return pack(((name, entry.name, *behind),))
