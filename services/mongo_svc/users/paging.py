"""Pages of users and roles: sorted by database and name; a token holds those of the last one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from services.mongo_svc.users.asking import Name
from services.mongo_svc.users.bounds import MAX_LISTED
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

T = TypeVar("T")


def page(found: Sequence[T], key: Callable[[T], Name], *, size: int, after: str) -> tuple[list[T], str]:
    """A page, and the token of the next one; empty on the last.

    Raises:
        StudioError: INVALID_CURSOR; RESOURCE_EXHAUSTED where there are too many to list.
    """
    if len(found) > MAX_LISTED:
        raise StudioError(
            e.ERROR_REASON_RESOURCE_EXHAUSTED,
            f"There are more than {MAX_LISTED} of them.",
            hint="Ask for one database, or for one by its name.",
            code="FAILED_PRECONDITION",
        )
    place = _place(after)
    rest = sorted(
        (each for each in found if place is None or _order(key(each)) > place), key=lambda x: _order(key(x))
    )
    shown = rest[:size]
    return shown, _token(_order(key(shown[-1]))) if len(rest) > size else ""


def _order(name: Name) -> tuple[str, str]:
    return (name.database, name.name)


def _token(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str) -> tuple[str, str] | None:
    if not token:
        return None
    try:
        database, name = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError):
        database = name = None
    if not (isinstance(database, str) and isinstance(name, str)):
        raise StudioError(e.ERROR_REASON_INVALID_CURSOR, "The page token is none of this listing.")
    return database, name
