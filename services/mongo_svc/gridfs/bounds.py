"""Every bound of GridFS with its default, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from services.mongo_svc.limits import MIB


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is done at a time."""

    transfers: int = 16
    """Downloads and uploads at a time in this process."""
    transfers_of_one_database: int = 4
    """Downloads and uploads at a time of one database."""
    buckets: int = 1000
    """Buckets that are listed."""
    page_files: int = 100
    """Files of a page when the call doesn't say."""
    page_bytes: int = 8 * MIB
    """Bytes of files' documents after which a page ends; the first is always in it."""
    chunk_bytes: int = 255 * 1024
    """Bytes of a chunk when the call doesn't say, as drivers have it: with what is around it below 256 KiB."""
    fetch_bytes: int = 4 * MIB
    """Bytes of chunks that the server sends at a time; one chunk at least."""
    write_bytes: int = 4 * MIB
    """Bytes of chunks that are written at a time; one chunk at least."""
    message_bytes: int = 1 * MIB
    """Bytes of a message of a download."""
    step_timeout_s: float = 60.0
    """Seconds until the server has sent, or written, one of those."""
    cleanup_timeout_s: float = 30.0
    """Seconds to remove what a broken upload has left."""


BOUNDS = Bounds()
