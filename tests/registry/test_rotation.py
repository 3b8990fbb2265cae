"""`rotate-keys`: every row ends up under the current key, no change is lost, and nobody notices."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from services.runtime.crypto import KeyRing, SealedValueError
from tests.registry import another_program
from tests.registry.commands import (
    NEW,
    OLD,
    URLS,
    command,
    insert,
    insert_sealed,
    opened,
    rotate,
    stored,
)

Session = psycopg.Connection[tuple[Any, ...]]


def facts(db: Session, database_id: str) -> tuple[Any, ...]:
    """What may not change when a row is only sealed anew."""
    row = db.execute(
        "SELECT updated_at, connection_version, platform.database_revision(d) FROM platform.databases d WHERE id = %s",
        (database_id,),
    ).fetchone()
    assert row is not None
    return row


def test_every_row_of_every_type_is_sealed_by_the_new_key(db: Session, migrated_url: str) -> None:
    rows = {type_: insert_sealed(db, type_.replace("_", "-"), type_=type_) for type_ in URLS}
    done = rotate(migrated_url)
    assert (done.code, "4 sealed anew, 0 can't be read" in done.output) == (0, True), done.output
    assert {type_: opened(db, id_, type_=type_) for type_, id_ in rows.items()} == URLS


def test_a_second_run_finds_nothing_to_do(db: Session, migrated_url: str) -> None:
    first = insert_sealed(db, "a")
    rotate(migrated_url)
    before = stored(db, first)
    assert "rotate-keys: 0 sealed anew" in rotate(migrated_url).output
    assert stored(db, first) == before


def test_a_run_that_was_stopped_goes_on_where_it_was(db: Session, migrated_url: str) -> None:
    rows = sorted(insert_sealed(db, f"a{number}") for number in range(7))
    # As a run leaves them that ended after its first batches.
    for id_ in rows[:3]:
        db.execute(
            "UPDATE platform.databases SET connection_string = %s WHERE id = %s",
            (KeyRing(NEW).seal(URLS["redis"], row_id=id_, type_="redis"), id_),
        )
    assert "rotate-keys: 4 sealed anew" in rotate(migrated_url, "--batch", "2").output
    assert {opened(db, id_) for id_ in rows} == {URLS["redis"]}


def test_it_tells_how_far_it_is(db: Session, migrated_url: str) -> None:
    for number in range(5):
        insert_sealed(db, f"a{number}")
    output = rotate(migrated_url, "--batch", "2").output
    assert [line for line in output.splitlines() if " done, " in line] == [
        f"rotate-keys: {count} done, 0 can't be read" for count in (2, 4, 5)
    ]


def test_a_dry_run_changes_nothing_and_says_what_it_would(db: Session, migrated_url: str) -> None:
    first = insert_sealed(db, "a")
    before = stored(db, first)
    done = rotate(migrated_url, "--dry-run")
    assert (done.code, "1 would be sealed anew" in done.output) == (0, True), done.output
    assert stored(db, first) == before


def test_sealing_anew_is_no_change_for_anybody(db: Session, migrated_url: str) -> None:
    first = insert_sealed(db, "a")
    before = facts(db, first)
    with psycopg.connect(migrated_url, autocommit=True) as listener:
        listener.execute("LISTEN studio_databases")
        listener.execute("LISTEN studio_lists")
        rotate(migrated_url)
        # A change of the connection itself is one, and comes first where the rotation said nothing.
        changed = KeyRing(NEW).seal("redis://elsewhere:6379/0", row_id=first, type_="redis")
        assert facts(db, first) == before
        db.execute("UPDATE platform.databases SET connection_string = %s", (changed,))
        heard = [each.channel for each in listener.notifies(timeout=10, stop_after=2)]
    assert sorted(heard) == ["studio_databases", "studio_lists"]
    after = facts(db, first)
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_a_change_made_meanwhile_is_never_overwritten(db: Session, migrated_url: str) -> None:
    first, second = sorted((insert_sealed(db, "a"), insert_sealed(db, "b")))
    url = "redis://:other@elsewhere:6379/0"
    changed = KeyRing(OLD).seal(url, row_id=first, type_="redis")
    with (
        ThreadPoolExecutor(1) as thread,
        psycopg.connect(migrated_url) as somebody,
    ):
        somebody.execute(
            "UPDATE platform.databases SET connection_string = %s WHERE id = %s", (changed, first)
        )
        running = thread.submit(rotate, migrated_url)
        wait_for_lock(db)
        somebody.commit()
        done = running.result()
    assert done.code == 0, done.output
    assert "1 changed meanwhile" in done.output
    # And in the next pass the change itself is sealed by the new key.
    assert opened(db, first) == url
    assert opened(db, second) == URLS["redis"]


def test_rows_that_do_not_open_are_named_and_left_alone(db: Session, migrated_url: str) -> None:
    good = insert_sealed(db, "good")
    bad = insert_sealed(db, "bad", "a-key-that-nobody-remembers-0123456789")
    before = stored(db, bad)
    done = rotate(migrated_url)
    assert done.code == 1
    assert f"can't be read: redis {bad} 'bad': sealed with key" in done.output
    assert "1 sealed anew, 1 can't be read" in done.output
    assert opened(db, good) == URLS["redis"]
    assert stored(db, bad) == before
    with pytest.raises(SealedValueError):
        opened(db, bad)


def test_a_row_that_was_moved_to_another_is_not_sealed_for_its_new_place(
    db: Session, migrated_url: str
) -> None:
    first, second = insert_sealed(db, "a"), insert_sealed(db, "b")
    copied = stored(db, first)
    db.execute("UPDATE platform.databases SET connection_string = %s WHERE id = %s", (copied, second))
    done = rotate(migrated_url)
    assert (done.code, stored(db, second)) == (1, copied)


@pytest.mark.parametrize("arguments", [("--batch", "0"), ("--batch", "x"), ("--batch", "100000000")])
def test_a_batch_has_a_bound(migrated_url: str, arguments: tuple[str, str]) -> None:
    done = rotate(migrated_url, *arguments)
    assert (done.code, "--batch" in done.output) == (2, True), done.output


@pytest.mark.parametrize("name", ["rotate-keys", "import", "verify"])
@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("SAMPLE_KEY", "must have at least 16 characters"),
        ("short", "must have at least 16 characters"),
        ("your-super-secret-and-long-postgres-password", "is a well-known example"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "is a well-known example"),
    ],
)
def test_a_weak_key_is_refused_and_not_repeated(migrated_url: str, name: str, key: str, says: str) -> None:
    done = command(migrated_url, name, MULTI_DB_CRYPTO_KEY=key)
    assert done.code == 1
    assert f"MULTI_DB_CRYPTO_KEY {says}" in done.output
    assert key not in done.output.replace("MULTI_DB_CRYPTO_KEY", "")


def test_a_weak_key_can_be_left_behind(db: Session, migrated_url: str) -> None:
    # Sealed by a program that took any key.
    id_ = insert(db, "a", "to be replaced")
    value = another_program.write(URLS["redis"], "1234", id_, "redis")
    db.execute("UPDATE platform.databases SET connection_string = %s", (value,))
    done = command(
        migrated_url, "rotate-keys", MULTI_DB_CRYPTO_KEY=NEW, MULTI_DB_CRYPTO_KEYS_RETIRED=f"{OLD},1234"
    )
    assert done.code == 0, done.output
    assert opened(db, id_) == URLS["redis"]


@pytest.mark.parametrize("name", ["rotate-keys", "import", "verify"])
def test_without_its_database_a_command_says_so(name: str) -> None:
    done = command("postgresql://user:c4n4ry@127.0.0.1:1/none", name, MULTI_DB_CRYPTO_KEY=NEW)
    assert done.code == 1
    assert f"{name}: the platform database can't be used" in done.output
    assert "c4n4ry" not in done.output


def test_without_migrations_a_command_says_so(database_url: str) -> None:
    done = command(database_url, "verify", MULTI_DB_CRYPTO_KEY=NEW)
    assert (done.code, "is not migrated" in done.output) == (1, True), done.output


def wait_for_lock(db: Session) -> None:
    """Waits until a session of this database waits for a row."""
    deadline = time.monotonic() + 30
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while db.execute(query.encode()).fetchone() == (0,):
        assert time.monotonic() < deadline, "nothing waits"
        time.sleep(0.01)
