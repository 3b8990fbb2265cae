"""Follows the whole chain and names the first row that is not as it was recorded: what `verify-audit` does.

The chain shows what became of rows; that no event was kept from becoming one, `sources` shows.

In one snapshot, so that what is recorded or goes by its age meanwhile is no finding; row by row, so that a log of any
size passes through little memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, replace

from services.registry.audit.chain import BEGINNING, ChainKeys, Link, Walk, row_hash
from services.registry.audit.rows import LINE, TABLE, sequence_of
from services.registry.audit.sources import Sources
from services.registry.stored_values import Session

NEIGHBOURS = 50
"""Rows before and after one that does not fit, among which it is looked for where it belongs."""

_CHAIN = (
    "SELECT sequence, hash, checkpoint_sequence, checkpoint_hash, checkpoint_mac FROM platform.audit_chain"
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found."""

    head: Link = BEGINNING
    """Where the chain ends: worth noting elsewhere where there is no fault."""
    rows: int = 0
    """Rows that are right, up to the first one that is not."""
    start: Link = BEGINNING
    """Behind which place they begin."""
    fault: str = ""
    """A sentence about the first thing that is wrong; empty where there is none."""
    gone: bool = False
    """The place to begin at has gone by its age; it was begun at what is left."""


def verify_chain(connection: Session, keys: ChainKeys, since: Link | None = None) -> Findings:
    """Compares every row with its hash.

    Args:
        connection: to the platform database.
        keys: that may have signed.
        since: a place noted before, whose row must be as it was; rows before it are left alone.

    Raises:
        psycopg.Error: a statement failed.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    try:
        # The whole log is one statement.
        connection.execute("SET LOCAL statement_timeout = 0")
        return _verify(connection, keys, since)
    finally:
        connection.execute("ROLLBACK")


def _verify(connection: Session, keys: ChainKeys, since: Link | None) -> Findings:
    chain = connection.execute(_CHAIN).fetchone()
    if chain is None:
        return Findings(fault="platform.audit_chain is empty: where the chain ends is not known")
    head, checkpoint, mac = Link(chain[0], chain[1]), Link(chain[2], chain[3]), chain[4]
    found = Findings(head, start=checkpoint)
    if not keys.is_checkpoint(checkpoint, mac):
        fault = f"the rows up to {checkpoint.sequence} have not gone by their age: no key of ours says so"
        return replace(found, fault=fault)
    if since is not None and since.sequence < checkpoint.sequence:
        found = replace(found, gone=True)
    elif since is not None:
        found = replace(found, start=since, fault=_compare(connection, since, head, checkpoint))
    if found.fault:
        return found
    walk = Walk(keys, found.start)
    sources = Sources(from_the_beginning=found.start == BEGINNING)
    fault, misfit = _follow(connection, walk, head, sources)
    if misfit:
        # Leaving the one statement before its end has aborted the transaction.
        connection.execute("ROLLBACK")
        fault = _about(connection, walk.at, *misfit, keys)
    if not fault:
        # In the order of the walk: what is missing from the log comes before what is noted beside it.
        fault = sources.fault or sources.compare(connection)
    return replace(found, rows=walk.at.sequence - found.start.sequence, fault=fault)


def _compare(connection: Session, since: Link, head: Link, checkpoint: Link) -> str:
    """What is wrong with a place noted before."""
    if since.sequence > head.sequence:
        return _missing(head.sequence + 1, since.sequence)
    known = {BEGINNING.sequence: BEGINNING.hash, checkpoint.sequence: checkpoint.hash}
    digest = known.get(since.sequence)
    if digest is None:
        row = connection.execute(
            "SELECT hash FROM platform.database_audit_log WHERE sequence = %s", (since.sequence,)
        ).fetchone()
        if row is None:
            return _missing(since.sequence, since.sequence)
        digest = row[0]
    if digest != since.hash:
        return f"row {since.sequence} is not the one that was noted: its hash is {bytes(digest).hex()}"
    return ""


def _follow(
    connection: Session, walk: Walk, head: Link, sources: Sources
) -> tuple[str, tuple[bytes, bytes] | None]:
    """What is wrong, or the row whose hash does not fit."""
    with contextlib.closing(_rows(connection, f"sequence > {walk.at.sequence}")) as rows:
        for line, digest in rows:
            sequence, expected = sequence_of(line), walk.at.sequence + 1
            if expected > head.sequence:
                return (
                    f"row {sequence} was not recorded by the registry: the chain ends at {head.sequence}",
                    None,
                )
            if sequence != expected:
                return _missing(expected, min(sequence - 1, head.sequence)), None
            if not walk.fits(line, digest):
                return "", (line, digest)
            sources.follow(line)
    if walk.at.sequence < head.sequence:
        return _missing(walk.at.sequence + 1, head.sequence), None
    if walk.at != head:
        return f"the chain does not end with row {head.sequence} as it is: its last hash is another one", None
    return "", None


def _about(connection: Session, before: Link, line: bytes, digest: bytes, keys: ChainKeys) -> str:
    """Whether a row belongs elsewhere, or was changed."""
    sequence = sequence_of(line)
    first, last = max(1, sequence - NEIGHBOURS), sequence + NEIGHBOURS
    near = [each for _, each in _rows(connection, f"sequence BETWEEN {first} AND {last}")]
    rest = line[line.index(b"\t") :]
    for place in (each for each in range(first, last + 1) if each != sequence):
        moved = str(place).encode() + rest
        if any(row_hash(key, each, moved) == digest for each in (before.hash, *near) for key in keys.all):
            return f"row {sequence} is in the wrong place: it was recorded as row {place}"
    return f"row {sequence} was changed, or not recorded by the registry"


def _rows(connection: Session, where: str) -> Generator[tuple[bytes, bytes], None, None]:
    """Each row as it is signed, and its hash."""
    select = f"SELECT {LINE}, encode(hash, 'hex') FROM {TABLE} WHERE {where} ORDER BY sequence"  # noqa: S608  ours
    with connection.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT".encode()) as copy:
        # PostgreSQL sends a message a row: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
        for row in copy:
            yield split(bytes(row))


def split(row: bytes) -> tuple[bytes, bytes]:
    """A line and its hash, of a row as COPY writes it."""
    line, _, digest = row.rstrip(b"\n").rpartition(b"\t")
    return line, bytes.fromhex(digest.decode())


def _missing(first: int, last: int) -> str:
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"
