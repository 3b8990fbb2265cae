"""Which keys work is about, and how far it has come."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Selection:
    """A list of keys, or those that match a pattern."""

    keys: Sequence[bytes] = ()
    """These."""
    pattern: bytes = b""
    """Glob: https://redis.io/docs/latest/commands/keys/"""
    type: str = ""
    """Only keys of this type, as TYPE names it; empty for all."""

    def check(self) -> None:
        """Refuses what selects nothing, or can't be told.

        Raises:
            StudioError: INVALID_ARGUMENT.
        """
        if self.keys and self.pattern:
            raise invalid_argument("selection", "give `keys` or a `pattern`, not both")
        if not self.keys and not self.pattern:
            raise invalid_argument(
                "selection", "nothing is selected: give `keys`, or a `pattern` (`*` for all)"
            )

    def digest(self, operation: str) -> str:
        """Tells this selection, for this operation, from any other."""
        parts = (operation.encode(), self.pattern, self.type.encode(), *self.keys)
        sized = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return hashlib.sha256(sized).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Position:
    """Where to go on."""

    cursor: str = ""
    """Of a walk through all keys, or the index of the next key of a list; empty for the beginning."""
    ended: bool = False
    """Nothing is left."""


@dataclass(slots=True)
class Counts:
    """What was done so far, by all runs of a job together."""

    scanned: int = 0
    """Keys looked at."""
    matched: int = 0
    """Keys that are selected."""
    succeeded: int = 0
    """Keys worked on."""
    failed: int = 0
    """Keys that could not be."""
    memory_bytes: int = -1
    """Bytes they take; -1 where that was not measured."""


@dataclass(slots=True)
class Progress:
    """How far a job is."""

    counts: Counts
    """What was done."""
    resume: str
    """Where to go on; empty once done."""
    done: bool
    """The work has ended."""
    elapsed_ms: float
    """Milliseconds since this run began."""
    total_estimate: int = -1
    """Keys in the database; -1 where the server doesn't say."""
    sample: Sequence[bytes] = ()
    """Some selected keys; in one event only."""
    failures: Sequence[tuple[bytes, str]] = field(default_factory=list)
    """The first failures of this run: key and reason."""


def to_token(digest: str, position: Position, counts: Counts) -> str:
    """A position as callers get it."""
    numbers = [getattr(counts, each.name) for each in fields(Counts)]
    content = json.dumps([_VERSION, digest, position.cursor, position.ended, *numbers], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def from_token(token: str, digest: str) -> tuple[Position, Counts]:
    """The position a caller gives back; the beginning where there is none.

    Raises:
        StudioError: INVALID_CURSOR for a token of another job.
    """
    if not token:
        return Position(), Counts()
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, of, cursor, ended, *numbers = content
        position, counts = Position(str(cursor), bool(ended)), Counts(*map(_whole, numbers))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _invalid("The token is none of this system's.") from None
    if version != _VERSION or of != digest:
        raise _invalid("The token is of another selection or operation.")
    return position, counts


def _whole(number: object) -> int:
    if type(number) is not int or not -1 <= number < 2**53:
        raise ValueError
    return number


def _invalid(message: str) -> StudioError:
    return StudioError(
        e.ERROR_REASON_INVALID_CURSOR,
        message,
        hint="Give the last `resume` of the same work as it was, or leave it out to begin anew.",
    )
