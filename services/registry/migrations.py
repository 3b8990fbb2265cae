"""Applies deploy/sql in order: what `python -m services.registry migrate` does.

Every file may run any number of times and is a transaction of its own, so nothing records which ones ran.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

from services.registry.store.pool import CONNECT_TIMEOUT_S
from services.runtime.redaction import redact

SQL_DIRECTORY = Path(__file__).resolve().parents[2] / "deploy" / "sql"
LOCK_KEY = 7237110982
"""Advisory lock of the session; each file takes it as well, for those who run it with psql."""
LOCK_TIMEOUT = "60s"


class MigrationError(Exception):
    """A migration did not apply; the text is a sentence for the operator."""


def migrate(database_url: str, directory: Path = SQL_DIRECTORY) -> list[str]:
    """Applies every file of a directory by name; several at a time wait for each other.

    Returns:
        What happened: a line a file, and the warnings of the server.

    Raises:
        MigrationError: the server can't be reached, or refused a statement; that file changed nothing.
    """
    files = sorted(directory.glob("*.sql"))
    if not files:
        raise MigrationError(f"no *.sql in {directory}")
    lines: list[str] = []
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            connection.add_notice_handler(
                lambda notice: lines.append(
                    f"{notice.severity_nonlocalized or 'NOTICE'}: {notice.message_primary}"
                )
            )
            connection.execute(sql.SQL("SET lock_timeout = {}").format(LOCK_TIMEOUT))
            connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
            for file in files:
                _apply(connection, file)
                lines.append(f"applied {file.name}")
    except psycopg.OperationalError as error:
        raise MigrationError(f"the platform database can't be used: {redact(str(error)).strip()}") from None
    return lines


def _apply(connection: psycopg.Connection[psycopg.rows.TupleRow], file: Path) -> None:
    try:
        # Without parameters psycopg sends the text as it is, several statements at once.
        connection.execute(file.read_bytes())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"{file.name}: {error.diag.message_primary or error}") from None
