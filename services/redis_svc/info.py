"""INFO as data: https://redis.io/docs/latest/commands/info/ gives the format."""

from __future__ import annotations

import re
from typing import TypeAlias

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for

InfoValue: TypeAlias = "str | int | float | dict[str, InfoValue] | list[InfoValue]"
Section: TypeAlias = dict[str, InfoValue]

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_MAX_EXACT = 2**53
"""Up to here every integer is a double."""
_MAX_DIGITS = 15
"""Decimal digits that a double always keeps."""
_PART = re.compile(r"([A-Za-z0-9_.-]+)=([^,=]*)")
_UNNAMED = "server"


async def get_info(client: RedisClient, section: str = "") -> dict[str, Section]:
    """What INFO says, by lower-case section.

    Args:
        client: the database.
        section: one section, `all` or `everything`; empty for the server's default. Of one that the server doesn't
            know nothing is returned, as it does itself.

    Raises:
        StudioError: DB_PERMISSION_DENIED when the user may not ask; …
    """
    command = (b"INFO", section) if section else (b"INFO",)
    reply = await client.links[0].execute(*command)
    raise_for(reply, command="INFO")
    return parse(reply) if isinstance(reply, bytes) else {}


def parse(text: bytes) -> dict[str, Section]:
    """INFO's text as sections."""
    sections: dict[str, Section] = {}
    section: Section | None = None
    for line in text.decode("utf-8", "backslashreplace").splitlines():
        if line.startswith("#"):
            section = sections.setdefault(line.strip("# ").lower(), {})
            continue
        name, colon, value = line.partition(":")
        if not colon:
            continue
        if section is None:
            section = sections.setdefault(_UNNAMED, {})
        _put(section, name, _value(value))
    return sections


def _value(text: str) -> InfoValue:
    pieces = [_PART.fullmatch(piece) for piece in text.split(",")]
    found: Section = {}
    for piece in pieces:
        if piece is None:
            return _scalar(text)
        _put(found, piece[1], _scalar(piece[2]))
    return found


def _put(section: Section, name: str, value: InfoValue) -> None:
    """Some names repeat (`module`, the `bind` of a listener): those become lists."""
    known = section.get(name)
    if known is None:
        section[name] = value
    elif isinstance(known, list):
        known.append(value)
    else:
        section[name] = [known, value]


def _scalar(text: str) -> str | int | float:
    """A number only where nothing is lost: not for ids, hashes with leading zeros, or 64-bit values."""
    if _INTEGER.fullmatch(text) and abs(int(text)) <= _MAX_EXACT:
        return int(text)
    if _DECIMAL.fullmatch(text) and len(text.strip("-0.").replace(".", "")) <= _MAX_DIGITS:
        return float(text)
    return text
