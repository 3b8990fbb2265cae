"""A page of a hash's fields, bounded in bytes as well as in number: a hundred fields may have a gigabyte.

Names come first (HSCAN … NOVALUES), then the lengths of the values, then those values that fit, the short ones first;
of the others the page says how long they are. Servers before Redis 7.4 and Valkey 8 know no NOVALUES: there HSCAN asks
for so few fields at a time as should fit, judging from the hash's average (MEMORY USAGE, sampled).

https://redis.io/docs/latest/commands/hscan/
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import islice

from services.redis_svc.client import RedisClient
from services.redis_svc.cursors import invalid_cursor, parse_cursor
from services.redis_svc.replies import Command, Reply, ServerError
from services.redis_svc.types.ask import check_type, of_type, raise_first, read

TYPE = "hash"
NO_TTL = -1
"""HPTTL of a field that never expires (https://redis.io/docs/latest/commands/hpttl/)."""
_GONE = -2
_CAUTIOUS_COUNT = 10
"""Fields to ask for where nothing tells how long they are."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field and its value, or the beginning of it."""

    name: bytes
    """Its name."""
    content: bytes
    """As much of the value as was asked for, and as the page holds."""
    length: int
    """Bytes of the whole value."""
    ttl_ms: int = NO_TTL
    """Milliseconds until it expires; -1 when it never does or was not looked up."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which fields."""

    cursor: str = ""
    """Of the page before; empty or `0` for the first."""
    count: int = 0
    """About how many; 0 for the default. A small hash comes whole, as HSCAN returns it."""
    pattern: bytes = b""
    """Glob; empty for all."""
    max_value_bytes: int = 0
    """Most bytes of each value; 0 for the default."""
    with_ttl: bool = False
    """Look their expiry up."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some fields."""

    fields: list[Field]
    """In the order of HSCAN, which is none."""
    cursor: str
    """Of the next page; empty on the last."""
    length: int
    """Fields of the hash."""


async def list_fields(
    client: RedisClient, key: bytes, query: Query, *, time_left_s: float = float("inf")
) -> Page:
    """One page. It may be empty and not be the last, where a pattern is rare.

    Raises:
        StudioError: KEY_NOT_FOUND; WRONG_TYPE; INVALID_CURSOR; DB_PERMISSION_DENIED; …
    """
    return await _Scan(client, key, query, time_left_s).run()


@dataclass(slots=True)
class _Found:
    values: dict[bytes, bytes] = field(default_factory=dict)
    lengths: dict[bytes, int] = field(default_factory=dict)


class _Scan:
    def __init__(self, client: RedisClient, key: bytes, query: Query, time_left_s: float) -> None:
        limits = client.limits
        self._client, self._key, self._query = client, key, query
        self._cursor = parse_cursor(query.cursor)
        self._count = query.count or limits.default_page_values
        self._longest = query.max_value_bytes or limits.default_value_bytes
        self._until = asyncio.get_running_loop().time() + min(limits.scan_budget_s, time_left_s / 2)
        self._budget = max(limits.scan_budget_keys, limits.scan_budget_factor * self._count)
        self._names: dict[bytes, None] = {}  # in order, each once: HSCAN may repeat a field
        self._length = 0

    async def run(self) -> Page:
        found = _Found()
        if await self._scan_names():
            await self._look_up(found)
        else:
            await self._scan_with_values(found)
        ttls = await self._ttls() if self._query.with_ttl and found.lengths else {}
        fields = [
            Field(
                name=name,
                content=found.values.get(name, b"")[: self._longest],
                length=found.lengths[name],
                ttl_ms=ttls.get(name, NO_TTL),
            )
            for name in self._names
            if name in found.lengths and ttls.get(name) != _GONE
        ]
        return Page(fields, str(self._cursor) if self._cursor else "", self._length)

    async def _scan_names(self) -> bool:
        """Collects names; False where the server can't leave the values out."""
        scanned = 0
        while True:
            step = min(max(1, self._count - len(self._names)), self._client.limits.scan_step)
            if self._query.pattern:
                step = self._client.limits.scan_step if scanned else step
            reply = await self._ask_scan(step, b"NOVALUES")
            if isinstance(reply, ServerError):
                return False
            self._names.update(dict.fromkeys(self._take(reply)))
            scanned += step
            if not self._goes_on(scanned):
                return True

    async def _look_up(self, found: _Found) -> None:
        names = list(self._names)
        for some in _portions(names, self._client.limits.scan_step):
            lengths = await self._read(*((b"HSTRLEN", self._key, name) for name in some))
            found.lengths.update(zip(some, (of_type(length, int) for length in lengths), strict=True))
        left = self._client.limits.page_value_bytes
        wanted = []
        for name in sorted(names, key=found.lengths.__getitem__):
            left -= found.lengths[name]
            if left < 0:
                break
            wanted.append(name)
        for some in _portions(wanted, self._client.limits.scan_step):
            (values,) = await self._read((b"HMGET", self._key, *some))
            for name, value in zip(some, of_type(values, list), strict=True):
                if isinstance(value, bytes):
                    found.values[name] = value
                    found.lengths[name] = len(value)
                else:  # removed or expired since
                    del found.lengths[name]

    async def _scan_with_values(self, found: _Found) -> None:
        """As much as should fit at a time, until the page is full: in number, in bytes, or in time."""
        budget = self._client.limits.page_value_bytes
        size = (await self._client.link_for(self._key).execute(b"MEMORY", b"USAGE", self._key)) or 0
        scanned = taken = 0
        while True:
            step = min(max(1, self._count - len(self._names)), self._client.limits.scan_step)
            if isinstance(size, int) and size:
                step = max(1, min(step, (budget - taken) * max(1, self._length) // size))
            else:
                step = min(step, _CAUTIOUS_COUNT)
            reply = await self._ask_scan(step)
            flat = self._take(reply)
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                self._names[name] = None
                found.values[name], found.lengths[name] = value[: self._longest], len(value)
                taken += len(value)
            scanned += step
            if not self._goes_on(scanned) or taken >= budget:
                return

    async def _ttls(self) -> dict[bytes, int]:
        names = list(self._names)
        command: Command = (b"HPTTL", self._key, b"FIELDS", len(names), *names)
        reply = await self._client.link_for(self._key).execute(*command)
        if isinstance(reply, ServerError) and "unknown command" in reply.text:
            return {}  # where fields can't expire, none does
        raise_first([command], [reply])
        return dict(zip(names, (of_type(ttl, int) for ttl in of_type(reply, list)), strict=True))

    async def _ask_scan(self, step: int, *more: bytes) -> Reply:
        """The reply to HSCAN; an error only where it means that the server does not know `more`."""
        command: Command = (b"HSCAN", self._key, self._cursor)
        if self._query.pattern:
            command += (b"MATCH", self._query.pattern)
        command += (b"COUNT", step, *more)
        commands: tuple[Command, ...] = ((b"TYPE", self._key), (b"HLEN", self._key), command)
        type_, length, reply = await self._client.link_for(self._key).execute_many(list(commands))
        check_type(type_, TYPE)
        raise_first(commands[1:2], [length])
        self._length = of_type(length, int)
        if isinstance(reply, ServerError):
            if "invalid cursor" in reply.text:
                raise invalid_cursor()
            if not (more and "syntax error" in reply.text):
                raise_first([command], [reply])
        return reply

    def _take(self, reply: Reply) -> list[bytes]:
        """What HSCAN found; remembers the cursor."""
        cursor, found = of_type(reply, list)
        self._cursor = int(of_type(cursor, bytes))
        return [of_type(each, bytes) for each in of_type(found, list)]

    async def _read(self, *commands: Command) -> list[Reply]:
        return await read(self._client, self._key, TYPE, *commands)

    def _goes_on(self, scanned: int) -> bool:
        return (
            self._cursor != 0
            and len(self._names) < self._count
            and scanned < self._budget
            and asyncio.get_running_loop().time() < self._until
        )


def _portions(names: list[bytes], most: int) -> list[list[bytes]]:
    rest = iter(names)
    return [some for _ in range(0, len(names), most) if (some := list(islice(rest, most)))]
