"""Exports documents: raw batches from the server, turned into the pieces of a file as they come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from services.mongo_svc import ejson, errors, ids
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Mode, Value
from services.mongo_svc.find import driver_pairs
from services.mongo_svc.transfer.bounds import BOUNDS, Bounds
from services.mongo_svc.transfer.cells import LOSSLESS
from services.mongo_svc.transfer.columns import found_in
from services.mongo_svc.transfer.files import Bson, Csv, File, JsonArray, Ndjson
from services.mongo_svc.transfer.packing import Packer
from services.runtime.databases import Check, while_unchanged
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_TIMEOUT

GZIP_TYPE = "application/gzip"


@dataclass(frozen=True, slots=True)
class Export:
    """What to export."""

    database: str
    """Name of the database; empty for the connection's."""
    collection: str
    """Name of the collection or view."""
    format: str = "json"
    """`json`, `ndjson`, `csv` or `bson`."""
    filter: bytes | None = None
    """A query, as BSON."""
    projection: bytes | None = None
    """As BSON."""
    sort: bytes | None = None
    """As BSON; None for the order of `_id`."""
    collation: bytes | None = None
    """As BSON."""
    limit: int = 0
    """Documents at most; 0 for all."""
    mode: Mode = Mode.RELAXED
    """The form of Extended JSON."""
    gzip: bool = False
    """Pack the file."""
    after_id: Value | None = None
    """The `_id` of the last document that the caller has."""
    fields: Sequence[str] = field(default=())
    """Columns of a CSV file; empty for those of the first documents."""
    delimiter: str = ","
    """Between cells of a CSV file."""
    header: bool = True
    """Write the columns' names first."""
    guard_formulas: bool = False
    """See `cells.text`."""

    def check(self) -> None:
        """Refuses what doesn't go together.

        Raises:
            StudioError: INVALID_ARGUMENT.
        """
        if self.after_id is not None and self.sort is not None:
            raise invalid_argument("after_id", "goes with the order of `_id` alone, not with a sort")
        if self.after_id is not None and self.format == "csv" and not self.fields:
            raise invalid_argument(
                "fields", "must be given with after_id: the rest of a file has the same columns"
            )


def file_name(wanted: Export) -> str:
    """The name of the file."""
    packed = ".gz" if wanted.gzip else ""
    return f"{wanted.collection}.{wanted.format}{packed}"


def content_type(wanted: Export) -> str:
    """The media type of the file."""
    if wanted.gzip:
        return GZIP_TYPE
    types: dict[str, type[File]] = {"json": JsonArray, "ndjson": Ndjson, "csv": Csv, "bson": Bson}
    return types[wanted.format].content_type


