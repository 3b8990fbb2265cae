"""Imports lines of an export, both formats, and reports by line.

A value is built under a key of its own beside the final one, and takes its place in one step: nobody sees half of it,
and what an interrupted import leaves behind the server removes by itself. A part's key carries the number of the next
one, so that parts go in once and in order, however often a call is repeated.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.redis_svc.bulk.bounds import Bounds
from services.redis_svc.bulk.building import build
from services.redis_svc.bulk.job import about_key
from services.redis_svc.bulk.records import LineError, Record, read_line, to_bytes
from services.redis_svc.bulk.restoring import EXISTS, restore_command, restore_failure
from services.redis_svc.client import RedisClient
from services.redis_svc.errors import to_studio_error
from services.redis_svc.link import Link
from services.redis_svc.replies import Command, Reply, ServerError
from studio.options.v1 import errors_pb2 as e

_LONG_LINE = 256 * 1024
"""Bytes of a line that is read in another thread: others of this process must not wait for it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that could not be imported."""

    line: int
    """Its number."""
    key: bytes | None
    """Its key, where it could be read."""
    message: str
    """Why."""


@dataclass(slots=True)
class Report:
    """What became of the lines."""

    lines: int = 0
    """Lines read, empty ones not among them."""
    succeeded: int = 0
    """Keys restored."""
    failed: int = 0
    """Lines that could not be."""
    failures: list[Failure] = field(default_factory=list)
    """The first of them."""


@dataclass(frozen=True, slots=True)
class _Numbered:
    number: int
    record: Record


class Importer:
    """One call.

    Args:
        client: the database.
        overwrite: whether keys that exist are replaced; they count as failed otherwise.
        bounds: how much at a time.
    """

    def __init__(self, client: RedisClient, *, overwrite: bool, bounds: Bounds) -> None:
        self._client = client
        self._overwrite = overwrite
        self._bounds = bounds
        self._report = Report()

    async def run(self, content: bytes, first_line: int) -> Report:
        """Imports lines.

        Raises:
            StudioError: the server takes no writes, the user may not restore, the connection is lost.
        """
        batch: list[_Numbered] = []
        size = 0
        for number, raw in enumerate(_lines(content), start=first_line):
            record = await self._read(number, raw)
            if record is None:
                continue
            is_full = len(batch) >= self._bounds.import_lines or size + len(raw) > self._bounds.batch_bytes
            if batch and (record.id or is_full):
                await self._restore(batch)
                batch, size = [], 0
            if record.id:
                await self._restore_part(_Numbered(number, record))
                continue
            batch.append(_Numbered(number, record))
            size += len(raw)
        await self._restore(batch)
        self._report.failures.sort(key=lambda failure: failure.line)
        return self._report

    async def _read(self, number: int, raw: bytes) -> Record | None:
        if not raw.strip():
            return None
        self._report.lines += 1
        try:
            return await asyncio.to_thread(read_line, raw) if len(raw) > _LONG_LINE else read_line(raw)
        except LineError as error:
            self._fail(number, error.key, str(error))
            return None

    async def _restore(self, batch: Sequence[_Numbered]) -> None:
        by_link: dict[Link, list[_Numbered]] = {}
        for each in batch:
            by_link.setdefault(self._client.link_for(each.record.key), []).append(each)
        for link, group in by_link.items():
            # What one command restores first: lines of one key go in as they came, unless their formats differ.
            await self._restore_at_once(link, [each for each in group if _is_at_once(each.record)])
            await self._restore_built(link, [each for each in group if not _is_at_once(each.record)])

    async def _restore_at_once(self, link: Link, group: Sequence[_Numbered]) -> None:
        commands: list[tuple[_Numbered, Command]] = []
        for each in group:
            try:
                commands.append((each, self._at_once(each.record)))
            except LineError as error:
                self._fail(each.number, each.record.key, str(error))
        replies = await self._ask(link, [command for _, command in commands])
        for (each, _), reply in zip(commands, replies, strict=True):
            if isinstance(reply, ServerError):
                self._fail(each.number, each.record.key, restore_failure(reply))
            elif reply is None:
                self._fail(each.number, each.record.key, EXISTS)
            else:
                self._report.succeeded += 1

    def _at_once(self, record: Record) -> Command:
        if record.dump is not None:
            return restore_command(record.key, record.ttl_ms, record.dump, overwrite=self._overwrite)
        expiry: Command = (b"PX", max(1, record.ttl_ms)) if record.ttl_ms >= 0 else ()
        condition: Command = () if self._overwrite else (b"NX",)
        return (b"SET", record.key, to_bytes(record.value), *expiry, *condition)

    async def _restore_built(self, link: Link, group: Sequence[_Numbered]) -> None:
        """Builds every value beside its key, and moves those into their places that were built without an error."""
        building: list[tuple[_Numbered, bytes, list[Command]]] = []
        for each in group:
            beside = sibling(each.record.key, b":import:" + secrets.token_hex(8).encode())
            try:
                commands = build(each.record, beside)
            except LineError as error:
                self._fail(each.number, each.record.key, str(error))
                continue
            guard: Command = (b"PEXPIRE", beside, self._bounds.import_guard_ms)
            building.append((each, beside, [*commands, guard]))
        replies = iter(await self._ask(link, [one for _, _, commands in building for one in commands]))
        built, leftovers = [], []
        for each, beside, commands in building:
            refusal = _first_error([next(replies) for _ in commands])
            if refusal is None:
                built.append((each, beside))
            else:
                leftovers.append(beside)
                self._fail(each.number, each.record.key, _meaning(refusal))
        leftovers += await self._move(link, built)
        await self._ask(link, [(b"UNLINK", beside) for beside in leftovers])

    async def _move(self, link: Link, built: Sequence[tuple[_Numbered, bytes]]) -> list[bytes]:
        """Moves values into their places; returns those that could not be."""
        moves = [move for each, beside in built for move in self._moves(each.record, beside)]
        replies = await self._ask(link, moves)
        left = []
        for (each, beside), reply in zip(built, replies[1::2], strict=True):
            if self._moved(each, reply):
                self._report.succeeded += 1
            else:
                left.append(beside)
        return left

    def _moves(self, record: Record, beside: bytes) -> list[Command]:
        expiry: Command = (
            (b"PERSIST", beside) if record.ttl_ms < 0 else (b"PEXPIRE", beside, max(1, record.ttl_ms))
        )
        return [expiry, (b"RENAME" if self._overwrite else b"RENAMENX", beside, record.key)]

    def _moved(self, each: _Numbered, reply: Reply) -> bool:
        if isinstance(reply, ServerError):
            self._fail(each.number, each.record.key, _meaning(reply))
            return False
        if reply == 0:
            self._fail(each.number, each.record.key, EXISTS)
            return False
        return True

    async def _restore_part(self, each: _Numbered) -> None:
        record = each.record
        link = self._client.link_for(record.key)
        now, then = (
            sibling(record.key, b":import:%b:%d" % (record.id.encode(), n))
            for n in (record.part, record.part + 1)
        )
        here, there, taken = await self._ask(
            link, [(b"EXISTS", now), (b"EXISTS", then), (b"EXISTS", record.key)]
        )
        if taken == 1 and not self._overwrite:
            self._fail(each.number, record.key, EXISTS)
            return
        if record.part and here != 1:
            if there != 1:
                self._fail(each.number, record.key, "The part before it was not imported.")
            return
        try:
            commands = build(record, now)
        except LineError as error:
            self._fail(each.number, record.key, str(error))
            return
        # A first part that comes again begins anew.
        forget: list[Command] = [(b"UNLINK", now, then)] if not record.part else []
        step: list[Command] = [(b"PEXPIRE", now, self._bounds.import_guard_ms), (b"RENAME", now, then)]
        replies = await self._ask(link, [(b"MULTI",), *forget, *commands, *step, (b"EXEC",)])
        done = replies[-1]
        refusal = _first_error([*replies, *done] if isinstance(done, list) else replies)
        if refusal is not None:
            await self._ask(link, [(b"UNLINK", now, then)])
            self._fail(each.number, record.key, _meaning(refusal))
        elif record.last:
            for beside in await self._move(link, [(each, then)]):
                await self._ask(link, [(b"UNLINK", beside)])

    async def _ask(self, link: Link, commands: Sequence[Command]) -> list[Reply]:
        return await link.execute_many(commands, repeatable=False) if commands else []

    def _fail(self, number: int, key: bytes | None, message: str) -> None:
        self._report.failed += 1
        if len(self._report.failures) < self._bounds.import_failures:
            self._report.failures.append(Failure(number, key, message))


def sibling(key: bytes, suffix: bytes) -> bytes:
    """A key of the same slot: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags."""
    begin = key.find(b"{")
    if begin >= 0 and key.find(b"}", begin + 1) > begin + 1:
        return key + suffix
    return b"{%b}%b" % (key, suffix)


def _is_at_once(record: Record) -> bool:
    return record.dump is not None or record.type == "string"


def _lines(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end
        yield content[at:end]
        at = end + 1


def _first_error(replies: Sequence[Reply]) -> ServerError | None:
    errors = [reply for reply in replies if isinstance(reply, ServerError)]
    # EXECABORT only says that another one says why.
    return next((error for error in errors if error.prefix != "EXECABORT"), errors[0] if errors else None)


def _meaning(error: ServerError) -> str:
    meaning = to_studio_error(error)
    return meaning.message if meaning.reason == e.ERROR_REASON_NOT_SUPPORTED else about_key(error, "")
