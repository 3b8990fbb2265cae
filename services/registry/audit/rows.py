"""Events as rows of the audit log: one line of `COPY` each, which is also what the chain signs.

So a row is encoded once, PostgreSQL parses it in C, and reading it back for verification needs no parser: what
`COPY (SELECT LINE …) TO STDOUT` writes is the same line, byte for byte, whatever the settings of the session.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from studio.registry.v1.audit_pb2 import AuditEvent

TABLE = "platform.database_audit_log"
TEXTS = (
    "action",
    "effect",
    "outcome",
    "reason",
    "actor",
    "credential",
    "credential_id",
    "role",
    "database_id",
    "database_name",
    "project_ref",
)
COLUMNS = (
    "sequence",
    "recorded_at",
    "occurred_at",
    *TEXTS,
    "target",
    "duration_us",
    "client_address",
    "request_id",
    "service",
    "source",
    "source_sequence",
)
"""In the order of a line; the hash comes last."""

_UTC_TEXT = "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"
LINE = ", ".join(_UTC_TEXT.format(column) if column.endswith("_at") else column for column in COLUMNS)
"""What to select for a line: times in UTC with six digits behind the second."""

MAX_TEXT = 512
"""Characters of a text. Longer ones are cut: no event is refused, and what is indexed fits a page of an index."""
MAX_TARGETS = 16
"""Names of a target; those that come first in the alphabet stay."""
MAX_KIND = 64
"""Characters of what a name of the target is said to be."""
MAX_DURATION_MS = 1e12
# Beyond lies a clock that is not set, or no time at all.
_EARLIEST_S = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
_LATEST_S = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())
_SECOND_NS = 10**9

_SPECIAL = re.compile(r"[\x08-\x0d\\]")
# As PostgreSQL's COPY writes them: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
_ESCAPES = str.maketrans(
    {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", "\\": "\\\\"}
)
_to_json = json.encoder.encode_basestring
"""Of a text, as `json.dumps` with `ensure_ascii=False`."""


def to_line(
    event: AuditEvent, sequence: int, recorded_at: str, source: str, source_sequence: int, service: str
) -> bytes:
    """The line of an event, without its hash and the end of the line.

    Args:
        event: what a service recorded; nothing of it is refused.
        sequence: its place in the log.
        recorded_at: now, as `stamp` writes it.
        source: where it comes from, a UUID in its usual form.
        source_sequence: its place there.
        service: who served the call, where the event doesn't say.
    """
    at = event.at
    occurred_at = recorded_at
    if _EARLIEST_S <= at.seconds < _LATEST_S and 0 <= at.nanos < _SECOND_NS:
        occurred_at = f"{_second(at.seconds)}.{at.nanos // 1000:06d}+00"
    target = event.target
    # NUL, which no text of PostgreSQL's may hold, stands for the tabulator until what is special is escaped.
    texts = (
        event.action,
        event.effect,
        event.outcome,
        event.reason,
        event.actor,
        event.credential,
        event.credential_id,
        event.role,
        event.database_id,
        event.database_name,
        event.project_ref,
        _target(target) if target else "{}",
        str(_microseconds(event.duration_ms)),
        event.client_address,
        event.request_id,
        event.service or service,
    )
    joined = "\0".join(texts)
    if len(joined) > MAX_TEXT or joined.count("\0") >= len(texts):
        joined = "\0".join(
            _clean(each if place == _TARGET else each[:MAX_TEXT]) for place, each in enumerate(texts)
        )
    if _SPECIAL.search(joined):
        joined = joined.translate(_ESCAPES)
    return (
        f"{sequence}\t{recorded_at}\t{occurred_at}\t{joined}\t{source}\t{source_sequence}".replace("\0", "\t")
    ).encode()


_TARGET = len(TEXTS)


def stamp(at: datetime) -> str:
    """A time as it stands in a line."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")


def sequence_of(line: bytes) -> int:
    """The place that a line claims."""
    return int(line[: line.index(b"\t")])


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _microseconds(duration_ms: float) -> int:
    if not math.isfinite(duration_ms) or duration_ms <= 0:
        return 0
    return round(min(duration_ms, MAX_DURATION_MS) * 1000)


def _target(target: Mapping[str, str]) -> str:
    # By hand, since an encoder that is set up for each of these small objects costs twice as much as its work.
    members: list[str] = []
    for kind in sorted(target)[:MAX_TARGETS]:
        name = target[kind]
        # JSON writes NUL as an escape, which PostgreSQL's `json` takes, but can't take apart.
        members.append(f"{_to_json(_clean(kind[:MAX_KIND]))}:{_to_json(_clean(name[:MAX_TEXT]))}")
    return f"{{{','.join(members)}}}"


def _clean(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
