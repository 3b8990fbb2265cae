"""The registry's commands as an operator runs them, and rows in every form that they may find."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from services.runtime.crypto import KeyRing
from tests.registry.harness import CANARY

ROOT = Path(__file__).resolve().parents[2]
OLD = "the-old-key-of-the-tests-0123456789"
NEW = "the-new-key-of-the-tests-0123456789"
URLS = {
    "redis": f"redis://:{CANARY}@127.0.0.1:6379/0",
    "mongodb": f"mongodb://user:{CANARY}@127.0.0.1:27017/shop",
    "bun_api": f"https://key:{CANARY}@api.example.org/",
    "postgres": f"postgresql://user:{CANARY}@127.0.0.1:5432/shop",
}

Session = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    output: str


def command(database_url: str, *arguments: str, **variables: str) -> Done:
    """Runs `python -m services.registry …` with these variables and no others."""
    finished = subprocess.run(
        (sys.executable, "-m", "services.registry", *arguments),
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if name.startswith(("COV", "PATH"))},
            "DATABASE_URL": database_url,
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert CANARY not in finished.stdout
    assert OLD not in finished.stdout
    assert NEW not in finished.stdout
    return Done(finished.returncode, finished.stdout)


def rotate(database_url: str, *arguments: str) -> Done:
    """`rotate-keys` from OLD to NEW."""
    return command(
        database_url,
        "rotate-keys",
        *arguments,
        MULTI_DB_CRYPTO_KEY=NEW,
        MULTI_DB_CRYPTO_KEYS_RETIRED=OLD,
    )


def insert(db: Session, name: str, stored: str, *, type_: str = "redis", id_: str | None = None) -> str:
    """A row as some program may have written it."""
    database_id = id_ or str(uuid.uuid4())
    db.execute(
        "INSERT INTO platform.databases (id, project_id, name, type, connection_string) "
        "SELECT %s, p.id, %s, %s::platform.database_type, %s FROM platform.projects p LIMIT 1",
        (database_id, name, type_, stored),
    )
    return database_id


def insert_sealed(db: Session, name: str, key: str = OLD, *, type_: str = "redis") -> str:
    """A row sealed by a key."""
    database_id = str(uuid.uuid4())
    sealed = KeyRing(key).seal(URLS[type_], row_id=database_id, type_=type_)
    return insert(db, name, sealed, type_=type_, id_=database_id)


def stored(db: Session, database_id: str) -> str:
    """The column."""
    row = db.execute(
        "SELECT connection_string FROM platform.databases WHERE id = %s", (database_id,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def opened(db: Session, database_id: str, key: str = NEW, *, type_: str = "redis") -> str:
    """The connection string, opened by one key alone."""
    return KeyRing(key).open(stored(db, database_id), row_id=database_id, type_=type_)
