"""`studio.mongodb.v1.GridFsService`: requests to calls of the engine's modules, results to responses."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

import bson
from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, ejson, policy
from services.mongo_svc.client import PLAIN, MongoClient
from services.mongo_svc.ejson import Value
from services.mongo_svc.gridfs import files
from services.mongo_svc.gridfs.bounds import BOUNDS, Bounds
from services.mongo_svc.gridfs.downloading import download, part
from services.mongo_svc.gridfs.uploading import Upload
from services.mongo_svc.handlers import attachments
from services.runtime.databases import Databases, while_unchanged
from services.runtime.errors import invalid_argument
from services.runtime.places import Places
from studio.mongodb.v1 import gridfs_service_pb2 as pb
from studio.mongodb.v1.common_pb2 import ExtendedJson
from studio.mongodb.v1.gridfs_service_pb2_grpc import GridFsServiceServicer

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

BYTES = "application/octet-stream"
_BODY_OF_NO_TYPE = frozenset({"", BYTES, "application/x-www-form-urlencoded"})
"""What says nothing about a file; the last one is curl's, when nobody tells it otherwise."""


class GridFsHandler(GridFsServiceServicer):
    """The service.

    Args:
        databases: gives the clients.
        bounds: how much is done at a time.
    """

    def __init__(self, databases: Databases[MongoClient], bounds: Bounds = BOUNDS) -> None:
        self._databases = databases
        self._bounds = bounds
        self._places = Places("downloads and uploads", bounds.transfers, bounds.transfers_of_one_database)

    async def ListBuckets(  # noqa: N802  the rpc
        self, request: pb.ListBucketsRequest, context: Context
    ) -> pb.ListBucketsResponse:
        """The buckets of a database."""
        del context
        async with await self._databases.lease(request.database_id) as client:
            found = await files.list_buckets(client, request.database_name, self._bounds)
        return pb.ListBucketsResponse(buckets=found)

    async def ListFiles(self, request: pb.ListFilesRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """A page of the files of a bucket."""
        del context
        query = ejson.loads(request.filter.encode(), what="filter") if request.filter else None
        if query is not None:
            policy.check(query, "filter")
        async with await self._databases.lease(request.database_id) as client:
            bucket = _bucket(client, request.database_name, request.bucket)
            size = request.page_size or self._bounds.page_files
            page, token = await files.list_files(
                client, bucket, query, size, request.page_token, self._bounds
            )
        response = pb.ListFilesResponse(files=map(_file, page), next_page_token=token)
        return answers.render(response, answers.mode_of(request.ejson))

    async def DownloadFile(  # noqa: N802  the rpc
        self, request: pb.DownloadFileRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Streams a file."""
        id_ = ejson.loads_value(request.id.encode(), what="id")
        check = await self._databases.check_of(request.database_id)
        with self._places.take(request.database_id):
            async with await self._databases.lease(request.database_id) as client:
                bucket = _bucket(client, request.database_name, request.bucket)
                file = _file(await files.find(client, bucket, id_))
                wanted = part(
                    id_,
                    int(file.length),
                    int(file.chunk_size),
                    _whole("offset", request.offset),
                    _whole("length", request.length),
                )
                type_ = file.content_type or BYTES
                begun = False
                chunks = while_unchanged(download(bucket, wanted, self._bounds), check)
                async with contextlib.aclosing(chunks) as pieces:
                    async for piece in pieces:
                        if not begun:
                            await context.send_initial_metadata(attachments.headers(file.filename or "file"))
                        begun = True
                        yield HttpBody(content_type=type_, data=piece)
                if not begun:  # an empty file is a file
                    await context.send_initial_metadata(attachments.headers(file.filename or "file"))
                    yield HttpBody(content_type=type_)

    async def UploadFile(  # noqa: N802  the rpc
        self, requests: AsyncIterator[pb.UploadFileRequest], context: Context
    ) -> HttpBody:
        """Stores a file."""
        del context
        first = await anext(requests)
        id_ = files.storable(ejson.loads_value(first.id.encode(), what="id")) if first.id else None
        metadata = _metadata(first)
        check = await self._databases.check_of(first.database_id)
        with self._places.take(first.database_id):
            async with await self._databases.lease(first.database_id) as client:
                bucket = _bucket(client, first.database_name, first.bucket)
                upload = Upload(client, bucket, id_, first.chunk_size, self._bounds)
                async with contextlib.aclosing(while_unchanged(_content(first, requests), check)) as body:
                    document = await upload.run(body, first.filename, metadata)
        return answers.render(_file(document), answers.mode_of(first.ejson))

    async def RenameFile(self, request: pb.RenameFileRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Gives a file another name."""
        del context
        body = bodies.read(request.body, pb.RenameFileBody)
        async with await self._databases.lease(request.database_id) as client:
            bucket = _bucket(client, body.database_name, body.bucket)
            document = await files.rename(
                client, bucket, Value(body.id.type or 3, body.id.bson), body.filename
            )
        return answers.render(_file(document))

    async def DeleteFile(  # noqa: N802  the rpc
        self, request: pb.DeleteFileRequest, context: Context
    ) -> pb.DeleteFileResponse:
        """Deletes a file."""
        del context
        id_ = ejson.loads_value(request.id.encode(), what="id")
        async with await self._databases.lease(request.database_id) as client:
            await files.delete(client, _bucket(client, request.database_name, request.bucket), id_)
        return pb.DeleteFileResponse()


def _bucket(client: MongoClient, database: str, name: str) -> files.Bucket:
    bucket = files.bucket_of(client, database, name)
    policy.check_source(client.database_name(database), bucket.files.name, "bucket")
    return bucket


async def _content(
    first: pb.UploadFileRequest, rest: AsyncIterator[pb.UploadFileRequest]
) -> AsyncGenerator[bytes, None]:
    yield first.body.data
    async for message in rest:
        yield message.body.data


def _metadata(request: pb.UploadFileRequest) -> bytes | None:
    """What to store with a file: as given, with the body's content type where it says something."""
    metadata = ejson.loads(request.metadata.encode(), what="metadata") if request.metadata else None
    type_ = request.body.content_type.strip()
    if type_.partition(";")[0].lower() in _BODY_OF_NO_TYPE:
        return metadata
    own = list(ejson.elements(metadata)) if metadata is not None else []
    if any(each.name == b"contentType" for each in own):
        return metadata
    return ejson.build([*own, *ejson.elements(bson.encode({"contentType": type_}))])


def _file(document: bytes) -> pb.GridFsFile:
    shown = bson.decode(document, codec_options=PLAIN)
    return pb.GridFsFile(
        id=_extended(document, b"_id"),
        filename=_text(shown.get("filename")),
        length=_number(shown.get("length")),
        chunk_size=_number(shown.get("chunkSize")),
        upload_date=_extended(document, b"uploadDate"),
        content_type=files.content_type(shown),
        metadata=_extended(document, b"metadata"),
    )


def _extended(document: bytes, name: bytes) -> ExtendedJson | None:
    value = files.field(document, name)
    return None if value is None else ExtendedJson(bson=value.raw, type=value.kind)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else -1.0


def _whole(name: str, value: float) -> int:
    if not value.is_integer():
        raise invalid_argument(name, "must be a whole number")
    return int(value)
