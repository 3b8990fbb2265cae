"""Gzip as a stream: https://www.rfc-editor.org/rfc/rfc1952."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_ARGUMENT

MAGIC = b"\x1f\x8b\x08"
"""The first bytes of a file with gzip's only method."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_LEVEL = 1
"""Text shrinks to a sixth already; a higher level takes three times as long for a tenth less."""


class Packer:
    """Packs a file piece by piece."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def pack(self, data: bytes) -> bytes:
        """What comes out for these bytes: often nothing yet."""
        return self._stream.compress(data)

    def end(self) -> bytes:
        """What is left, and gzip's end."""
        return self._stream.flush()

    def break_off(self) -> bytes:
        """What is left, without gzip's end: a reader finds the file cut off."""
        return self._stream.flush(zlib.Z_SYNC_FLUSH)


class Unpacker:
    """Unpacks a file piece by piece, also one of several members.

    Args:
        at_most: bytes that come out at a time, however far they were packed.
    """

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._stream = zlib.decompressobj(_GZIP_WINDOW)

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """What comes out for these bytes.

        Raises:
            StudioError: INVALID_ARGUMENT where they are no gzip.
        """
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP_WINDOW)
            try:
                out = self._stream.decompress(data, self._at_most)
            except zlib.error:
                raise StudioError(ERROR_REASON_INVALID_ARGUMENT, "The body's gzip is damaged.") from None
            if out:
                yield out
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def end(self) -> None:
        """Says that nothing more comes.

        Raises:
            StudioError: INVALID_ARGUMENT where something is missing.
        """
        if not self._stream.eof:
            raise StudioError(ERROR_REASON_INVALID_ARGUMENT, "The body's gzip is cut off.")
