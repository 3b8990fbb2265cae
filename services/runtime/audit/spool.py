"""Events on disk until the registry has them: append-only files, bounded, of one process.

An intent is on disk before a call changes anything, its outcome before the call is answered: what is written survives
the process, since the operating system holds it. Events of reads are gathered for a moment and written together. Used
from one event loop; each write is one small `write(2)` to memory of the system, so nobody waits for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from services.runtime.audit import frames, segments
from services.runtime.audit.ages import Ages
from services.runtime.audit.frames import Kind
from services.runtime.audit.segments import Segment

FLUSH_S = 0.1
"""Seconds that the event of a read waits at most to be written."""
MAX_BUFFER_BYTES = 64 << 10
"""Waiting events are written earlier when there are so many."""
MAX_STUCK_BYTES = 1 << 20
"""Bytes of reads' events kept in memory while they can't be written; what comes then is lost."""
MAX_MEMORY_BYTES = 2 << 20
"""Written events that are kept in memory, too, so that they need not be read again to be taken away."""
MAX_SEGMENT_BYTES = 4 << 20
SEGMENTS = 16
"""Files that a full spool has at least: it is freed by the file."""
OUTCOME_BYTES = 4 << 10
"""Kept free for the outcome of each call that has begun."""
READS_SHARE = 0.75
"""Part of the spool that events of reads may fill: the rest is for changes, which must not happen unrecorded."""
CHUNK_BYTES = 256 << 10
"""Read at once from a file."""


class SpoolFullError(Exception):
    """There is no room for a change's intent, or it can't be written."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in a row."""

    source: uuid.UUID
    first: int
    """Sequence number of the first of them."""
    events: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading stands."""

    file: str
    offset: int
    sequence: int
    """Number of the next event behind it."""


class Spool:
    """One directory.

    Args:
        directory: made where it is missing.
        max_bytes: of all its files together.
        unknown: appended to what was begun by a run that was killed (`segments.recover`).
        damaged: the event that stands for those that can't be read any more.

    Raises:
        SpoolUnusableError: another process uses it, or it can't be written.
    """

    def __init__(self, directory: Path, max_bytes: int, unknown: bytes, damaged: bytes) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._segment_bytes = min(MAX_SEGMENT_BYTES, max_bytes // SEGMENTS)
        self._source = uuid.uuid4()
        self._next = 1
        self._calls_begun = 0
        self._open: dict[int, tuple[Segment, bytes]] = {}
        self._buffer: list[bytes] = []
        self._buffer_bytes = self._buffer_events = 0
        self._recent: deque[bytes] = deque()
        self._recent_bytes = 0
        self._ages = Ages()
        self._started_at = time.time()
        self._timer: asyncio.TimerHandle | None = None
        self._descriptor = -1
        self._cursor = self._after = Place("", 0, 0)
        self.arrived = asyncio.Event()
        """Set while there is something to take away."""
        self._lock = segments.lock(directory)
        try:
            run, self._segments = segments.recover(directory, unknown, damaged)
            if self._segments:
                self._started_at = self._segments[0].path.stat().st_mtime
        except BaseException:
            os.close(self._lock)
            raise
        self._run = run + 1
        self._bytes = sum(each.size for each in self._segments)
        self._at = self._segments[0].first if self._segments else 1
        self._free()
        if self.waiting:
            self.arrived.set()

    @property
    def used_bytes(self) -> int:
        """Bytes on disk and waiting to be written."""
        return self._bytes + self._buffer_bytes

    @property
    def waiting(self) -> int:
        """Events that nobody has taken yet."""
        oldest = self._oldest_source
        left = sum(
            max(0, each.end - (max(each.first, self._at) if each.source == oldest else each.first))
            for each in self._segments
            if each.source != self._source
        )
        return left + self._next - (self._at if oldest == self._source else 1)

    @property
    def source(self) -> uuid.UUID:
        """Under which this run's events are numbered."""
        return self._source

    @property
    def max_bytes(self) -> int:
        """Bytes that it may hold."""
        return self._max_bytes

    @property
    def oldest_age_s(self) -> float:
        """Seconds for which the oldest event has waited, to about one; of an earlier run, since its last write."""
        if not self.waiting:
            return 0.0
        of_earlier_run = self._oldest_source != self._source
        return max(0.0, time.time() - (self._started_at if of_earlier_run else self._ages.since(self._at)))

    def begin(self, intent: bytes, share: float = 1.0) -> int:
        """Writes that a call is about to change something; returns the number for `end`.

        Args:
            intent: what is known of it.
            share: part of the spool that may be full afterwards.

        Raises:
            SpoolFullError: the call must not go on.
        """
        call = self._calls_begun + 1
        entry = frames.frame(Kind.INTENT, call, intent)
        if self.used_bytes + len(entry) + (len(self._open) + 1) * OUTCOME_BYTES > self._max_bytes * share:
            raise SpoolFullError
        self._write(entry)
        self._calls_begun = call
        self._open[call] = self._segments[-1], intent
        return call

    def amend(self, call: int, intent: bytes) -> None:
        """Replaces an intent by one that tells more, where that can be written: else the first one stands."""
        with contextlib.suppress(SpoolFullError):
            self._write(frames.frame(Kind.INTENT, call, intent))
            self._open[call] = self._segments[-1], intent

    def end(self, call: int, event: bytes) -> None:
        """Writes how such a call ended: room for it was kept. What can't be written now is written later."""
        self._open.pop(call, None)
        self._hold(frames.frame(Kind.OUTCOME, call, event), event)
        self.flush()

    def change(self, event: bytes) -> None:
        """Writes the event of a change that is over as soon as it is decided.

        Raises:
            SpoolFullError: it must not happen.
        """
        self.end(self.begin(event), event)

    def read(self, event: bytes) -> bool:
        """Takes the event of a read; False where there is no room, and it is lost."""
        entry = frames.frame(Kind.EVENT, 0, event)
        used = self.used_bytes + len(entry) + len(self._open) * OUTCOME_BYTES
        if used > self._max_bytes * READS_SHARE or self._buffer_bytes > MAX_STUCK_BYTES:
            return False
        self._hold(entry, event)
        if self._buffer_bytes > MAX_BUFFER_BYTES:
            self.flush()
        else:
            self._flush_later()
        return True

    def flush(self) -> None:
        """Writes what waits. Where that fails it is tried again, and can be taken away meanwhile."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buffer:
            try:
                self._write(b"")
            except SpoolFullError:
                self._flush_later()

    def batch(self, max_events: int, max_bytes: int) -> Batch | None:
        """The oldest events that nobody has taken, of one source; None where there are none."""
        if self._oldest_source == self._source and self._at >= self._next - len(self._recent):
            return self._from_memory(max_events, max_bytes)
        self.flush()
        for segment in self._segments:
            if segment.end > self._at:
                return self._from_disk(segment, max_events, max_bytes)
        return None

    def taken(self, source: uuid.UUID, next_sequence: int) -> None:
        """The receiver has all events of a source before this number; frees what holds nothing else."""
        if source != self._oldest_source:
            return
        self._at = max(self._at, next_sequence)
        if source == self._source:
            self._at = min(self._at, self._next)
            self._ages.forget(self._at)
            while self._recent and self._next - len(self._recent) < self._at:
                self._recent_bytes -= len(self._recent.popleft())
        if self._after.sequence == self._at:
            self._cursor = self._after
        self._free()
        if not self.waiting:
            self.arrived.clear()

    def close(self) -> None:
        """Writes what waits and gives the directory back; files whose events are all taken go."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if not self.waiting and not self._open:
            for each in self._segments:
                each.path.unlink(missing_ok=True)
        os.close(self._lock)

    @property
    def _oldest_source(self) -> uuid.UUID:
        return self._segments[0].source if self._segments else self._source

    def _flush_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def _hold(self, entry: bytes, event: bytes) -> None:
        self._buffer.append(entry)
        self._buffer_bytes += len(entry)
        self._buffer_events += 1
        self._ages.note(self._next)
        self._next += 1
        self._recent.append(event)
        self._recent_bytes += len(event)
        # What is not written yet is nowhere else.
        while self._recent_bytes > MAX_MEMORY_BYTES and len(self._recent) > self._buffer_events:
            self._recent_bytes -= len(self._recent.popleft())
        self.arrived.set()

    def _write(self, entry: bytes) -> None:
        """Writes what waits and one entry more.

        Raises:
            SpoolFullError: nothing of it was written.
        """
        data = b"".join([*self._buffer, entry])
        try:
            segment = self._segment(len(data))
            written = os.write(self._descriptor, data)
            if written != len(data):
                os.ftruncate(self._descriptor, segment.size)
                raise SpoolFullError
        except OSError as error:
            raise SpoolFullError from error
        segment.size += written
        segment.events += self._buffer_events
        self._bytes += written
        self._buffer.clear()
        self._buffer_bytes = self._buffer_events = 0

    def _segment(self, room: int) -> Segment:
        """The file that is written; another one when it would become too large."""
        if self._descriptor >= 0 and self._segments[-1].size + room <= self._segment_bytes:
            return self._segments[-1]
        first = self._next - self._buffer_events
        descriptor, segment = segments.create(self._directory, self._run, self._source, first)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._bytes += segment.size
        self._segments.append(segment)
        return segment

    def _from_memory(self, max_events: int, max_bytes: int) -> Batch | None:
        skip = self._at - (self._next - len(self._recent))
        events, size = list[bytes](), 0
        for event in islice(self._recent, skip, skip + max_events):
            size += len(event)
            if events and size > max_bytes:
                break
            events.append(event)
        return Batch(self._source, self._at, events) if events else None

    def _from_disk(self, segment: Segment, max_events: int, max_bytes: int) -> Batch | None:
        at = max(self._at, segment.first)
        place = self._cursor
        if place.file != segment.path.name or place.sequence != at:
            place = Place(segment.path.name, frames.HEADER_BYTES, segment.first)
        events, size, sequence, offset = list[bytes](), 0, place.sequence, place.offset
        with segment.path.open("rb") as file:
            while offset < segment.size and len(events) < max_events and size < max_bytes:
                file.seek(offset)
                chunk = file.read(CHUNK_BYTES)
                end = 0
                for each in frames.scan(chunk):
                    end = each.end
                    if each.kind == Kind.INTENT:
                        continue
                    sequence += 1
                    if sequence <= at:
                        continue
                    events.append(each.payload)
                    size += len(each.payload)
                    if len(events) == max_events or size >= max_bytes:
                        break
                if not end:
                    raise OSError(errno.EIO, f"{segment.path.name} was changed by somebody else")
                offset += end
        self._after = Place(segment.path.name, offset, sequence)
        return Batch(segment.source, at, events) if events else None

    def _free(self) -> None:
        """Deletes files from which everything is taken."""
        while self._segments:
            oldest = self._segments[0]
            is_current = self._descriptor >= 0 and oldest is self._segments[-1]
            if is_current or oldest.end > self._at or not self._moved_on(oldest):
                return
            oldest.path.unlink(missing_ok=True)
            self._bytes -= oldest.size
            del self._segments[0]
            following = self._oldest_source
            if following != oldest.source:
                self._at = 1 if following == self._source else self._segments[0].first

    def _moved_on(self, segment: Segment) -> bool:
        """Writes again the intents in a file that are still open; whether that worked."""
        try:
            for call, (where, intent) in list(self._open.items()):
                if where is segment:
                    self._write(frames.frame(Kind.INTENT, call, intent))
                    self._open[call] = self._segments[-1], intent
        except SpoolFullError:
            return False
        return True
