"""The last lines of a server's log.

https://www.mongodb.com/docs/manual/reference/command/getLog/,
https://www.mongodb.com/docs/manual/reference/log-messages/#structured-logging, and of servers before 4.4
https://www.mongodb.com/docs/v4.2/reference/log-messages/
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.mongo_svc.client import MongoClient
from services.mongo_svc.server import shown
from services.mongo_svc.server.asking import UNKNOWN

_PLAIN = re.compile(r"(\S+) +([FEWI]|D[1-5]?) +([A-Z_]+|-) +(?:\[([^\]]*)\] +)?(.+)", re.DOTALL)
"""Time, severity, component, context where there is one, message: a line that is no JSON."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line."""

    message: str
    """What happened; the whole line where it has no parts."""
    at_unix_ms: float = UNKNOWN
    severity: str = ""
    component: str = ""
    context: str = ""
    attributes: str = ""
    """JSON."""


async def read(client: MongoClient, *, log: str, search: str, limit: int) -> list[Line]:
    """The last lines, the newest first.

    Args:
        client: the database.
        log: which one.
        search: what lines must contain.
        limit: of the answer.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    answer = await client.command("admin", {"getLog": log})
    found: list[Line] = []
    for text in reversed(answer.get("log", [])):
        line = parse(str(text))
        # Searched in what is shown: a search must not tell what is masked.
        if not search or any(search in part for part in (line.message, line.component, line.attributes)):
            found.append(line)
            if len(found) == limit:
                break
    return found


def parse(text: str) -> Line:
    """A line taken apart; secrets masked."""
    try:
        parts = json.loads(text)
    except ValueError:
        return _plain(text)
    if not isinstance(parts, dict):
        return Line(shown.line(text))
    return Line(
        message=shown.line(str(parts.get("msg", ""))),
        at_unix_ms=_time(parts.get("t")),
        severity=shown.text(parts.get("s")),
        component=shown.text(parts.get("c")),
        context=shown.text(parts.get("ctx")),
        attributes=shown.attributes(parts.get("attr")),
    )


def _plain(text: str) -> Line:
    found = _PLAIN.fullmatch(text)
    at = _moment(found[1]) if found else UNKNOWN
    if found is None or at == UNKNOWN:
        return Line(shown.line(text))
    _, severity, component, context, message = found.groups()
    return Line(
        message=shown.line(message),
        at_unix_ms=at,
        severity=severity,
        component="" if component == "-" else shown.text(component),
        context=shown.text(context),
    )


def _time(value: object) -> float:
    return _moment(value.get("$date") if isinstance(value, Mapping) else None)


def _moment(text: object) -> float:
    try:
        return dt.datetime.fromisoformat(text).timestamp() * 1000 if isinstance(text, str) else UNKNOWN
    except (ValueError, OverflowError):
        return UNKNOWN
