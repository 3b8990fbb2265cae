"""The files of a spool: what each holds, and what an earlier run left in them.

A file belongs to one run of a service, which numbers its events from 1 under a source of its own: so a run can begin
whatever became of the last lines of the one before it. Its name is the run and the number of its first event.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from services.runtime.audit import frames
from services.runtime.audit.frames import Kind
from services.runtime.logs import get_logger

LOCK = "lock"
DAMAGED = ".damaged"
"""Ends the name of a file that can't be read as it should be, kept for whoever wants to look."""
FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

_NAME = re.compile(r"(\d{8})-(\d{20})\.events")

log = get_logger(__name__)


class SpoolUnusableError(Exception):
    """The directory can't be used; the sentence says why."""


@dataclass(slots=True)
class Segment:
    """One file."""

    path: Path
    source: UUID
    first: int
    """Sequence number of its first event."""
    size: int
    """Bytes."""
    events: int = 0

    @property
    def end(self) -> int:
        """Sequence number behind its last event."""
        return self.first + self.events


def path_of(directory: Path, run: int, first: int) -> Path:
    """Where a file lies."""
    return directory / f"{run:08d}-{first:020d}.events"


def lock(directory: Path) -> int:
    """Makes the directory and takes it for this process; the descriptor holds it until it is closed.

    Raises:
        SpoolUnusableError: another process has it, or it can't be written.
    """
    try:
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        held = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise SpoolUnusableError(f"{directory} can't be used: {error.strerror}") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise SpoolUnusableError(
            f"{directory} is in use by another process: give each process a directory of its own"
        ) from None
    return held


def recover(directory: Path, unknown: bytes, damaged: bytes) -> tuple[int, list[Segment]]:
    """What earlier runs left: the number of the last run, and its files, oldest first.

    Calls that had begun and of which nothing more is known become events now, in the file of their own run: killed in
    the middle of this, the next start goes on with the rest.

    Args:
        directory: locked by this process.
        unknown: what a begun event lacks: that its outcome is not known.
        damaged: the event that says that others can't be read.

    Raises:
        SpoolUnusableError: a file can't be read or written.
    """
    last_run, found = 0, list[Segment]()
    begun: dict[int, bytes] = {}
    try:
        paths = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
        for place, path in enumerate(paths):
            run = int(path.name[:8])
            if run != last_run:
                last_run, begun = run, {}
            ends_run = place + 1 == len(paths) or int(paths[place + 1].name[:8]) != run
            segment, is_whole = _read(path, begun)
            if segment is not None:
                found.append(segment)
                # Its number must be one of those that can't be read: what has a file of its own keeps its numbers.
                if not is_whole and (ends_run or _first_of(paths[place + 1]) > segment.end):
                    _append(segment, [frames.frame(Kind.EVENT, 0, damaged)])
            if ends_run and begun and segment is not None:
                _append(
                    segment, [frames.frame(Kind.OUTCOME, call, was + unknown) for call, was in begun.items()]
                )
                log.warning("audit.outcomes_unknown", calls=len(begun))
    except OSError as error:
        raise SpoolUnusableError(f"{directory} can't be used: {error.strerror}") from error
    return last_run, found


def _first_of(path: Path) -> int:
    """Number of a file's first event, by its name."""
    return int(path.stem[9:])


def _read(path: Path, begun: dict[int, bytes]) -> tuple[Segment | None, bool]:
    """What a file holds, and whether that is all; what is torn at its end is cut off."""
    data = path.read_bytes()
    known = frames.read_header(data)
    if known is None:
        log.error("audit.spool_damaged", file=path.name, lost_bytes=len(data))
        path.rename(path.with_suffix(DAMAGED))
        return None, False
    segment = Segment(path, known[0], known[1], frames.HEADER_BYTES)
    for each in frames.scan(data, frames.HEADER_BYTES):
        segment.size = each.end
        if each.kind == Kind.INTENT:
            begun[each.call] = each.payload
            continue
        segment.events += 1
        if each.kind == Kind.OUTCOME:
            begun.pop(each.call, None)
    is_whole = True
    if segment.size < len(data):
        is_whole = not frames.goes_on(data, segment.size)
        if is_whole:
            log.warning("audit.spool_torn", file=path.name, cut_bytes=len(data) - segment.size)
        else:
            log.error("audit.spool_damaged", file=path.name, lost_bytes=len(data) - segment.size)
            shutil.copy(path, path.with_suffix(DAMAGED))
        os.truncate(path, segment.size)
    return segment, is_whole


def _append(segment: Segment, entries: list[bytes]) -> None:
    with segment.path.open("ab", buffering=0) as file:
        for entry in entries:
            file.write(entry)
            segment.size += len(entry)
            segment.events += 1


def create(directory: Path, run: int, source: UUID, first: int) -> tuple[int, Segment]:
    """Begins a file; returns its descriptor, too.

    Raises:
        OSError: it can't be.
    """
    path = path_of(directory, run, first)
    begin = frames.header(source, first)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    try:
        _write(descriptor, begin)
    except OSError:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return descriptor, Segment(path, source, first, len(begin))


def _write(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
