"""Every bound of the console with its default, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from services.redis_svc.limits import MIB


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one call may ask for and be answered."""

    request_bytes: int = 16 * MIB
    """Bytes of the words of all commands."""
    chunk_commands: int = 64
    """Commands in one write: other clients of the server come in between chunks."""
    chunk_bytes: int = 1 * MIB
    """Bytes after which a chunk ends."""
    reply_elements: int = 50_000
    """Elements of all replies that are returned; what exceeds them is left out."""
    reply_bytes: int = 8 * MIB
    """Bytes of all replies that are returned."""
    bulk_bytes: int = 1 * MIB
    """Bytes of one of them."""
    reply_depth: int = 12
    """Lists within lists that are returned. A message within 100 others is refused by protobuf; each list is two."""
    call_s: float = 15.0
    """Seconds of one call, where the caller gives it no less."""
    confirmation_s: int = 120
    """Seconds for which a confirmation holds."""
    calls: int = 32
    """Calls at a time in this process; each has a connection of its own."""
    calls_of_one_database: int = 8
    """Calls at a time of one database."""
    known_commands: int = 1000
    """Commands of one database whose description is kept."""
    knowledge_s: float = 300.0
    """Seconds for which a description is kept: a module may be loaded meanwhile, an ACL changed."""


BOUNDS = Bounds()
