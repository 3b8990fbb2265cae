"""Errors of PyMongo and of the server to errors of the contract, in one place. Never a 5xx for what a user can mend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from bson.errors import BSONError
from pymongo import errors as driver

from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

MAX_TEXT = 300
"""Characters of a server's text that an error repeats."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises what PyMongo raises as errors of ours."""
    try:
        yield
    except (driver.PyMongoError, BSONError) as error:
        raise to_studio_error(error) from None


def to_studio_error(error: driver.PyMongoError | BSONError) -> StudioError:
    """What an error of PyMongo means."""
    if isinstance(error, driver.OperationFailure):
        return StudioError(
            e.ERROR_REASON_DB_QUERY_ERROR, f"The MongoDB server answered: {str(error.details)[:MAX_TEXT]}"
        )
    return StudioError(e.ERROR_REASON_DB_CONNECTION_FAILED, "The MongoDB server can't be reached.")


def document_not_found() -> StudioError:
    """The error for an `_id` that no document has."""
    return StudioError(e.ERROR_REASON_DOCUMENT_NOT_FOUND, "There is no such document.")
