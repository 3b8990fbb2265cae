"""From PostgreSQL's errors to ours: what passes is REGISTRY_UNAVAILABLE, what is our defect stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import psycopg_pool
from psycopg import errors as pg

from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_REGISTRY_UNAVAILABLE,
    ERROR_REASON_RESOURCE_EXHAUSTED,
)

RETRY_AFTER_S = 2.0

_NOT_MIGRATED = "The platform database is not migrated: run `python -m services.registry migrate`."
# The first that fits; an error that none fits is a defect of ours.
_SENTENCES: tuple[tuple[tuple[type[psycopg.Error], ...], str], ...] = (
    (
        (pg.QueryCanceled, pg.LockNotAvailable),
        "The platform database took too long to answer; try again.",
    ),
    # The last one: no type database_type.
    (
        (
            pg.UndefinedTable,
            pg.UndefinedColumn,
            pg.UndefinedFunction,
            pg.InvalidSchemaName,
            pg.UndefinedObject,
        ),
        _NOT_MIGRATED,
    ),
    ((pg.InsufficientPrivilege,), "The user of DATABASE_URL lacks a privilege on the schema platform."),
    ((pg.ReadOnlySqlTransaction,), "The platform database accepts no writes at the moment; try again."),
    ((pg.SerializationFailure, pg.DeadlockDetected), "The change collided with another one; try again."),
    (
        (psycopg.OperationalError, psycopg.InterfaceError),
        "The platform database can't be reached; try again.",
    ),
)

log = get_logger(__name__)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises PostgreSQL's failures as errors of the contract."""
    try:
        yield
    except psycopg_pool.TooManyRequests as error:
        raise StudioError(
            ERROR_REASON_RESOURCE_EXHAUSTED, "Too many calls wait for the platform database; try again."
        ) from error
    except psycopg.Error as error:
        message = _sentence(error)
        if message is None:
            raise
        # Not PostgreSQL's own text: a constraint's detail repeats values of the row.
        log.warning("store.unavailable", failure=type(error).__name__, sqlstate=error.sqlstate)
        raise StudioError(ERROR_REASON_REGISTRY_UNAVAILABLE, message, retry_after_s=RETRY_AFTER_S) from error


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection broke: a read may then be repeated on another one."""
    if isinstance(error, (psycopg_pool.PoolTimeout, psycopg_pool.TooManyRequests, pg.QueryCanceled)):
        return False
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def _sentence(error: psycopg.Error) -> str | None:
    return next((sentence for classes, sentence in _SENTENCES if isinstance(error, classes)), None)
