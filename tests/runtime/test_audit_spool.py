"""The spool: what is on disk when a process dies, how full it may be, and what is taken away once and in order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.runtime.audit import ages, frames, spool
from services.runtime.audit.ages import Ages
from services.runtime.audit.frames import Kind
from services.runtime.audit.segments import SpoolUnusableError
from services.runtime.audit.spool import Batch, Spool, SpoolFullError
from tests.runtime.harness import until

MIB = 1 << 20
UNKNOWN = b"|unknown"
DAMAGED = b"damaged"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.events"))


def take(spool: Spool) -> list[bytes]:
    """Takes everything away, a few at a time."""
    events: list[bytes] = []
    while (batch := spool.batch(7, MIB)) is not None:
        events += batch.events
        spool.taken(batch.source, batch.first + len(batch.events))
    return events


def opened(directory: Path, max_bytes: int = MIB) -> Spool:
    return Spool(directory, max_bytes, UNKNOWN, DAMAGED)


def as_killed(spool: Spool, directory: Path) -> Path:
    """What a process that is killed now leaves, as a directory of its own."""
    left = Path(tempfile.mkdtemp(dir=directory.parent)) / "spool"
    shutil.copytree(directory, left)
    spool.close()
    return left


def modes(directory: Path) -> list[int]:
    """Who may do what with the directory, and with each file in it."""
    return [path.stat().st_mode & 0o777 for path in [directory, *directory.iterdir()]]


async def test_events_come_out_once_and_in_order(directory: Path) -> None:
    first = opened(directory)
    first.read(b"r1")
    call = first.begin(b"change")
    first.read(b"r2")
    first.end(call, b"change, done")
    first.change(b"decided")
    assert take(first) == [b"r1", b"r2", b"change, done", b"decided"]
    assert first.batch(10, MIB) is None
    assert first.waiting == 0
    assert not first.arrived.is_set()
    first.close()
    assert files(directory) == [], "what is taken leaves nothing behind"


async def test_what_is_not_confirmed_is_given_again_with_the_same_numbers(directory: Path) -> None:
    first = opened(directory)
    for number in range(5):
        first.read(b"%d" % number)
    one, two = first.batch(3, MIB), first.batch(3, MIB)
    assert one is not None
    assert one == two == Batch(one.source, 1, [b"0", b"1", b"2"])
    # An answer that got lost: the receiver had them already, and more.
    first.taken(one.source, 5)
    assert take(first) == [b"4"]
    first.close()


async def test_an_event_of_a_read_is_written_soon_and_of_a_change_at_once(directory: Path) -> None:
    first = opened(directory)
    call = first.begin(b"intent")
    assert b"intent" in files(directory)[0].read_bytes()
    first.end(call, b"outcome")
    assert b"outcome" in files(directory)[0].read_bytes()
    first.read(b"seen")
    await until(lambda: b"seen" in files(directory)[0].read_bytes())
    take(first)
    first.close()


async def test_a_killed_process_leaves_every_outcome_and_an_unknown_one_for_what_it_was_doing(
    directory: Path,
) -> None:
    program = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from services.runtime.audit.spool import Spool\n"
        "async def main():\n"
        "    spool = Spool(Path(sys.argv[1]), 1 << 20, b'|unknown', b'')\n"
        "    spool.end(spool.begin(b'one'), b'one, done')\n"
        "    spool.begin(b'two')\n"
        "    spool.amend(spool.begin(b'three'), b'three, more')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(directory)], check=False)  # noqa: ASYNC221  short
    assert ended.returncode == -signal.SIGKILL
    second = opened(directory)
    second.read(b"later")
    assert take(second) == [b"one, done", b"two|unknown", b"three, more|unknown", b"later"]
    second.close()
    assert files(directory) == []


async def test_a_start_that_is_killed_while_it_recovers_loses_and_doubles_nothing(directory: Path) -> None:
    first = opened(directory)
    first.begin(b"one")
    first.begin(b"two")
    left = as_killed(first, directory)
    path = files(left)[0]
    whole = path.read_bytes()
    opened(left).close()
    recovered = path.read_bytes()
    # Killed at every point of what recovering has appended.
    for cut in range(len(whole), len(recovered) + 1):
        path.write_bytes(recovered[:cut])
        third = opened(left)
        assert take(third) == [b"one|unknown", b"two|unknown"]
        third.close()


@pytest.mark.parametrize("zeros", [False, True], ids=["cut off", "never written"])
async def test_a_torn_tail_costs_the_torn_event_alone(directory: Path, zeros: bool) -> None:  # noqa: FBT001
    first = opened(directory)
    for number in range(3):
        first.change(b"event %d" % number)
    left = as_killed(first, directory)
    path = files(left)[0]
    whole = path.read_bytes()
    last = whole.rindex(frames.frame(Kind.INTENT, 3, b"event 2"))
    for cut in range(last + 1, len(whole)):
        path.write_bytes(whole[:cut] + (b"\0" * 100 if zeros else b""))
        second = opened(left)
        events = take(second)
        assert events[:2] == [b"event 0", b"event 1"]
        assert events[2:] in ([], [b"event 2|unknown"])
        second.close()


@pytest.mark.parametrize("more", [0, 5000], ids=["the last file", "another one behind it"])
async def test_damage_in_the_middle_is_told_and_what_was_there_is_kept(directory: Path, more: int) -> None:
    first = opened(directory)
    for number in range(9):
        first.change(b"event %d" % number)
    for number in range(more):
        first.read(b"more %05d" % number)
    first.flush()
    left = as_killed(first, directory)
    path = files(left)[0]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"event 4", b"event X"))
    expected = [b"event 0", b"event 1", b"event 2", b"event 3", DAMAGED]
    second = opened(left)
    batch = second.batch(100, MIB)
    assert batch is not None
    assert (batch.first, batch.events) == (1, expected)
    second.taken(batch.source, 6)
    if more:
        batch = second.batch(1, MIB)
        assert batch is not None
        assert batch.first == 10, "the numbers of other files stay: the registry sees which are missing"
    assert take(second) == [b"more %05d" % each for each in range(more)]
    second.close()
    (kept,) = left.glob("*.damaged")
    assert b"event 8" in kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_is_none_is_put_aside(directory: Path) -> None:
    first = opened(directory)
    first.change(b"kept")
    left = as_killed(first, directory)
    (left / f"{0:08d}-{1:020d}.events").write_bytes(b"nonsense")
    second = opened(left)
    assert take(second) == [b"kept"]
    second.close()
    assert sorted(each.name for each in left.glob("*")) == [f"{0:08d}-{1:020d}.damaged", "lock"]


async def test_two_processes_do_not_share_a_directory(directory: Path) -> None:
    first = opened(directory)
    with pytest.raises(SpoolUnusableError, match="in use by another process"):
        opened(directory)
    first.close()
    opened(directory).close()


async def test_nobody_else_may_read_it(directory: Path) -> None:
    first = opened(directory)
    first.change(b"event")
    assert modes(directory) == [0o700, 0o600, 0o600]
    first.close()


async def test_a_full_spool_loses_reads_first_and_then_refuses_changes(directory: Path) -> None:
    full = opened(directory)
    event, reads, changes = b"x" * 500, 0, 0
    while full.read(event):
        reads += 1
    assert full.used_bytes <= MIB
    open_call = full.begin(event)
    while True:
        try:
            full.change(event)
        except SpoolFullError:
            break
        changes += 1
    assert changes > 100, "there was room for changes left"
    assert full.used_bytes <= MIB
    assert not full.read(event)
    full.end(open_call, b"y" * 3000)
    assert full.used_bytes <= MIB, "room for the outcome was kept"
    assert len(take(full)) == reads + changes + 1
    full.change(event)
    assert full.read(event), "taken away, there is room again"
    assert len(take(full)) == 2
    full.close()
    assert files(directory) == []


async def test_a_call_that_lasts_does_not_keep_the_files_that_it_began_in(directory: Path) -> None:
    first = opened(directory)
    long = first.begin(b"long")
    for _ in range(100):
        for _ in range(100):
            first.change(b"z" * 200)
        take(first)
    assert first.used_bytes < MIB // 4
    second = opened(as_killed(first, directory))
    assert take(second)[-1] == b"long|unknown", "and is still known where it ended is not"
    second.close()
    assert long == 1


async def test_what_does_not_fit_into_memory_is_read_from_disk(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_MEMORY_BYTES", 1000)
    first = opened(directory)
    wrote = [b"event %05d" % number for number in range(5000)]
    for event in wrote[:2500]:
        first.read(event)
    batch = first.batch(10, MIB)
    assert batch is not None
    assert batch.events == wrote[:10]
    for event in wrote[2500:]:
        first.change(event)
    assert take(first) == wrote
    first.close()


async def test_a_disk_that_takes_no_more_refuses_changes_and_keeps_what_is_to_be_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(directory)
    call = first.begin(b"begun")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(SpoolFullError):
            first.begin(b"refused")
        first.end(call, b"done")
        assert first.read(b"read")
        batch = first.batch(10, MIB)
        assert batch is not None
        assert batch.events == [b"done", b"read"], "they can be taken away all the same"
    first.flush()
    second = opened(as_killed(first, directory))
    assert take(second) == [b"done", b"read"]
    second.close()


async def test_for_how_long_the_oldest_event_waits(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    first = opened(directory)
    assert first.oldest_age_s == 0
    first.read(b"one")
    now[0] += 60
    first.read(b"two")
    now[0] += 5
    assert first.oldest_age_s == 65
    batch = first.batch(1, MIB)
    assert batch is not None
    first.taken(batch.source, 2)
    assert first.oldest_age_s == 5
    take(first)
    assert first.oldest_age_s == 0
    first.read(b"three")
    first.flush()
    left = as_killed(first, directory)
    written = files(left)[0].stat().st_mtime
    now[0] = written + 100
    second = opened(left)
    assert second.oldest_age_s == pytest.approx(100, abs=0.001), "an earlier run's, since its last write"
    take(second)
    second.close()


def test_ages_stay_bounded_and_about_right(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    found = Ages()
    for number in range(20_000):
        now[0] = number * 10.0
        found.note(number)
    assert len(found) <= ages.MAX_MARKS
    for number in (0, 7_777, 19_000):
        assert abs(found.since(number) - number * 10) <= 640, "as coarse as a thousand marks are"
