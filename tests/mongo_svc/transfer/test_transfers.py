"""Exports and imports that are cut off: what is there can't be taken for all, and what is missing can be had."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import AsyncGenerator

import bson
import pytest
from bson.errors import BSONError

from services.mongo_svc.client import MongoClient
from services.mongo_svc.transfer.bounds import BOUNDS, Bounds
from services.mongo_svc.transfer.exporting import Export, Exporter
from services.mongo_svc.transfer.importing import Importer, Progress
from services.mongo_svc.transfer.reading import Format
from services.mongo_svc.transfer.writing import Target
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_DB_UNAVAILABLE

ROWS = 1000
GONE = StudioError(ERROR_REASON_DB_UNAVAILABLE, 'The "connection" has been changed.')


async def nothing() -> None:
    """The database is still the same."""


class Changing:
    """A check that fails once the connection has changed."""

    has_changed = False

    async def __call__(self) -> None:
        if self.has_changed:
            raise GONE


class Counting(Exporter):
    """Counts the batches that it takes from the server."""

    taken = 0

    async def _batches(self) -> AsyncGenerator[list[bytes], None]:
        async for batch in super()._batches():
            self.taken += 1
            yield batch


async def filled(client: MongoClient, database: str) -> None:
    documents = [bson.raw_bson.RawBSONDocument(bson.encode({"_id": n, "t": "x" * 50})) for n in range(ROWS)]
    await client.collection(database, "c").insert_many(documents)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("format_", ["json", "ndjson", "csv", "bson"])
async def test_a_file_whose_export_failed_can_not_be_taken_for_a_whole_one(
    client: MongoClient, mongodb_database: str, format_: str, *, packed: bool
) -> None:
    await filled(client, mongodb_database)
    bounds = Bounds(fetch_documents=100, step_documents=50, chunk_bytes=1000, sample_documents=10, check_s=0)
    wanted = Export(database=mongodb_database, collection="c", format=format_, gzip=packed)
    check = Changing()
    exporter = Exporter(client, wanted, check, bounds)
    content = b""
    failed = False
    try:
        async for piece in exporter.pieces():
            content += piece
            check.has_changed = True
    except StudioError:
        failed = True
    assert failed
    content += exporter.broken(GONE.message, GONE.reason_name, retryable=True)
    if packed:
        stream = zlib.decompressobj(31)
        content = stream.decompress(content)
        assert not stream.eof
    assert b"has been changed" in content
    match format_:
        case "json":
            with pytest.raises(json.JSONDecodeError):
                json.loads(content)
        case "ndjson":
            last = json.loads(content.splitlines()[-1])
            assert last == {
                "$error": {"message": GONE.message, "error_code": "DB_UNAVAILABLE", "retryable": True}
            }
        case "csv":
            with pytest.raises(csv.Error):
                list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
        case _:
            with pytest.raises(BSONError):
                bson.decode_all(content)


async def test_an_export_holds_one_batch(client: MongoClient, mongodb_database: str) -> None:
    """The first piece comes after one batch of the server, however many there are."""
    await filled(client, mongodb_database)
    bounds = Bounds(fetch_documents=10, step_documents=5, chunk_bytes=100)
    exporter = Counting(client, Export(mongodb_database, "c", format="ndjson"), nothing, bounds)
    pieces = exporter.pieces()
    assert await anext(pieces)
    assert exporter.taken == 1
    await pieces.aclose()


class CutOffError(Exception):
    """The sender went away."""


async def test_an_import_that_is_cut_off_goes_on_where_its_last_event_says(
    client: MongoClient, mongodb_database: str
) -> None:
    lines = [b'{"_id":%d}\n' % n for n in range(ROWS)]
    bounds = Bounds(batch_rows=30, report_s=0, late_report_s=0)
    collection = client.collection(mongodb_database, "c")

    async def body(at_most: int) -> AsyncGenerator[bytes, None]:
        for line in lines[:at_most]:
            yield line
        if at_most < ROWS:
            raise CutOffError

    async def run(skip: int, at_most: int) -> Progress:
        importer = Importer(Target(collection), Format("ndjson", skip_rows=skip), nothing, bounds)
        last: Progress | None = None
        try:
            async for report in importer.run(body(at_most)):
                assert last is None or report.resume >= last.resume
                last = report
        except CutOffError:
            pass
        assert last is not None
        return last

    first = await run(0, 500)
    assert 0 < first.resume <= 500
    assert await collection.count_documents({"_id": {"$lt": first.resume}}) == first.resume, (
        "each one is there"
    )
    second = await run(first.resume, ROWS)
    assert (second.done, second.resume) == (True, ROWS)
    assert await collection.count_documents({}) == ROWS
    again = {failure.code for failure in second.failures}
    assert again <= {"DUPLICATE_KEY"}, "what was written beyond comes again"


async def test_of_many_bad_rows_some_are_told_and_all_counted(
    client: MongoClient, mongodb_database: str
) -> None:
    async def body() -> AsyncGenerator[bytes, None]:
        yield b"bad\n" * 500

    bounds = Bounds(failures=20, report_s=0, late_report_s=0)
    collection = client.collection(mongodb_database, "c")
    importer = Importer(Target(collection), Format("ndjson"), nothing, bounds)
    reports = [report async for report in importer.run(body())]
    assert sum(len(report.failures) for report in reports) == 20
    assert reports[-1].counts.failed == 500


async def test_bad_rows_are_repeated_as_far_as_there_is_room(
    client: MongoClient, mongodb_database: str
) -> None:
    async def body() -> AsyncGenerator[bytes, None]:
        yield b"short\nmuch too long\nshort\nshort\nbad\n"

    format_, bounds = Format("ndjson", with_rows=True), Bounds(failed_row_bytes=13)
    importer = Importer(Target(client.collection(mongodb_database, "c")), format_, nothing, bounds)
    reports = [report async for report in importer.run(body())]
    told = {each.row: each.content for report in reports for each in report.failures}
    assert told == {1: b"short", 2: b"", 3: b"short", 4: b"", 5: b"bad"}


@pytest.mark.parametrize("mode", ["upsert", "merge"])
async def test_of_rows_with_one_key_the_last_wins(
    client: MongoClient, mongodb_database: str, mode: str
) -> None:
    async def body() -> AsyncGenerator[bytes, None]:
        for n in range(200):
            yield b'{"_id":%d,"n":%d}' % (n % 3, n)

    collection = client.collection(mongodb_database, "c")
    target = Target(collection, mode=mode)
    importer = Importer(target, Format("json"), nothing, Bounds(batch_rows=7))
    reports = [report async for report in importer.run(body())]
    assert (reports[-1].counts.inserted, reports[-1].counts.updated) == (3, 197)
    found = [bson.decode(each.raw) async for each in collection.find().sort("_id", 1)]
    assert found == [{"_id": 0, "n": 198}, {"_id": 1, "n": 199}, {"_id": 2, "n": 197}]


async def test_a_document_too_large_for_a_server_fails_alone(
    client: MongoClient, mongodb_database: str
) -> None:
    async def body() -> AsyncGenerator[bytes, None]:
        yield b'{"_id":1}{"_id":2,"t":"' + b"x" * (16 * 2**20) + b'"}{"_id":3}'

    importer = Importer(Target(client.collection(mongodb_database, "c")), Format("json"), nothing, BOUNDS)
    reports = [report async for report in importer.run(body())]
    (failure,) = (each for report in reports for each in report.failures)
    assert (failure.row, failure.code, reports[-1].counts.inserted) == (2, "INVALID_ARGUMENT", 2)


class Measuring(Exporter):
    """Keeps how many documents came at a time."""

    def __init__(self, client: MongoClient, wanted: Export) -> None:
        super().__init__(client, wanted, nothing)
        self.counts: list[int] = []

    async def _batches(self) -> AsyncGenerator[list[bytes], None]:
        async for batch in super()._batches():
            self.counts.append(len(batch))
            yield batch


async def test_large_documents_come_a_few_at_a_time(client: MongoClient, mongodb_database: str) -> None:
    texts = ["x" * 500_000] * 30 + ["x"] * 2000
    documents = [bson.raw_bson.RawBSONDocument(bson.encode({"_id": n, "t": t})) for n, t in enumerate(texts)]
    await client.collection(mongodb_database, "c").insert_many(documents)
    export = Measuring(client, Export(mongodb_database, "c", "ndjson"))
    lines = b"".join([piece async for piece in export.pieces()]).splitlines()
    assert [json.loads(line)["_id"] for line in lines] == list(range(len(texts)))
    first, *others = export.counts
    assert first == BOUNDS.fetch_first
    assert max(others[:2]) <= BOUNDS.fetch_bytes // 500_000
    assert max(others) == BOUNDS.fetch_documents
