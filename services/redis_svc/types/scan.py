"""Pages of a set, hash or sorted set in the server's own order: SSCAN, HSCAN and ZSCAN, bounded in elements and bytes.

The server's COUNT is only a wish: a small collection comes whole, a bucket of a hash table is never split. A page still
has no more elements than asked for. What a batch has too many of is ordered by digest, and the cursor says how far the
page got: `<server's cursor>.<digest>`, with a fingerprint of what was returned where the batch was only a part. An
element that is there all the time is returned; one may come twice where the collection changes, as SCAN itself has it.
https://redis.io/docs/latest/commands/scan/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

from services.redis_svc.client import RedisClient
from services.redis_svc.cursors import parse_cursor
from services.redis_svc.replies import Command, Reply, pack
from services.redis_svc.types.ask import of_type, raise_typed, read

Element = tuple[bytes, ...]
"""A member; a field and its value; a member and its score."""

FIRST_STEP = 32
"""Elements of the first batch, before anything is known of their size."""
_CURSOR = re.compile(r"([0-9]{1,20})(?:\.([0-9a-f]{16})(?:\.([0-9a-f]{16}))?)?")


@dataclass(frozen=True, slots=True)
class Collection:
    """A type that can be scanned."""

    type: str
    """As TYPE names it."""
    scan: bytes
    """The command that pages through it."""
    length: bytes
    """The command that counts its elements."""
    width: int
    """Replies an element."""


SET = Collection("set", b"SSCAN", b"SCARD", 1)
HASH = Collection("hash", b"HSCAN", b"HLEN", 2)
SORTED_SET = Collection("zset", b"ZSCAN", b"ZCARD", 2)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of elements."""

    elements: list[Element]
    """No more than asked for."""
    cursor: str
    """Of the next page; empty on the last."""
    length: int
    """Elements of the collection."""


async def scan(
    client: RedisClient, key: bytes, kind: Collection, *, count: int, cursor: str = "", pattern: bytes = b""
) -> Page:
    """One page. It may be shorter than asked for, even empty, and still not be the last.

    Args:
        client: the database.
        key: the key.
        kind: its type.
        count: most elements.
        cursor: of the page before; empty or `0` for the first.
        pattern: glob that members or fields must match; empty for all.

    Raises:
        StudioError: INVALID_CURSOR; KEY_NOT_FOUND; WRONG_TYPE with the type it has; DB_PERMISSION_DENIED; …
    """
    return await _Scan(client, key, kind, count, cursor, pattern).run()


class _Scan:
    def __init__(
        self, client: RedisClient, key: bytes, kind: Collection, count: int, cursor: str, pattern: bytes
    ) -> None:
        self._client = client
        self._key = key
        self._kind = kind
        self._count = count
        self._pattern = pattern
        found = _CURSOR.fullmatch(cursor or "0")
        self._at = parse_cursor(found[1] if found else cursor)
        self._after = (found[2] or "") if found else ""
        """Digest up to which elements were returned."""
        self._returned = (found[3] or "") if found else ""
        """Fingerprint of those; empty where the batch before was the whole collection."""
        self._page: dict[bytes, Element] = {}
        self._bytes = 0
        self._scanned = 0
        self._done = False

    async def run(self) -> Page:
        limits, loop = self._client.limits, asyncio.get_running_loop()
        until = loop.time() + limits.scan_budget_s
        step = 1 if self._returned else max(1, min(FIRST_STEP, self._count * 3 // 4))
        length, reply = await read(
            self._client, self._key, self._kind.type, (self._kind.length, self._key), self._command(step)
        )
        while True:
            next_, batch = self._parse(reply)
            self._scanned += step
            fresh = self._fresh(batch)
            whole = self._at == 0 and next_ == 0
            if len(self._page) + len(fresh) <= self._count:
                self._take(fresh)
                self._at, self._done = next_, next_ == 0
                self._forget()
            elif self._page:
                break
            elif whole or step == 1:
                self._cut(batch, fresh, whole=whole)
                break
            else:
                step = max(1, step // 2)
                reply = await self._ask(step)
                continue
            missing = self._count - len(self._page)
            if (
                self._done
                or missing <= self._count // 10
                or self._bytes >= limits.page_bytes
                or self._scanned >= limits.scan_budget_keys
                or loop.time() >= until
            ):
                break
            step = self._next_step(missing)
            reply = await self._ask(step)
        return Page(list(self._page.values()), self._cursor(), of_type(length, int))

    def _command(self, step: int) -> Command:
        match = (b"MATCH", self._pattern) if self._pattern else ()
        return (self._kind.scan, self._key, self._at, *match, b"COUNT", step)

    async def _ask(self, step: int) -> Reply:
        command = self._command(step)
        replies = await self._client.link_for(self._key).request(pack((command,)), 1)
        await raise_typed(self._client, self._key, self._kind.type, (command,), replies)
        return replies[0]

    def _parse(self, reply: Reply) -> tuple[int, list[Element]]:
        parts = of_type(reply, list)
        flat = cast("list[bytes]", of_type(parts[1], list))
        width = self._kind.width
        columns = [flat[at::width] for at in range(width)]
        return int(of_type(parts[0], bytes)), list(zip(*columns, strict=True))

    def _fresh(self, batch: list[Element]) -> dict[bytes, Element]:
        """Those of a batch that no page has had, by member or field."""
        late = batch
        if self._after:
            late = [each for each in batch if _digest(each) > self._after]
            early = (each for each in batch if _digest(each) <= self._after)
            if self._returned and _fingerprint(early) != self._returned:
                late = batch  # it has changed: better twice than not at all
        return {each[0]: each for each in late if each[0] not in self._page}

    def _take(self, elements: dict[bytes, Element]) -> None:
        self._page.update(elements)
        self._bytes += sum(len(part) for each in elements.values() for part in each)

    def _forget(self) -> None:
        """A fingerprint is of one batch; what was returned of the whole collection stays returned."""
        if self._returned:
            self._after = self._returned = ""

    def _cut(self, batch: list[Element], fresh: dict[bytes, Element], *, whole: bool) -> None:
        """Takes as many of a batch as the page holds, in an order that is the same next time."""
        taken = sorted(fresh.values(), key=_digest)[: self._count]
        self._take({each[0]: each for each in taken})
        self._after = _digest(taken[-1])
        early = (each for each in batch if _digest(each) <= self._after)
        self._returned = "" if whole else _fingerprint(early)

    def _next_step(self, missing: int) -> int:
        """As many as should bring what is missing, a little less: a batch that is too large is work for nothing."""
        limits, got = self._client.limits, len(self._page)
        step = missing * 3 // 4
        if self._pattern:
            step = step * self._scanned // max(1, got)
        if got:
            step = min(step, (limits.page_bytes - self._bytes) * got // max(1, self._bytes))
        return max(1, min(step, limits.scan_step))

    def _cursor(self) -> str:
        if self._done:
            return ""
        return ".".join(filter(None, (str(self._at), self._after, self._returned)))


def _digest(element: Element) -> str:
    return blake2b(element[0], digest_size=8).hexdigest()


def _fingerprint(elements: Iterable[Element]) -> str:
    return blake2b("".join(sorted(map(_digest, elements))).encode(), digest_size=8).hexdigest()
