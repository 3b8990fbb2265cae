"""Goes through the selected keys of every server, batch by batch. Never KEYS."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import cast

from services.redis_svc.bulk.bounds import Bounds
from services.redis_svc.bulk.selection import Position, Selection
from services.redis_svc.client import RedisClient
from services.redis_svc.cursors import parse_cursor
from services.redis_svc.errors import raise_for
from services.redis_svc.link import Link, Started
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e


@dataclass(frozen=True, slots=True)
class Batch:
    """Some keys of one server."""

    link: Link
    """The server."""
    names: list[bytes]
    """The selected keys among those looked at; perhaps none."""
    scanned: int
    """Keys looked at."""
    after: Position
    """Where what follows begins: nothing is lost when this batch is done."""


async def walk(
    client: RedisClient, selection: Selection, position: Position, bounds: Bounds
) -> AsyncGenerator[Batch, None]:
    """The batches from a position on. The next one is asked for before the current one is worked on.

    Raises:
        StudioError: DB_PERMISSION_DENIED where the user may not SCAN; INVALID_ARGUMENT for an unknown type;
            INVALID_CURSOR; …
    """
    if position.ended:
        return
    batches = _listed if selection.keys else _scanned
    async for batch in batches(client, selection, position.cursor, bounds):
        yield batch


async def _scanned(
    client: RedisClient, selection: Selection, cursor: str, bounds: Bounds
) -> AsyncGenerator[Batch, None]:
    through = client.walk(cursor)
    filtered = bool(selection.type) or selection.pattern != b"*"
    scan: Started | None = None
    try:
        if await through.next():
            scan = _scan(through.link, selection, through.position, bounds.step)
        while scan is not None:
            link, asked, scan = through.link, scan, None
            reached, found = _page((await asked.replies())[0])
            names = through.keep(found)
            await through.reached(reached)
            if await through.next():
                scan = _scan(through.link, selection, through.position, bounds.step)
            scanned = max(len(found), bounds.step if filtered and reached else 0)
            yield Batch(link, names, scanned, Position(through.cursor, ended=scan is None))
    finally:
        if scan is not None:
            scan.cancel()


async def _listed(
    client: RedisClient, selection: Selection, cursor: str, bounds: Bounds
) -> AsyncGenerator[Batch, None]:
    names = list(dict.fromkeys(selection.keys))
    for at in range(parse_cursor(cursor), len(names), bounds.step):
        chunk = names[at : at + bounds.step]
        by_link: dict[Link, list[bytes]] = {}
        for name in chunk:
            by_link.setdefault(client.link_for(name), []).append(name)
        for number, (link, group) in enumerate(by_link.items(), start=1):
            selected = await _of_type(link, group, selection.type) if selection.type else group
            # Only behind all groups of a chunk is nothing of it lost.
            end = at + len(chunk) if number == len(by_link) else at
            yield Batch(link, selected, len(group), Position(str(end), ended=end == len(names)))


async def _of_type(link: Link, names: Sequence[bytes], type_: str) -> list[bytes]:
    replies = await link.execute_many([(b"TYPE", name) for name in names])
    for reply in replies:
        raise_for(reply, command="TYPE")
    return [name for name, reply in zip(names, replies, strict=True) if reply == type_.encode()]


def _scan(link: Link, selection: Selection, cursor: int, step: int) -> Started:
    command: Command = (b"SCAN", cursor, b"COUNT", step)
    if selection.pattern != b"*":
        command += (b"MATCH", selection.pattern)
    if selection.type:
        command += (b"TYPE", selection.type)
    return link.start(pack((command,)), 1)


def _page(reply: Reply) -> tuple[int, list[bytes]]:
    if isinstance(reply, ServerError) and "unknown type name" in reply.text:
        raise invalid_argument("selection.type", "the server knows no such type")
    raise_for(reply, command="SCAN")
    if not isinstance(reply, list) or [type(part) for part in reply] != [bytes, list]:
        raise StudioError(
            e.ERROR_REASON_DB_PROTOCOL_ERROR,
            "The Redis server answered SCAN with something else than a page.",
        )
    cursor, found = cast("tuple[bytes, list[bytes]]", reply)
    return int(cursor), list(dict.fromkeys(found))
