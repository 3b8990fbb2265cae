"""RESTORE, and what its refusals mean: https://redis.io/docs/latest/commands/restore/."""

from __future__ import annotations

from services.redis_svc.bulk.job import about_key
from services.redis_svc.replies import Command, ServerError

EXISTS = "The key exists already."
_VERSION = "DUMP payload version or checksum are wrong"


def restore_command(key: bytes, ttl_ms: int, dump: bytes, *, overwrite: bool) -> Command:
    """Restores a DUMP; `ttl_ms` -1 for a key that never expires."""
    # 0 means never to RESTORE; a key whose last millisecond runs must not live for ever.
    ttl = 0 if ttl_ms < 0 else max(1, ttl_ms)
    command: Command = (b"RESTORE", key, ttl, dump)
    return (*command, b"REPLACE") if overwrite else command


def restore_failure(error: ServerError) -> str:
    """Why a key could not be restored.

    Raises:
        StudioError: what it means, where no key can be: a read-only server, a full one, a missing permission.
    """
    if error.prefix == "BUSYKEY":
        return EXISTS
    if _VERSION in error.text:
        return (
            "The server can't read the value's DUMP: it is older than the server the value comes from, or the bytes "
            "were damaged. The `readable` format works between versions."
        )
    if "Bad data format" in error.text:
        return "The server can't read the value's DUMP: it knows no such type or encoding."
    return about_key(error, "RESTORE")
