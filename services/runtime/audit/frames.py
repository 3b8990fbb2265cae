"""How the spool's files are laid out: a header, then frames, each with a checksum.

A process can be killed in the middle of a write: what follows the last whole frame is no frame, and is told by its
length or its checksum. Where whole frames follow again, nothing was torn: the file was damaged.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

MAGIC = b"SAS1"
_HEADER = struct.Struct("<4s16sQ")
HEADER_BYTES = _HEADER.size
_FRAME = struct.Struct("<IIBQ")
FRAME_BYTES = _FRAME.size
"""Bytes of a frame without its payload."""
MAX_PAYLOAD_BYTES = 16 << 10
"""More than any event has: a length beyond it is damage, not something to wait for."""

# Where a frame may begin: a length below 64 KiB, and one of the kinds. Looked ahead at: they may overlap.
_MAY_BEGIN = re.compile(rb"(?=..\x00\x00.{4}[\x01-\x03])", re.DOTALL)

_crc32 = zlib.crc32
_pack = _FRAME.pack


class Kind(IntEnum):
    """What a frame says."""

    INTENT = 1
    """A call is about to change something; no event yet."""
    OUTCOME = 2
    """How such a call ended: an event."""
    EVENT = 3
    """An event that had no intent."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry of a file."""

    kind: int
    call: int
    """Number by which the outcome of an intent is found; 0 for others."""
    payload: bytes
    end: int
    """Offset of what follows in what was scanned."""


def header(source: UUID, first_sequence: int) -> bytes:
    """The beginning of a file.

    Args:
        source: whose sequence numbers these are.
        first_sequence: number of the first event in the file.
    """
    return _HEADER.pack(MAGIC, source.bytes, first_sequence)


def read_header(data: bytes) -> tuple[UUID, int] | None:
    """Source and first sequence number; None where this is no whole header."""
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        return None
    _, source, first = _HEADER.unpack_from(data)
    return UUID(bytes=source), first


def frame(kind: int, call: int, payload: bytes) -> bytes:
    """One entry as it is written."""
    return _pack(len(payload), _crc32(payload, call & 0xFFFFFFFF), kind, call) + payload


def scan(data: bytes, offset: int = 0) -> Iterator[Frame]:
    """The whole frames from an offset on, up to the first that is none."""
    size = len(data)
    while offset + FRAME_BYTES <= size:
        length, crc, kind, call = _FRAME.unpack_from(data, offset)
        start = offset + FRAME_BYTES
        offset = start + length
        # A tail that was never written may read as zeros, whose checksum would be right.
        if not length or length > MAX_PAYLOAD_BYTES or offset > size:
            return
        payload = data[start:offset]
        if _crc32(payload, call & 0xFFFFFFFF) != crc:
            return
        yield Frame(kind, call, payload, offset)


def goes_on(data: bytes, offset: int) -> bool:
    """Whether a whole frame begins somewhere behind an offset at which there is none."""
    return any(
        next(scan(data, each.start()), None) is not None for each in _MAY_BEGIN.finditer(data, offset + 1)
    )
