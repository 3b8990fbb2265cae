"""Whether all that each source of events has sent became a row: its events are numbered without a gap, and chained so.

`platform.audit_sources`, by which the registry recognises what is sent again, is not chained. Who writes a larger
number there makes it take new events for old ones. That leaves a gap, or a number beyond the last row.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.registry.audit.recorder import LOST_ACTION
from services.registry.audit.rows import COLUMNS, sequence_of
from services.registry.stored_values import Session

_ACTION = COLUMNS.index("action")
_NOTED = "SELECT source::text, next_sequence FROM platform.audit_sources"


@dataclass(slots=True)
class _Last:
    sequence: int
    """The source's own, of its last event."""
    may_skip: bool
    """The registry has recorded that events behind it never came."""


class Sources:
    """Follows each source through the log; remembers one line a source: a source is one run of a service.

    Args:
        from_the_beginning: no row has gone by its age, or is left out: then a source begins with 1.
    """

    def __init__(self, *, from_the_beginning: bool) -> None:
        self._from_the_beginning = from_the_beginning
        self._last: dict[str, _Last] = {}
        self.fault = ""
        """A sentence about the first gap; empty where there is none."""

    def follow(self, line: bytes) -> None:
        """Takes the next row, as it is signed."""
        _, source_text, number = line.rsplit(b"\t", 2)
        source, sequence = source_text.decode(), int(number)
        before = self._last.get(source)
        is_next = (
            sequence == before.sequence + 1 or (before.may_skip and sequence > before.sequence)
            if before is not None
            else sequence == 1 or not self._from_the_beginning
        )
        if not is_next and not self.fault:
            after = before.sequence if before is not None else 0
            self.fault = (
                f"row {sequence_of(line)} is event {sequence} of source {source}, whose last one is {after}: "
                "those between were cut off, or kept out of the log by a change of platform.audit_sources"
            )
        is_lost = line.split(b"\t", _ACTION + 1)[_ACTION] == LOST_ACTION.encode()
        self._last[source] = _Last(sequence, is_lost)

    def compare(self, connection: Session) -> str:
        """What is wrong with what is noted of the sources that were seen; empty for nothing.

        Raises:
            psycopg.Error: a statement failed.
        """
        for source, following in connection.execute(_NOTED):
            last = self._last.get(source)
            if (
                last is None
                or following == last.sequence + 1
                or (last.may_skip and following > last.sequence)
            ):
                continue
            return (
                f"of source {source} the last event is {last.sequence}, and platform.audit_sources says "
                f"{following - 1}: it was changed, or the end of the log cut off"
            )
        return ""
