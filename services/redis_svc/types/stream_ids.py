"""Ids of stream entries: `<milliseconds>-<sequence>`, two numbers of 64 bits.

https://redis.io/docs/latest/develop/data-types/streams/#entry-ids
"""

from __future__ import annotations

import re

from services.runtime.errors import invalid_argument

LEAST = "-"
GREATEST = "+"
_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_NEW = re.compile(r"([0-9]{1,20})-\*")
_MAX = 2**64 - 1


def one(text: str, field: str, *, special: str = "") -> str:
    """The id of an entry.

    Args:
        text: `5`, `5-1`, or the special one.
        field: its name in the request, for the error.
        special: what may stand for an id here, such as `$`.

    Raises:
        StudioError: INVALID_ARGUMENT naming the field.
    """
    if special and text == special:
        return text
    found = _ID.fullmatch(text)
    if found is None or any(int(number) > _MAX for number in found.groups("0")):
        raise invalid_argument(field, "must be an id: <milliseconds>-<sequence>")
    return text


def bound(text: str, field: str, otherwise: str) -> str:
    """An end of a range: an id, `(` before it to exclude it, `-`, `+`, or empty for the range's own end.

    Raises:
        StudioError: INVALID_ARGUMENT naming the field.
    """
    if text in {"", LEAST, GREATEST}:
        return text or otherwise
    one(text.removeprefix("("), field)
    return text


def new(text: str) -> str:
    """The id of an entry to add: an id, `<milliseconds>-*`, or `*`, also when empty.

    Raises:
        StudioError: INVALID_ARGUMENT naming the field.
    """
    if text in {"", "*"}:
        return "*"
    if (found := _NEW.fullmatch(text)) and int(found[1]) <= _MAX:
        return text
    return one(text, "id")
