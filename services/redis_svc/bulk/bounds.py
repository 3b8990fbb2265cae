"""Every bound of work on many keys with its default, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from services.redis_svc.limits import MIB


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is done at a time."""

    jobs: int = 32
    """Jobs at a time in this process."""
    jobs_of_one_database: int = 4
    """Jobs at a time of one database."""
    step: int = 500
    """Keys that one SCAN looks at, and most that one write is about: about 1 ms of the server's time."""
    batch_bytes: int = 1 * MIB
    """Bytes of values that one write asks for; of larger values one at a time."""
    part_bytes: int = 1 * MIB
    """Bytes of a part of a value that is exported as several lines."""
    part_elements: int = 1000
    """Most elements of such a part."""
    unknown_value_bytes: int = 64 * 1024
    """Taken for the size of a value where the server does not tell."""
    max_dump_bytes: int = 11 * MIB
    """Bytes of a DUMP in an export: its line must fit into one call of an import, which takes 16 MiB, in base64."""
    max_copy_bytes: int = 48 * MIB
    """Bytes of a DUMP that is copied."""
    report_s: float = 0.25
    """Seconds between progress events."""
    sample: int = 20
    """Selected keys that a preview shows."""
    failures: int = 20
    """Failures of a run that progress events list."""
    chunk_bytes: int = 256 * 1024
    """Bytes of an export that make a message of the stream."""
    import_lines: int = 200
    """Lines of an import in one write."""
    import_failures: int = 100
    """Failures that an import lists."""
    import_guard_ms: int = 3_600_000
    """Milliseconds after which the server removes what an import that was cut off has left behind."""


BOUNDS = Bounds()
