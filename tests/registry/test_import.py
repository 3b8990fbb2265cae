"""`import` and `verify`: rows that others wrote are encrypted, and every row is known to open."""

from __future__ import annotations

from typing import Any

import psycopg

from services.registry.resealing import Task, reseal
from services.registry.stored_values import batches
from services.registry.vault import Form, Vault
from tests.registry.commands import (
    NEW,
    OLD,
    URLS,
    command,
    insert,
    insert_sealed,
    opened,
    stored,
)
from tests.registry.harness import settings
from tests.registry.test_resolve import write_as_crypto_js

Session = psycopg.Connection[tuple[Any, ...]]
KEYS = {"MULTI_DB_CRYPTO_KEY": NEW, "MULTI_DB_CRYPTO_KEYS_RETIRED": OLD}


def test_rows_of_crypto_js_and_plain_rows_are_encrypted(db: Session, migrated_url: str) -> None:
    legacy = {
        type_: insert(db, f"l-{type_[:3]}", write_as_crypto_js(url, OLD), type_=type_)
        for type_, url in URLS.items()
    }
    plain = {type_: insert(db, f"p-{type_[:3]}", url, type_=type_) for type_, url in URLS.items()}
    sealed = insert_sealed(db, "sealed", OLD)
    before = stored(db, sealed)
    done = command(migrated_url, "import", **KEYS)
    assert done.code == 0, done.output
    assert "import: 4 written by crypto-js: sealed anew" in done.output
    assert "import: 4 not encrypted: sealed anew" in done.output
    for rows in (legacy, plain):
        assert {type_: opened(db, id_, type_=type_) for type_, id_ in rows.items()} == URLS
    # What is sealed is none of its business, whichever key sealed it.
    assert stored(db, sealed) == before


def test_a_dry_run_counts_and_changes_nothing(db: Session, migrated_url: str) -> None:
    value = write_as_crypto_js(URLS["redis"], NEW)
    row = insert(db, "a", value)
    done = command(migrated_url, "import", "--dry-run", **KEYS)
    assert (done.code, "1 would be sealed anew" in done.output) == (0, True), done.output
    assert stored(db, row) == value


def test_rows_that_do_not_open_are_named_without_their_values(db: Session, migrated_url: str) -> None:
    foreign = write_as_crypto_js(URLS["redis"], "a passphrase nobody told us")
    rows = {
        "foreign": insert(db, "foreign", foreign),
        "nonsense": insert(db, "nonsense", "N0nsense-w0rd"),
        "other-type": insert(db, "other-type", URLS["mongodb"], type_="redis"),
    }
    good = insert(db, "good", URLS["redis"])
    done = command(migrated_url, "import", **KEYS)
    assert done.code == 1
    for name, id_ in rows.items():
        assert f"import: can't be read: redis {id_} {name!r}: " in done.output
    assert foreign not in done.output
    assert "N0nsense-w0rd" not in done.output
    assert "1 sealed anew, 3 can't be read" in done.output
    assert opened(db, good) == URLS["redis"]


def test_an_old_deployments_plain_url_is_readable_for_services_afterwards(
    db: Session, migrated_url: str
) -> None:
    # Unencoded as people write them: kept as it is where our parser refuses it.
    row = insert(db, "a", "redis://:p@ss@host:6379")
    assert command(migrated_url, "import", **KEYS).code == 0
    assert opened(db, row) == "redis://:p@ss@host:6379"


def test_verify_counts_what_opens_by_type_and_key(db: Session, migrated_url: str) -> None:
    insert_sealed(db, "a", NEW)
    insert_sealed(db, "b", NEW)
    insert_sealed(db, "c", OLD)
    insert_sealed(db, "d", OLD, type_="mongodb")
    insert(db, "e", write_as_crypto_js(URLS["redis"], OLD))
    done = command(migrated_url, "verify", "--batch", "2", **KEYS)
    assert done.code == 0, done.output
    assert done.output.splitlines() == [
        "verify: mongodb: 1 sealed by a retired key",
        "verify: redis: 2 sealed by the current key",
        "verify: redis: 1 written by crypto-js",
        "verify: redis: 1 sealed by a retired key",
        "verify: 5 open, 0 failed",
    ]


def test_verify_names_what_does_not_open_and_what_is_not_encrypted(db: Session, migrated_url: str) -> None:
    insert_sealed(db, "good", NEW)
    lost = insert_sealed(db, "lost", "a-key-that-nobody-remembers-0123456789")
    altered = insert_sealed(db, "altered", NEW)
    value = stored(db, altered)
    db.execute(
        "UPDATE platform.databases SET connection_string = %s WHERE id = %s",
        (value[:-6] + ("A" if value[-6] != "A" else "B") + value[-5:], altered),
    )
    plain = insert(db, "plain", URLS["redis"])
    done = command(migrated_url, "verify", **KEYS)
    assert done.code == 1
    assert f"verify: failed: redis {lost} 'lost': sealed with key" in done.output
    assert f"verify: failed: redis {altered} 'altered': the value was altered" in done.output
    assert f"verify: failed: redis {plain} 'plain': not encrypted" in done.output
    assert "verify: 2 open, 3 failed" in done.output


def test_rows_pass_batch_by_batch_and_none_is_left_out(db: Session) -> None:
    ids = sorted(insert_sealed(db, f"a{number}") for number in range(7))
    sizes, seen = [], []
    for rows in batches(db, size=3):
        sizes.append(len(rows))
        seen += [row.id for row in rows]
    assert (sizes, seen) == ([3, 3, 1], ids)


def test_rows_that_keep_changing_are_left_to_the_next_run(db: Session, migrated_url: str) -> None:
    row = insert_sealed(db, "a", OLD)
    vault = Vault(settings(None, redis_crypto_key=NEW, redis_crypto_keys_retired=OLD))
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        # Somebody who writes after each read and before each write.
        connection.execute(
            "CREATE FUNCTION pg_temp.busy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        connection.execute(
            "CREATE TRIGGER busy BEFORE UPDATE ON platform.databases FOR EACH ROW EXECUTE FUNCTION pg_temp.busy()"
        )
        task = Task(
            forms=(Form.RETIRED,),
            batch_rows=10,
            dry_run=False,
            progress=lambda _: None,
            failed=lambda _, __: None,
        )
        report = reseal(connection, vault, task)
    assert (report.total(), report.changed_meanwhile) == (0, 3)
    assert opened(db, row, OLD) == URLS["redis"]
