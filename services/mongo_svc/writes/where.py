"""Which documents a write is about, and the driver's collection for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection

from services.mongo_svc import ejson, find, terms
from services.mongo_svc.bounds import MAX_DOCUMENT_BYTES
from services.mongo_svc.client import MongoClient, Raw
from services.mongo_svc.ejson import Value
from services.runtime.errors import invalid_argument

_CODEC: CodecOptions[Raw] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS
)
"""The `_id` of an upserted document comes decoded: dates of any year do so."""


@dataclass(frozen=True, slots=True)
class Where:
    """Documents of a collection."""

    database: str
    """Name of the database; empty for the connection's."""
    collection: str
    """Name of the collection."""
    filter: bytes = terms.EMPTY
    """Which of them."""
    collation: bytes = terms.EMPTY
    """How texts compare; empty for the collection's."""
    hint: Value | None = None
    """The index to use."""
    comment: str = ""
    """What logs and profiler show."""
    max_time_s: float | None = None
    """Seconds that the server may work on it; None for the default."""
    bypass_validation: bool = False
    """Write what the collection's rules refuse."""

    def on(self, client: MongoClient) -> AsyncCollection[Raw]:
        """The driver's collection."""
        return client.collection(self.database, self.collection).with_options(codec_options=_CODEC)

    def query(self, limit: int) -> find.Query:
        """The question for what matches."""
        return find.Query(
            self.database,
            self.collection,
            filter=self.filter,
            limit=limit,
            collation=self.collation,
            hint=self.hint,
            max_time_s=self.max_time_s,
            comment=self.comment,
        )

    def name(self, client: MongoClient) -> str:
        """Its full name: `shop.orders`."""
        return f"{client.database_name(self.database)}.{self.collection}"

    def options(self) -> dict[str, Any]:
        """The driver's options for an update or a deletion."""
        given: dict[str, Any] = {}
        if (collation := find.driver_collation(self.collation)) is not None:
            given["collation"] = collation
        if self.hint is not None:
            given["hint"] = find.driver_hint(self.hint)
        if self.comment:
            given["comment"] = self.comment
        return given

    def update_options(self) -> dict[str, Any]:
        """Those for what may break the collection's rules, too."""
        given = self.options()
        if self.bypass_validation:
            given["bypass_document_validation"] = True
        return given


def check_size(document: bytes, what: str) -> None:
    """Refuses a document that no server takes.

    Raises:
        StudioError: INVALID_ARGUMENT.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise invalid_argument(what, f"has more than {MAX_DOCUMENT_BYTES // 2**20} MiB")


def encoded(value: object) -> Value:
    """A value that the driver decoded."""
    return next(iter(ejson.elements(bson.encode({"": value}, codec_options=_CODEC)))).value
