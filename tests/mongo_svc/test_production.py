"""Production databases of MongoDB ask for a confirmation: by the rpc, or by what its request holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from pymongo import AsyncMongoClient

from services.mongo_svc.app import open_app
from services.mongo_svc.settings import Settings
from studio.mongodb.v1 import aggregation_service_pb2 as aggregation
from studio.mongodb.v1 import collection_service_pb2 as collections
from studio.mongodb.v1 import document_bulk_pb2 as bulk_pb
from studio.mongodb.v1 import document_writes_pb2 as writes_pb
from studio.mongodb.v1 import transfer_service_pb2 as transfer
from studio.mongodb.v1.aggregation_service_pb2_grpc import AggregationServiceStub
from studio.mongodb.v1.collection_service_pb2_grpc import CollectionServiceStub
from studio.mongodb.v1.document_service_pb2_grpc import DocumentServiceStub
from studio.mongodb.v1.transfer_service_pb2_grpc import TransferServiceStub
from tests.support.confirmations import Metadata, asked
from tests.support.engine_service import Registry, as_user, running_engine

Call = Callable[[Metadata], Any]


class Production:
    """A production database and its callers."""

    def __init__(self, port: int, registry: Registry, url: str, database: str) -> None:
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.id = registry.register(url, config={"production": True})
        self.database = database
        self.documents = DocumentServiceStub(self.channel)

    def body(self, **fields: object) -> HttpBody:
        """A body about the collection `c`."""
        return HttpBody(
            data=json.dumps({"database_name": self.database, "collection": "c", **fields}).encode()
        )

    def update(self, metadata: Metadata, **fields: object) -> Any:  # noqa: ANN401  gRPC's own
        body = self.body(update={"$set": {"b": 1}}, filter={"a": 1}, **fields)
        request = writes_pb.UpdateDocumentsRequest(database_id=self.id, body=body)
        return self.documents.UpdateDocuments(request, metadata=metadata)

    def delete(self, metadata: Metadata, **fields: object) -> Any:  # noqa: ANN401  as above
        request = writes_pb.DeleteDocumentsRequest(
            database_id=self.id, body=self.body(filter={"a": 1}, **fields)
        )
        return self.documents.DeleteDocuments(request, metadata=metadata)

    def write(self, metadata: Metadata, *operations: object) -> Any:  # noqa: ANN401  as above
        request = bulk_pb.WriteBulkRequest(database_id=self.id, body=self.body(operations=operations))
        return self.documents.WriteBulk(request, metadata=metadata)

    def aggregate(self, metadata: Metadata, *stages: object) -> Any:  # noqa: ANN401  as above
        request = aggregation.AggregateRequest(database_id=self.id, body=self.body(pipeline=stages))
        return AggregationServiceStub(self.channel).Aggregate(request, metadata=metadata)

    def rename(self, metadata: Metadata, *, drop_target: bool) -> Any:  # noqa: ANN401  as above
        request = collections.RenameCollectionRequest(
            database_id=self.id,
            database_name=self.database,
            collection="c",
            new_name="d",
            drop_target=drop_target,
        )
        return CollectionServiceStub(self.channel).RenameCollection(request, metadata=metadata)

    def drop(self, metadata: Metadata) -> Any:  # noqa: ANN401  as above
        request = collections.DropCollectionRequest(
            database_id=self.id, database_name=self.database, collection="c"
        )
        return CollectionServiceStub(self.channel).DropCollection(request, metadata=metadata)

    def load(self, metadata: Metadata, *chunks: bytes, mode: str = "upsert") -> Any:  # noqa: ANN401  as above
        async def parts() -> AsyncIterator[transfer.ImportDocumentsRequest]:
            for chunk in chunks:
                yield transfer.ImportDocumentsRequest(
                    database_id=self.id,
                    database_name=self.database,
                    collection="c",
                    format="ndjson",
                    mode=mode,
                    body=HttpBody(data=chunk),
                )

        return TransferServiceStub(self.channel).ImportDocuments(parts(), metadata=metadata)


@pytest.fixture
async def production(
    mongodb_url: str, mongodb_database: str, mongodb: AsyncMongoClient[dict[str, Any]]
) -> AsyncIterator[Production]:
    await mongodb[mongodb_database]["c"].insert_many([{"_id": 1, "a": 1}, {"_id": 2, "a": 1}])
    await mongodb[mongodb_database]["d"].insert_one({"_id": 3})
    async with running_engine("mongo_svc", "mongodb", Settings, open_app) as (port, registry):
        found = Production(port, registry, mongodb_url, mongodb_database)
        yield found
        await found.channel.close()


DANGEROUS: dict[str, Callable[[Production, Metadata], Any]] = {
    "update many": lambda it, metadata: it.update(metadata, many=True),
    "delete": lambda it, metadata: it.delete(metadata),
    "delete many": lambda it, metadata: it.delete(metadata, many=True),
    "a deletion among writes": lambda it, metadata: it.write(
        metadata, {"insert_one": {"document": {"_id": 9}}}, {"delete_one": {"filter": {"_id": 1}}}
    ),
    "an update of many among writes": lambda it, metadata: it.write(
        metadata, {"update_many": {"filter": {"a": 1}, "update": {"$set": {"b": 1}}}}
    ),
    "a pipeline with $out": lambda it, metadata: it.aggregate(metadata, {"$match": {}}, {"$out": "e"}),
    "a renaming that drops": lambda it, metadata: it.rename(metadata, drop_target=True),
    "drop": lambda it, metadata: it.drop(metadata),
}
HARMLESS: dict[str, Callable[[Production, Metadata], Any]] = {
    "update one": lambda it, metadata: it.update(metadata),
    "update many, to see": lambda it, metadata: it.update(metadata, many=True, dry_run=True),
    "delete many, to see": lambda it, metadata: it.delete(metadata, many=True, dry_run=True),
    "writes that add": lambda it, metadata: it.write(metadata, {"insert_one": {"document": {"_id": 9}}}),
    "a pipeline that reads": lambda it, metadata: it.aggregate(metadata, {"$match": {}}),
}


async def contents(mongodb: AsyncMongoClient[dict[str, Any]], database: str) -> dict[str, list[Any]]:
    names = sorted(await mongodb[database].list_collection_names())
    return {name: await mongodb[database][name].find(sort={"_id": 1}).to_list() for name in names}


@pytest.mark.parametrize("call", DANGEROUS.values(), ids=DANGEROUS)
async def test_what_destroys_is_done_once_it_is_confirmed(
    production: Production,
    mongodb: AsyncMongoClient[dict[str, Any]],
    mongodb_database: str,
    call: Callable[[Production, Metadata], Any],
) -> None:
    before = await contents(mongodb, mongodb_database)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(production, as_user())
    assert await contents(mongodb, mongodb_database) == before
    await call(production, (*as_user(), *asked(caught.value)))
    assert await contents(mongodb, mongodb_database) != before


@pytest.mark.parametrize("call", HARMLESS.values(), ids=HARMLESS)
async def test_what_does_not_is_not_asked_about(
    production: Production, call: Callable[[Production, Metadata], Any]
) -> None:
    await call(production, as_user())


async def test_an_import_that_overwrites_is_confirmed_however_its_body_is_cut(production: Production) -> None:
    lines = b'{"_id": 1, "a": 5}\n{"_id": 4, "a": 5}\n'
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await production.load(as_user(), lines).read()
    confirmed = (*as_user(), *asked(caught.value))
    events = [event async for event in production.load(confirmed, lines[:7], lines[7:])]
    assert (events[-1].updated, events[-1].inserted) == (1, 1)
    with pytest.raises(grpc.aio.AioRpcError) as other:
        await production.load(confirmed, lines, mode="merge").read()
    asked(other.value)
    events = [event async for event in production.load(as_user(), b'{"_id": 7}\n', mode="insert")]
    assert events[-1].inserted == 1
