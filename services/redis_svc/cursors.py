"""SCAN's cursors as text: they exceed what a JavaScript number holds."""

from __future__ import annotations

import re

from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

MAX_CURSOR = 2**64 - 1
_CURSOR = re.compile(r"[0-9]{1,20}")


def parse_cursor(text: str) -> int:
    """The number a cursor is: what SCAN takes, an unsigned integer of 64 bits.

    Raises:
        StudioError: INVALID_CURSOR.
    """
    if not text:
        return 0
    if not _CURSOR.fullmatch(text) or int(text) > MAX_CURSOR:
        raise invalid_cursor()
    return int(text)


def invalid_cursor() -> StudioError:
    """The error for a cursor that the server does not know."""
    return StudioError(
        e.ERROR_REASON_INVALID_CURSOR,
        "The cursor is none of this database's.",
        hint="Take it from the answer before, as it is; leave it out for the first page.",
    )
