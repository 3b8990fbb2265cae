"""All stored connection strings, batch by batch: what `rotate-keys`, `import` and `verify` walk through.

By key and without a snapshot that lasts: a table of any size passes through little memory, and whoever uses it
meanwhile is not held up. Rows that are added while it runs are sealed by the current key anyway.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from services.registry.store.pool import connection_arguments
from services.runtime.redaction import redact

BATCH_ROWS = 100
"""Rows in memory, and in one transaction, at a time. Their locks last a few milliseconds."""
MAX_BATCH_ROWS = 10_000

Session = psycopg.Connection[TupleRow]

# What the current key of its type sealed begins with `v1.<id of that key>.`: the others are chosen without opening any.
_ROWS = """
SELECT d.id::text, d.name, d.type::text, d.connection_string
FROM platform.databases d
WHERE d.id > %(after)s::uuid
  AND (%(all)s OR d.connection_string NOT LIKE
    'v1.' || coalesce(%(current)s::jsonb ->> d.type::text, '-') || '.%%')
ORDER BY d.id
LIMIT %(limit)s
"""
_FIRST = "00000000-0000-0000-0000-000000000000"


class OperationError(Exception):
    """The platform database could not be used; the text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored connection string."""

    id: str
    name: str
    type: str
    stored: str = field(repr=False)


@contextlib.contextmanager
def session(database_url: str) -> Iterator[Session]:
    """A connection to the platform database, with the registry's own limits.

    Raises:
        OperationError: it can't be reached, or refused a statement; what was committed before stays.
    """
    arguments: dict[str, Any] = connection_arguments(database_url)
    try:
        with psycopg.connect(**arguments, autocommit=True) as connection:
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName):
        raise OperationError(
            "the platform database is not migrated: run `python -m services.registry migrate`"
        ) from None
    except psycopg.Error as error:
        # Not the server's detail: it may repeat values of a row.
        reason = redact(error.diag.message_primary or str(error)).strip()
        raise OperationError(f"the platform database can't be used: {reason}") from None


def batches(
    connection: Session, *, size: int, not_sealed_by: dict[str, str] | None = None
) -> Iterator[Sequence[Row]]:
    """The rows by id.

    Args:
        connection: to the platform database.
        size: rows a batch.
        not_sealed_by: leaves out the rows that the key of this id sealed, by type; all rows where it is None.
    """
    parameters = {"all": not_sealed_by is None, "current": json.dumps(not_sealed_by or {}), "limit": size}
    after = _FIRST
    while rows := [Row(*row) for row in connection.execute(_ROWS, {**parameters, "after": after}).fetchall()]:
        yield rows
        after = rows[-1].id
