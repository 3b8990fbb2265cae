"""Stores a file while it arrives. Of one that breaks nothing stays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Coroutine
from datetime import UTC, datetime
from typing import Any

import bson
import pymongo
from bson import Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from services.mongo_svc import ejson, errors
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Value
from services.mongo_svc.gridfs.bounds import BOUNDS, Bounds
from services.mongo_svc.gridfs.files import Bucket, equal
from services.runtime.errors import StudioError
from services.runtime.logs import get_logger
from studio.options.v1.errors_pb2 import ERROR_REASON_ALREADY_EXISTS

_DOCUMENT, _BINARY, _OBJECT_ID, _INT32 = 0x03, 0x05, 0x07, 0x10
_GENERIC = b"\0"
"""The subtype of plain bytes."""
_DUPLICATE = frozenset({11000, 11001, 12582})

log = get_logger(__name__)


class Upload:
    """One upload.

    Args:
        client: the database.
        bucket: where to.
        id_: the file's `_id`; None for a new ObjectId.
        chunk_size: bytes of a chunk; 0 for the usual ones.
        bounds: how much at a time.
    """

    def __init__(
        self,
        client: MongoClient,
        bucket: Bucket,
        id_: Value | None,
        chunk_size: int = 0,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._bounds = bounds
        self._id = id_ if id_ is not None else Value(_OBJECT_ID, ObjectId().binary)
        self._is_own = id_ is None
        self._chunk_size = chunk_size or bounds.chunk_bytes
        self._chunks: list[RawBSONDocument] = []
        self._buffered = 0
        self._number = 0
        self._length = 0
        self._wrote = self._may_be_stored = self._is_stored = False
        self._writing: asyncio.Task[None] | None = None

    async def run(self, body: AsyncIterable[bytes], filename: str, metadata: bytes | None) -> bytes:
        """Stores the file; returns its document.

        Args:
            body: the file.
            filename: its name.
            metadata: what to store with it, as BSON.

        Raises:
            StudioError: ALREADY_EXISTS; others as `MongoClient.command`.
        """
        await self._prepare()
        try:
            rest = bytearray()
            async for data in body:
                rest += data
                while len(rest) >= self._chunk_size:
                    await self._add(bytes(rest[: self._chunk_size]))
                    del rest[: self._chunk_size]
            if rest:
                await self._add(bytes(rest))
            await self._flush()
            return await self._finish(filename, metadata)
        except BaseException:
            await self._clean_up()
            raise

    async def _prepare(self) -> None:
        """Makes the indexes where the bucket is new, as every driver does, and refuses an `_id` that is taken."""
        bucket = self._bucket
        with errors.translated(), pymongo.timeout(self._client.deadline_s()):
            if not self._is_own:
                taken = await bucket.files.find_one(equal(b"_id", self._id), {"_id": 1})
                taken = taken or await bucket.chunks.find_one(equal(b"files_id", self._id), {"_id": 1})
                if taken is not None:
                    raise _exists()
            if await bucket.files.find_one({}, {"_id": 1}) is None:
                await bucket.files.create_index([("filename", 1), ("uploadDate", 1)])
                await bucket.chunks.create_index([("files_id", 1), ("n", 1)], unique=True)

    async def _add(self, data: bytes) -> None:
        if self._buffered and self._buffered + len(data) > self._bounds.write_bytes:
            await self._flush()
        binary = len(data).to_bytes(4, "little") + _GENERIC + data
        self._chunks.append(
            RawBSONDocument(
                ejson.build(
                    [
                        (_OBJECT_ID, b"_id", ObjectId().binary),
                        (self._id.kind, b"files_id", self._id.raw),
                        (_INT32, b"n", self._number.to_bytes(4, "little")),
                        (_BINARY, b"data", binary),
                    ]
                )
            )
        )
        self._number += 1
        self._length += len(data)
        self._buffered += len(data)

    async def _flush(self) -> None:
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        if not chunks:
            return
        await self._finished(self._write(chunks))

    async def _finished(self, writing: Coroutine[Any, Any, None]) -> None:
        """Waits for a write, which goes on where the call is cancelled.

        The server goes on with what it was told, too, and what it writes after the cleaning would stay.
        """
        self._writing = asyncio.create_task(writing)
        await asyncio.shield(self._writing)

    async def _write(self, chunks: list[RawBSONDocument]) -> None:
        is_first, self._wrote = not self._wrote, True  # perhaps, where the answer never comes
        with errors.translated(), pymongo.timeout(self._bounds.step_timeout_s):
            try:
                await self._bucket.chunks.insert_many(chunks)
            except BulkWriteError as error:
                found = (error.details or {}).get("writeErrors", ())
                if is_first and any(each.get("code") in _DUPLICATE for each in found):
                    # Somebody stores a file of this `_id` at the same time; what is there is theirs.
                    self._wrote = False
                    raise _exists() from None
                raise

    async def _finish(self, filename: str, metadata: bytes | None) -> bytes:
        about = bson.encode(
            {
                "length": Int64(self._length),
                "chunkSize": self._chunk_size,
                "uploadDate": datetime.now(UTC),
                "filename": filename,
            }
        )
        fields = [(self._id.kind, b"_id", self._id.raw), *ejson.elements(about)]
        if metadata is not None:
            fields.append((_DOCUMENT, b"metadata", metadata))
        document = ejson.build(fields)
        await self._finished(self._store(document))
        return document

    async def _store(self, document: bytes) -> None:
        self._may_be_stored = True
        with errors.translated(), pymongo.timeout(self._bounds.step_timeout_s):
            try:
                await self._bucket.files.insert_one(RawBSONDocument(document))
            except DuplicateKeyError:
                self._may_be_stored = False
                raise _exists() from None
        self._is_stored = True

    async def _clean_up(self) -> None:
        if self._writing is None:
            return
        # Also when the call is cancelled: the sender went away in the middle.
        removing = asyncio.create_task(self._remove(self._writing))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(removing)
        if not removing.done():
            await removing

    async def _remove(self, writing: asyncio.Task[None]) -> None:
        await asyncio.wait([writing])
        if self._is_stored:
            return  # whole, though nobody waits for the answer any more
        try:
            with pymongo.timeout(self._bounds.cleanup_timeout_s):
                if self._may_be_stored:
                    await self._bucket.files.delete_one(equal(b"_id", self._id))
                if self._wrote:
                    await self._bucket.chunks.delete_many(equal(b"files_id", self._id))
        except PyMongoError as error:
            log.warning("gridfs.leftover", error=str(error)[: errors.MAX_TEXT], chunks=self._number)


def _exists() -> StudioError:
    return StudioError(
        ERROR_REASON_ALREADY_EXISTS, "A file of this `_id` is there already, or is being stored."
    )
