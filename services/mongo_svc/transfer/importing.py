"""Imports a file while it arrives: read, written and reported piece by piece; a slow database slows the sender."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from services.mongo_svc.transfer.bounds import BOUNDS, Bounds
from services.mongo_svc.transfer.reading import Format, Reader, Row
from services.mongo_svc.transfer.writing import Counts, Failure, Target, Writer
from services.runtime.databases import Check, while_unchanged
from services.runtime.durations import milliseconds
from services.runtime.errors import PREFIX, StudioError
from studio.options.v1.errors_pb2 import ErrorReason


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is."""

    rows: int
    """Rows read, without those that were left out at the beginning."""
    counts: Counts
    """What became of them."""
    size: int
    """Bytes read."""
    failures: Sequence[Failure]
    """Rows that failed since the report before."""
    resume: int
    """Rows of the file of which each was written or has failed."""
    elapsed_ms: float
    """Milliseconds since the beginning."""
    done: bool = False
    """All is written."""


class Importer:
    """One import.

    Args:
        target: where rows go.
        format_: how the file is read.
        check: asked now and then, also while nothing arrives, or a write lasts.
        bounds: how much at a time.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """

    def __init__(self, target: Target, format_: Format, check: Check, bounds: Bounds = BOUNDS) -> None:
        self._reader = Reader(format_, bounds)
        self._writer = Writer(target, bounds)
        self._check = check
        self._bounds = bounds
        self._skipped = format_.skip_rows
        self._rows = 0
        self._last = format_.skip_rows
        self._size = 0
        self._clock = asyncio.get_running_loop().time
        self._began_at = self._clock()
        self._report_at = self._began_at + bounds.report_s
        self._reported = False

    async def run(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[Progress, None]:
        """Does the work, and reports. Before it raises, it reports what it has not yet, where it had begun to.

        Raises:
            StudioError: the work can't go on.
        """
        try:
            async with contextlib.aclosing(while_unchanged(self._work(body), self._check)) as reports:
                async for report in reports:
                    self._reported = True
                    yield report
            yield self._progress(done=True)
        except StudioError:
            # Where nothing was done yet, the error is the answer itself.
            if self._reported or self._rows:
                yield self._progress()
            raise
        finally:
            await self._writer.aclose()

    async def _work(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[Progress, None]:
        try:
            async with contextlib.aclosing(body) as parts:
                async for data in parts:
                    self._size += len(data)
                    for row in self._reader.feed(data):
                        await self._take(row)
                        if self._clock() >= self._report_at:
                            yield self._report()
            for row in self._reader.end():
                await self._take(row)
        except StudioError:
            # What stands before the place where the file is broken is good; a batch that failed fails again here.
            await self._writer.flush()
            raise
        await self._writer.flush()
        self._stop_if_failed()

    async def _take(self, row: Row) -> None:
        self._rows += 1
        self._last = row.number
        await self._writer.add(row)
        self._stop_if_failed()
        if not self._rows % self._bounds.step_documents:
            await asyncio.sleep(0)

    def _stop_if_failed(self) -> None:
        failure = self._writer.stopped
        if failure is not None:
            raise StudioError(
                ErrorReason.Value(PREFIX + failure.code),
                f"Row {failure.row}: {failure.message}",
                metadata={"row": str(failure.row), "line": str(failure.line)},
            )

    def _report(self) -> Progress:
        early = self._clock() - self._began_at < self._bounds.early_s
        self._report_at = self._clock() + (self._bounds.report_s if early else self._bounds.late_report_s)
        return self._progress()

    def _progress(self, *, done: bool = False) -> Progress:
        return Progress(
            rows=self._rows,
            counts=self._writer.counts,
            size=self._size,
            failures=self._writer.take_failures(),
            resume=self._resume(),
            elapsed_ms=milliseconds(self._clock() - self._began_at),
            done=done,
        )

    def _resume(self) -> int:
        if self._writer.stopped is not None:
            return self._writer.stopped.row - 1
        unfinished = self._writer.unfinished()
        return self._last if unfinished is None else unfinished - 1
