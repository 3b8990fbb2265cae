"""Every bound of exports and imports with its default, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from services.mongo_svc.limits import MIB
from services.runtime.databases import CHECK_S

MAX_DOCUMENT_BYTES = 16 * MIB
"""https://www.mongodb.com/docs/manual/reference/limits/#mongodb-limit-BSON-Document-Size"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is done at a time."""

    transfers: int = 16
    """Exports and imports at a time in this process."""
    transfers_of_one_database: int = 4
    """Exports and imports at a time of one database."""
    fetch_bytes: int = 2 * 1024 * 1024
    """Bytes of documents that the server sends at a time, as far as those before tell; never more than 16 MiB."""
    fetch_documents: int = 1000
    """Documents that it sends at a time at most."""
    fetch_first: int = 20
    """Documents of the first time, when nothing is known of their size."""
    fetch_timeout_s: float = 240.0
    """Seconds until the server has sent them: of a query without an index it may have to look long for the first. Less
    than the gateway waits without a byte, so that the reason arrives."""
    step_documents: int = 200
    """Documents that are turned into text, or read from it, before others get a turn: some milliseconds."""
    chunk_bytes: int = 256 * 1024
    """Bytes of a file that make a message of the stream."""
    sample_documents: int = 1000
    """Documents whose fields make the columns of a CSV file."""
    sample_bytes: int = 8 * MIB
    """Bytes of them, which wait until the columns are known."""
    columns: int = 1000
    """Columns of a CSV file."""
    column_levels: int = 8
    """Documents in documents whose fields are columns of their own; deeper ones are text in one column."""
    row_bytes: int = 48 * MIB
    """Bytes of a row of an import: a document of 16 MiB is longer as text."""
    unpacked_bytes: int = 256 * 1024
    """Bytes that gzip gives at a time."""
    batch_rows: int = 1000
    """Rows that are written at a time."""
    batch_bytes: int = 4 * MIB
    """Bytes of them; a larger one goes alone."""
    writes: int = 2
    """Writes at a time of one import, where order does not matter."""
    write_timeout_s: float = 60.0
    """Seconds of one."""
    failures: int = 1000
    """Failed rows that an import lists; further ones are counted."""
    failed_row_bytes: int = 512 * 1024
    """Bytes of failed rows that an import repeats. They have to fit between it and a client that reads nothing yet; see
    `late_report_s`."""
    check_s: float = CHECK_S
    """Seconds after which an export looks whether its database is still the same."""
    report_s: float = 0.5
    """Seconds between progress events in the first minute."""
    late_report_s: float = 5.0
    """Seconds between them later. A client that reads nothing before it has sent all of its body must not fill what
    lies between it and this service, or both would wait for each other."""
    early_s: float = 60.0
    """That first minute."""


BOUNDS = Bounds()
