"""Streams a file out of its chunks, each checked against what the file's document says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, errors
from services.mongo_svc.ejson import Value
from services.mongo_svc.gridfs.bounds import BOUNDS, Bounds
from services.mongo_svc.gridfs.files import Bucket, equal
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_TIMEOUT, ERROR_REASON_DOCUMENT_INVALID

_BINARY, _INT32, _INT64 = 0x05, 0x10, 0x12
_BINARY_HEAD = 5
"""Bytes before the content: length and subtype."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes of which file."""

    id: Value
    """The file's `_id`."""
    length: int
    """The file's bytes."""
    chunk_size: int
    """Bytes of a chunk."""
    begin: int
    """The first byte."""
    end: int
    """Behind the last byte."""


def part(id_: Value, length: int, chunk_size: int, offset: int, at_most: int) -> Part:
    """A part of a file.

    Args:
        id_: the file's `_id`.
        length: the file's bytes.
        chunk_size: bytes of a chunk.
        offset: bytes to leave out.
        at_most: bytes that are wanted; 0 for the rest.

    Raises:
        StudioError: INVALID_ARGUMENT where the file ends before; DOCUMENT_INVALID where it has no sizes.
    """
    if length < 0 or (length and chunk_size <= 0):
        raise _damaged("its document holds no length or no chunk size")
    if offset > length:
        raise invalid_argument("offset", f"is behind the end of the file, which has {length} bytes")
    return Part(id_, length, chunk_size, offset, min(length, offset + at_most) if at_most else length)


async def download(bucket: Bucket, wanted: Part, bounds: Bounds = BOUNDS) -> AsyncGenerator[bytes, None]:
    """The bytes, in pieces.

    Raises:
        StudioError: DOCUMENT_INVALID where a chunk is missing or of a wrong size.
    """
    if wanted.begin == wanted.end:
        return
    number = wanted.begin // wanted.chunk_size
    last = (wanted.end - 1) // wanted.chunk_size
    query = ejson.build(
        [
            *ejson.elements(bytes(equal(b"files_id", wanted.id).raw)),
            (
                0x03,
                b"n",
                ejson.build([(_INT64, name, _int64(n)) for name, n in ((b"$gte", number), (b"$lte", last))]),
            ),
        ]
    )
    batch = max(1, bounds.fetch_bytes // wanted.chunk_size)
    cursor = bucket.chunks.find(RawBSONDocument(query), sort=[("n", 1)], batch_size=batch)
    try:
        while number <= last:
            try:
                async with asyncio.timeout(bounds.step_timeout_s):
                    with errors.translated():
                        document = await anext(cursor, None)
            except TimeoutError:
                raise StudioError(
                    ERROR_REASON_DB_TIMEOUT, f"The server sent no chunk within {bounds.step_timeout_s:.0f} s."
                ) from None
            data = _content(bytes(document.raw) if document is not None else None, number, wanted)
            start = number * wanted.chunk_size
            data = data[max(0, wanted.begin - start) : wanted.end - start]
            for at in range(0, len(data), bounds.message_bytes):
                yield data[at : at + bounds.message_bytes]
            number += 1
    finally:
        await cursor.close()


def _content(chunk: bytes | None, number: int, wanted: Part) -> bytes:
    if chunk is None:
        raise _damaged(f"chunk {number} is missing")
    fields = {each.name: each.value for each in ejson.elements(chunk)}
    data, place = fields.get(b"data"), fields.get(b"n")
    if place is None or place.kind not in {_INT32, _INT64} or _whole(place) != number:
        raise _damaged(f"chunk {number} is missing, or another one is there twice")
    expected = min(wanted.chunk_size, wanted.length - number * wanted.chunk_size)
    if data is None or data.kind != _BINARY or len(data.raw) - _BINARY_HEAD != expected:
        raise _damaged(f"chunk {number} does not hold {expected} bytes")
    return data.raw[_BINARY_HEAD:]


def _whole(value: Value) -> int:
    return int.from_bytes(value.raw, "little", signed=True)


def _int64(number: int) -> bytes:
    return number.to_bytes(8, "little", signed=True)


def _damaged(why: str) -> StudioError:
    return StudioError(ERROR_REASON_DOCUMENT_INVALID, f"The file is damaged: {why}.")