class Exporter:
    """One export.

    Args:
        client: the database.
        wanted: what to export.
        check: asked now and then.
        bounds: how much at a time.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """

    def __init__(self, client: MongoClient, wanted: Export, check: Check, bounds: Bounds = BOUNDS) -> None:
        wanted.check()
        self._wanted = wanted
        self._bounds = bounds
        self._check = check
        self._collection = client.collection(wanted.database, wanted.collection)
        self._packer = Packer() if wanted.gzip else None
        self._file: File | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The file, in pieces that may end anywhere.

        Nothing comes before the first documents were read, so that a refusal can still be the answer itself.

        Raises:
            StudioError: the export can't go on; the caller writes `broken`.
        """
        watched = while_unchanged(self._batches(), self._check, self._bounds.check_s)
        async with contextlib.aclosing(watched) as batches:
            first = await self._begin(batches)
            parts = [self._written_file.begin()]
            size = len(parts[0])
            async with contextlib.aclosing(_chained(first, batches)) as all_:
                async for documents in all_:
                    for step in self._steps(documents):
                        text = self._written_file.documents(step)
                        parts.append(text)
                        size += len(text)
                        if size >= self._bounds.chunk_bytes:
                            for piece in await self._packed(parts):
                                yield piece
                            parts, size = [], 0
                        await asyncio.sleep(0)
            parts.append(self._written_file.end())
            for piece in await self._packed(parts, last=True):
                yield piece

    def broken(self, message: str, code: str, *, retryable: bool) -> bytes:
        """The last bytes of a file that could not be finished."""
        text = (
            self._written_file.broken(message, code, retryable=retryable) if self._file is not None else b""
        )
        if self._packer is not None:
            return self._packer.pack(text) + self._packer.break_off()
        return text

    @property
    def _written_file(self) -> File:
        if self._file is None:
            raise RuntimeError("the file has not begun")
        return self._file

    async def _begin(self, batches: AsyncIterator[list[bytes]]) -> list[list[bytes]]:
        """Opens the file; returns what had to be read for that."""
        wanted = self._wanted
        if wanted.format != "csv" or wanted.fields:
            self._file = self._opened(wanted.fields)
            return [first] if (first := await anext(batches, None)) is not None else []
        read: list[list[bytes]] = []
        count = size = 0
        async for documents in batches:
            read.append(documents)
            count += len(documents)
            size += sum(map(len, documents))
            if count >= self._bounds.sample_documents or size >= self._bounds.sample_bytes:
                break
        sample = [each for documents in read for each in documents][: self._bounds.sample_documents]
        decoded: list[dict[str, Any]] = [bson.decode(each, codec_options=LOSSLESS) for each in sample]
        self._file = self._opened(found_in(decoded, self._bounds))
        return read

    def _opened(self, fields: Sequence[str]) -> File:
        wanted = self._wanted
        match wanted.format:
            case "ndjson":
                return Ndjson(wanted.mode)
            case "bson":
                return Bson()
            case "csv":
                return Csv(
                    fields, delimiter=wanted.delimiter, header=wanted.header, guard=wanted.guard_formulas
                )
            case _:
                return JsonArray(wanted.mode)

    def _steps(self, documents: Sequence[bytes]) -> Iterator[list[bytes]]:
        step: list[bytes] = []
        size = 0
        for document in documents:
            step.append(document)
            size += len(document)
            if len(step) >= self._bounds.step_documents or size >= self._bounds.chunk_bytes:
                yield step
                step, size = [], 0
        if step:
            yield step

    async def _packed(self, parts: Sequence[bytes], *, last: bool = False) -> list[bytes]:
        text = b"".join(parts)
        if self._packer is not None:
            # Off the event loop: 256 KiB take some milliseconds.
            text = await asyncio.to_thread(self._packer.pack, text)
            text += self._packer.end() if last else b""
        step = 4 * self._bounds.chunk_bytes
        return [text[at : at + step] for at in range(0, len(text), step)]

    async def _batches(self) -> AsyncGenerator[list[bytes], None]:
        cursor = self._cursor()
        try:
            while True:
                try:
                    async with asyncio.timeout(self._bounds.fetch_timeout_s):
                        with errors.translated():
                            batch = await anext(cursor, None)
                except TimeoutError:
                    raise StudioError(
                        ERROR_REASON_DB_TIMEOUT,
                        f"The server sent no documents within {self._bounds.fetch_timeout_s:.0f} s.",
                    ) from None
                if batch is None:
                    return
                documents = ejson.split(batch)
                # Batches as large as the server makes them, 16 MiB, would be in memory several times over. PyMongo lets
                # nobody change their size on the way, but reads it anew for each.
                cursor._batch_size = self._at_a_time(len(batch), len(documents))  # noqa: SLF001
                yield documents
        finally:
            await cursor.close()

    def _at_a_time(self, size: int, count: int) -> int:
        """Documents of the next batch, after one of so many bytes and documents."""
        fitting = self._bounds.fetch_bytes * count // max(size, 1)
        return max(1, min(self._bounds.fetch_documents, fitting))

    def _cursor(self) -> Any:  # noqa: ANN401  PyMongo's cursor of raw batches has no public type of its own
        wanted = self._wanted
        cursor = self._collection.find_raw_batches(
            RawBSONDocument(_query(wanted)),
            RawBSONDocument(wanted.projection) if wanted.projection is not None else None,
            batch_size=self._bounds.fetch_first,
            limit=wanted.limit,
            collation=bson.decode(wanted.collation) if wanted.collation is not None else None,
            allow_disk_use=True,
        )
        # An empty document is no sort to the driver; nor is it one to the user.
        order = driver_pairs(wanted.sort, "sort") if wanted.sort is not None else None
        return cursor.sort(order or [("_id", 1)])


def _query(wanted: Export) -> bytes:
    query = wanted.filter if wanted.filter is not None else ejson.build(())
    return query if wanted.after_id is None else ids.behind(query, wanted.after_id)


async def _chained(
    first: Sequence[list[bytes]], rest: AsyncIterator[list[bytes]]
) -> AsyncGenerator[list[bytes], None]:
    for documents in first:
        yield documents
    async for documents in rest:
        yield documents
