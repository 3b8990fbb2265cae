"""The files of a bucket: listed, found, renamed, deleted.

An `_id` is always the operand of `$eq`: one that is a document must not be read as operators.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection

from services.mongo_svc import ejson, errors, ids
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Value
from services.mongo_svc.gridfs.bounds import BOUNDS, Bounds
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CURSOR, ERROR_REASON_NAMESPACE_NOT_FOUND

DEFAULT_BUCKET = "fs"
_FILES, _CHUNKS = ".files", ".chunks"
_DOCUMENT, _ARRAY = 0x03, 0x04


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket's two collections."""

    files: AsyncCollection[RawBSONDocument]
    """A document a file."""
    chunks: AsyncCollection[RawBSONDocument]
    """The content, a document a chunk."""


def bucket_of(client: MongoClient, database: str, name: str) -> Bucket:
    """A bucket.

    Args:
        client: the database.
        database: name of the database; empty for the connection's.
        name: its name; empty for `fs`.

    Raises:
        StudioError: INVALID_ARGUMENT where the name can't be one.
    """
    name = name or DEFAULT_BUCKET
    return Bucket(client.collection(database, name + _FILES), client.collection(database, name + _CHUNKS))


async def list_buckets(client: MongoClient, database: str, bounds: Bounds = BOUNDS) -> list[str]:
    """The names of the buckets, sorted.

    Raises:
        StudioError: as `MongoClient.command`.
    """
    found: list[str] = []
    wanted = {"name": {"$regex": r"\.files$"}}
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        async for each in await client.database(database).list_collections(
            filter=wanted, nameOnly=True, authorizedCollections=True
        ):
            found.append(str(each["name"]).removesuffix(_FILES))  # noqa: PERF401  there is no list of an async cursor to build on
    return sorted(found)[: bounds.buckets]


async def list_files(
    client: MongoClient, bucket: Bucket, query: bytes | None, size: int, token: str, bounds: Bounds = BOUNDS
) -> tuple[list[bytes], str]:
    """A page of files' documents in the order of `_id`, and the token of the next.

    Args:
        client: the database.
        bucket: the bucket.
        query: which files, as BSON; None for all.
        size: files at most.
        token: of the page; empty for the first.
        bounds: bytes of a page.

    Raises:
        StudioError: INVALID_CURSOR; others as `MongoClient.command`.
    """
    wanted = query or ejson.build(())
    if token:
        wanted = ids.behind(wanted, _from_token(token))
    page: list[bytes] = []
    taken = 0
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        cursor = bucket.files.find(RawBSONDocument(wanted), sort=[("_id", 1)], limit=size + 1)
        async with cursor:
            async for each in cursor:
                if len(page) == size or (page and taken + len(each.raw) > bounds.page_bytes):
                    return page, _to_token(page[-1])
                page.append(bytes(each.raw))
                taken += len(each.raw)
    return page, ""


async def find(client: MongoClient, bucket: Bucket, id_: Value) -> bytes:
    """The document of a file.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND where there is none.
    """
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        found = await bucket.files.find_one(equal(b"_id", id_))
    if found is None:
        raise _no_such_file()
    return bytes(found.raw)


async def rename(client: MongoClient, bucket: Bucket, id_: Value, name: str) -> bytes:
    """Gives a file another name; returns its document.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND where there is none.
    """
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        found = await bucket.files.find_one_and_update(
            equal(b"_id", id_), {"$set": {"filename": name}}, return_document=True
        )
    if found is None:
        raise _no_such_file()
    return bytes(found.raw)


async def delete(client: MongoClient, bucket: Bucket, id_: Value) -> None:
    """Deletes a file, then its chunks: also chunks that have lost their file.

    Raises:
        StudioError: NAMESPACE_NOT_FOUND where there was neither.
    """
    with errors.translated(), pymongo.timeout(client.deadline_s()):
        of_file = await bucket.files.delete_one(equal(b"_id", id_))
        of_chunks = await bucket.chunks.delete_many(equal(b"files_id", id_))
    if not of_file.deleted_count and not of_chunks.deleted_count:
        raise _no_such_file()


def equal(name: bytes, value: Value) -> RawBSONDocument:
    """The query for documents with this value."""
    operand = ejson.build([(value.kind, b"$eq", value.raw)])
    return RawBSONDocument(ejson.build([(_DOCUMENT, name, operand)]))


def storable(id_: Value) -> Value:
    """The `_id`, where it can be one.

    Raises:
        StudioError: INVALID_ARGUMENT for arrays, regular expressions, and documents with a name that begins with `$`.
    """
    if id_.kind in {_ARRAY, 0x06, 0x0B}:
        raise invalid_argument("id", "can't be an array, undefined or a regular expression")
    if id_.kind == _DOCUMENT and any(each.name.startswith(b"$") for each in ejson.elements(id_.raw)):
        raise invalid_argument("id", "can't be a document with a name that begins with `$`")
    return id_


def field(document: bytes, name: bytes) -> Value | None:
    """A field of a file's document, as it is; None where there is none."""
    return next((each.value for each in ejson.elements(document) if each.name == name), None)


def content_type(shown: Mapping[str, Any]) -> str:
    """The type of a file, where it says one: in its metadata, or where older drivers wrote it."""
    metadata = shown.get("metadata")
    inner = metadata.get("contentType") if isinstance(metadata, dict) else None
    return next((each for each in (inner, shown.get("contentType")) if isinstance(each, str)), "")


def _to_token(document: bytes) -> str:
    id_ = field(document, b"_id")
    if id_ is None:
        raise StudioError(ERROR_REASON_INVALID_CURSOR, "A file without an `_id` has no page behind it.")
    return base64.urlsafe_b64encode(bytes([id_.kind]) + id_.raw).decode()


def _from_token(token: str) -> Value:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        value = Value(raw[0], raw[1:])
        bson.decode(ejson.build([(value.kind, b"_id", value.raw)]))
    except (binascii.Error, ValueError, IndexError, bson.errors.BSONError):
        raise StudioError(ERROR_REASON_INVALID_CURSOR, "The page token is none of this listing.") from None
    return value


def _no_such_file() -> StudioError:
    return StudioError(ERROR_REASON_NAMESPACE_NOT_FOUND, "There is no such file in this bucket.")
