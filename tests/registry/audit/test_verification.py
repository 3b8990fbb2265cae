"""Verification: whatever is done to the log without the key is found, and what the registry does itself is not."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.registry.audit.chain import ChainKeys, Link, row_hash
from services.registry.audit.recorder import StoredEvents
from services.registry.audit.retention import CHUNK_ROWS, Retention
from services.registry.audit.rows import LINE
from services.registry.audit.verification import split
from services.runtime import logs
from tests.registry.audit.events import KEYS, count, event, events, fill, pool, verify, verify_audit
from tests.registry.harness import SERVICE_SECRET

Session = psycopg.Connection[tuple[Any, ...]]
LOG, CHAIN = "platform.database_audit_log", "platform.audit_chain"
ROWS = 12
OTHER_SECRET = "another-secret-of-the-tests-0123456789"


@pytest.fixture
async def log(migrated_url: str) -> str:
    """The URL of a database with a log of ROWS rows, recorded in three batches."""
    await store(migrated_url, KEYS, *[events(4)] * 3)
    return migrated_url


async def store(url: str, keys: ChainKeys, *batches: list[Any]) -> None:
    connections = pool(url)
    await connections.open()
    try:
        recorder = StoredEvents(connections, keys)
        for batch in batches:
            await recorder.record(str(uuid.uuid4()), 1, batch, service="redis_svc")
    finally:
        await connections.aclose()


async def remove_old(url: str, days: int = 30, keys: ChainKeys = KEYS) -> int:
    connections = pool(url)
    await connections.open()
    try:
        return await Retention(connections, keys, days).remove_old()
    finally:
        await connections.aclose()


def head(url: str) -> Link:
    return verify(url).head


def recompute(db: Session) -> None:
    """What somebody without the key can do: change a row and make all hashes behind it fit each other."""
    db.execute(f"UPDATE {LOG} SET actor = 'eve' WHERE sequence = 5".encode())
    key = ChainKeys("a-guess").current
    with (
        db.cursor() as cursor,
        cursor.copy(
            f"COPY (SELECT {LINE}, encode(hash, 'hex') FROM {LOG} ORDER BY sequence) TO STDOUT".encode()
        ) as copy,
    ):
        rows = [split(bytes(row)) for row in copy]
    digest = rows[3][1]
    for sequence, (line, _) in enumerate(rows[4:], start=5):
        digest = row_hash(key, digest, line)
        db.execute(f"UPDATE {LOG} SET hash = %s WHERE sequence = %s".encode(), (digest, sequence))
    db.execute(f"UPDATE {CHAIN} SET hash = %s".encode(), (digest,))


CHECKPOINT = f"UPDATE {CHAIN} SET checkpoint_sequence = 5, checkpoint_mac = sha256('x'), checkpoint_hash ="
MOVE = f"UPDATE {LOG} SET sequence ="
SHIFT = (
    f"UPDATE {LOG} SET sequence = sequence + 1000 WHERE sequence > 5; UPDATE {LOG} SET sequence = sequence - "
)
COLUMNS = "INSERT INTO {0} SELECT (json_populate_record(r, json_build_object('sequence', {1}))).* FROM {0} r"
TAMPERING: dict[str, tuple[str | Callable[[Session], None], str]] = {
    "a text": (f"UPDATE {LOG} SET actor = 'eve' WHERE sequence = 5", "row 5 was changed"),
    "the first row": (f"UPDATE {LOG} SET outcome = 'ok ' WHERE sequence = 1", "row 1 was changed"),
    "the last row": (f"UPDATE {LOG} SET reason = 'x' WHERE sequence = 12", "row 12 was changed"),
    "a microsecond": (
        f"UPDATE {LOG} SET occurred_at = occurred_at + interval '1 microsecond' WHERE sequence = 5",
        "row 5 was changed",
    ),
    "the time of storing": (
        f"UPDATE {LOG} SET recorded_at = recorded_at - interval '1 year' WHERE sequence = 5",
        "row 5 was changed",
    ),
    "a name of the target": (
        f"""UPDATE {LOG} SET target = '{{"key":"other"}}' WHERE sequence = 5""",
        "row 5 was changed",
    ),
    "a hash": (f"UPDATE {LOG} SET hash = sha256('x') WHERE sequence = 5", "row 5 was changed"),
    "two texts in one": (
        f"UPDATE {LOG} SET actor = actor || E'\\t' || credential, credential = '' WHERE sequence = 5",
        "row 5 was changed",
    ),
    "all hashes, without the key": (recompute, "row 5 was changed"),
    "the first row deleted": (f"DELETE FROM {LOG} WHERE sequence = 1", "row 1 is missing"),
    "a row deleted": (f"DELETE FROM {LOG} WHERE sequence = 5", "row 5 is missing"),
    "rows deleted": (f"DELETE FROM {LOG} WHERE sequence BETWEEN 5 AND 7", "rows 5 to 7 are missing"),
    "the last row deleted": (f"DELETE FROM {LOG} WHERE sequence = 12", "row 12 is missing"),
    "all rows deleted": (f"TRUNCATE {LOG}", "rows 1 to 12 are missing"),
    "a row deleted, the gap closed": (
        f"DELETE FROM {LOG} WHERE sequence = 5; {SHIFT} 1001 WHERE sequence > 1000",
        "row 5 was changed, or not recorded by the registry",
    ),
    "a row added": (COLUMNS.format(LOG, 13) + " WHERE sequence = 12", "row 13 was not recorded"),
    "a row added, the head moved": (
        f"{COLUMNS.format(LOG, 13)} WHERE sequence = 12; UPDATE {CHAIN} SET sequence = 13",
        "row 13 is in the wrong place: it was recorded as row 12",
    ),
    "a row inserted": (
        f"{SHIFT} 999 WHERE sequence > 1000; " + COLUMNS.format(LOG, 6) + " WHERE sequence = 2",
        "row 6 is in the wrong place: it was recorded as row 2",
    ),
    "two rows swapped": (
        f"{MOVE} -1 WHERE sequence = 5; {MOVE} 5 WHERE sequence = 8; {MOVE} 8 WHERE sequence = -1",
        "row 5 is in the wrong place: it was recorded as row 8",
    ),
    "the head": (f"UPDATE {CHAIN} SET hash = sha256('x')", "the chain does not end with row 12"),
    "the head moved": (f"UPDATE {CHAIN} SET sequence = 14", "rows 13 to 14 are missing"),
    "the head deleted": (f"DELETE FROM {CHAIN}", "platform.audit_chain is empty"),
    "rows deleted as if by their age": (
        f"{CHECKPOINT} (SELECT hash FROM {LOG} WHERE sequence = 5); DELETE FROM {LOG} WHERE sequence <= 5",
        "the rows up to 5 have not gone by their age",
    ),
}


async def test_tampering_is_found(log: str, db: Session) -> None:
    """Each on the log as it was recorded; what is found first begins as the table says."""
    db.execute(f"CREATE TABLE log AS TABLE {LOG}; CREATE TABLE chain AS TABLE {CHAIN}".encode())
    wrong = {}
    for name, (tampering, fault) in TAMPERING.items():
        if callable(tampering):
            tampering(db)
        else:
            db.execute(tampering.encode())
        if not (found := verify(log).fault).startswith(fault):
            wrong[name] = found
        db.execute(f"TRUNCATE {LOG}; INSERT INTO {LOG} TABLE log".encode())
        db.execute(f"TRUNCATE {CHAIN}; INSERT INTO {CHAIN} TABLE chain".encode())
        assert verify(log).fault == ""
    assert wrong == {}


async def test_what_was_kept_out_of_the_log_is_found(migrated_url: str, db: Session) -> None:
    """Whoever makes the registry take new events for those that it has."""
    source = str(uuid.uuid4())
    connections = pool(migrated_url)
    await connections.open()
    recorder = StoredEvents(connections, KEYS)

    async def send(first: int) -> int:
        return await recorder.record(source, first, events(2), service="redis_svc")

    def claim(following: int) -> None:
        db.execute("UPDATE platform.audit_sources SET next_sequence = %s", (following,))

    try:
        assert await send(1) == 3
        assert await send(5) == 7, "and one says that 3 and 4 never came"
        assert (verify(migrated_url).rows, verify(migrated_url).fault) == (5, "")
        claim(9)
        assert await send(7) == 9
        assert count(db) == 5, "not recorded"
        assert verify(migrated_url).fault == (
            f"of source {source} the last event is 6, and platform.audit_sources says 8: "
            "it was changed, or the end of the log cut off"
        )
        assert await send(9) == 11
        found = verify(migrated_url).fault
        assert found.startswith(f"row 6 is event 9 of source {source}, whose last one is 6"), found
        claim(7)
        assert verify(migrated_url, since=Link(*last_row(db))).fault == "", "what is newer is right"
    finally:
        await connections.aclose()


def last_row(db: Session) -> tuple[int, bytes]:
    row = db.execute(f"SELECT sequence, hash FROM {LOG} ORDER BY sequence DESC LIMIT 1".encode()).fetchone()
    assert row is not None
    return row[0], row[1]


async def test_what_is_right_is_right_whatever_the_session_says(log: str, db: Session) -> None:
    db.execute(
        f"ALTER DATABASE {db.info.dbname} SET TimeZone = 'Asia/Kathmandu';"
        f"ALTER DATABASE {db.info.dbname} SET bytea_output = 'escape';".encode()
    )
    await store(log, KEYS, events(3))
    found = verify(log)
    assert (found.rows, found.fault) == (ROWS + 3, "")


async def test_the_command_prints_the_head_and_goes_on_from_it(log: str, db: Session) -> None:
    done = verify_audit(log)
    assert done.code == 0, done.output
    assert f"verify-audit: {ROWS} rows are as they were recorded" in done.output
    noted = done.output.split("head ")[1].strip()
    assert noted == str(head(log))
    await store(log, KEYS, events(3))
    done = verify_audit(log, "--since", noted)
    assert (done.code, f"3 rows after row {ROWS} are as they were recorded" in done.output) == (0, True)

    db.execute(f"DELETE FROM {LOG} WHERE sequence = 14".encode())
    done = verify_audit(log, "--since", noted)
    assert (done.code, "failed: row 14 is missing" in done.output) == (1, True)
    assert "head " not in done.output


async def test_a_cut_at_the_end_shows_against_a_head_that_was_noted(log: str, db: Session) -> None:
    noted = head(log)
    db.execute(f"DELETE FROM {LOG} WHERE sequence > 9".encode())
    db.execute(
        f"UPDATE {CHAIN} SET (sequence, hash) = (SELECT sequence, hash FROM {LOG} WHERE sequence = 9)".encode()
    )
    assert "the last event is 1, and platform.audit_sources says 4" in verify(log).fault
    # Whoever knows of that, too:
    db.execute(
        f"UPDATE platform.audit_sources SET next_sequence = 2"
        f" WHERE source = (SELECT source FROM {LOG} WHERE sequence = 9)".encode()
    )
    assert verify(log).fault == ""
    assert verify(log, since=noted).fault == "rows 10 to 12 are missing"
    await store(log, KEYS, events(5))
    assert verify(log).fault == ""
    assert verify(log, since=noted).fault.startswith("row 12 is not the one that was noted")


async def test_a_place_that_is_none_is_refused(migrated_url: str) -> None:
    for text in ("12", "x:00", "12:xyz", f"-1:{'00' * 32}", "1:00"):
        done = verify_audit(migrated_url, f"--since={text}")
        assert (done.code, "SEQUENCE:HASH" in done.output) == (2, True)


async def test_a_new_secret_signs_on_and_the_old_one_is_not_taken_again(log: str) -> None:
    new = ChainKeys(OTHER_SECRET, [SERVICE_SECRET])
    await store(log, new, events(2))
    assert verify(log, new).rows == ROWS + 2
    assert verify(log, ChainKeys(OTHER_SECRET)).fault.startswith("row 1 was changed")
    assert verify(log).fault.startswith("row 13 was changed"), "by a key that is not known any more"
    done = verify_audit(log, AUDIT_CHAIN_SECRET=OTHER_SECRET, AUDIT_CHAIN_SECRETS_RETIRED=SERVICE_SECRET)
    assert done.code == 0, done.output
    # Whoever holds the old secret writes on.
    await store(log, KEYS, events(1))
    assert verify(log, new).fault.startswith("row 15 was changed")


async def test_what_goes_by_its_age_leaves_the_rest_verifiable(migrated_url: str, db: Session) -> None:
    now, many = datetime.now(UTC), CHUNK_ROWS + 10
    fill(db, ((now - timedelta(days=40), event(number)) for number in range(many)))
    noted = head(migrated_url)
    fill(db, [(now - timedelta(days=20), event(1))])
    assert await remove_old(migrated_url, days=0) == 0, "0 keeps them for ever"
    assert await remove_old(migrated_url) == many
    assert count(db) == 1
    assert await remove_old(migrated_url) == 0
    assert (verify(migrated_url).rows, verify(migrated_url).fault) == (1, "")
    assert verify(migrated_url, since=noted).rows == 1
    await store(migrated_url, KEYS, events(4))
    found = verify(migrated_url, since=Link(1, noted.hash))
    assert (found.gone, found.rows, found.fault) == (True, 5, "")
    # All of it: the chain goes on from what is gone.
    fill(db, [(now - timedelta(days=40), event(1))])
    assert await remove_old(migrated_url, days=1) == 1
    db.execute(f"DELETE FROM {LOG} WHERE sequence = {many + 3}".encode())
    assert verify(migrated_url).fault == f"row {many + 3} is missing"


async def test_a_clock_that_leaps_ahead_makes_nothing_old(
    migrated_url: str, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    fill(db, [(now - timedelta(days=40), event(1))])
    with monkeypatch.context() as patched:
        # The registry's clock is right, that of PostgreSQL twenty days ahead.
        patched.setattr("time.time", (now - timedelta(days=20)).timestamp)
        assert await remove_old(migrated_url) == 0
    with monkeypatch.context() as patched:
        patched.setattr("time.time", (now + timedelta(days=400)).timestamp)
        assert await remove_old(migrated_url, days=100) == 0
    assert await remove_old(migrated_url) == 1


async def test_nothing_goes_that_was_tampered_with(log: str, db: Session, tmp_path: Path) -> None:
    """Else making a row old would make the registry itself remove it, and sign that it was right."""
    db.execute(f"UPDATE {LOG} SET recorded_at = recorded_at - interval '1 year' WHERE sequence <= 5".encode())
    with (tmp_path / "log").open("w+") as lines:
        logs.configure("registry", stream=lines)
        assert await remove_old(log) == 0
        lines.seek(0)
        assert "audit.broken" in lines.read()
    assert count(db) == ROWS
    assert verify(log).fault.startswith("row 1 was changed")
