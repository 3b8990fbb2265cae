"""The rpcs of `studio.mongodb.v1.DocumentService` that write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc import answers, bodies, ejson, errors, terms
from services.mongo_svc.client import MongoClient
from services.mongo_svc.ejson import Mode, Value
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.handlers import bulk_operations, fields
from services.mongo_svc.writes import bulk, changing, exact, inserting, preview
from services.mongo_svc.writes.changing import Changed, Update
from services.mongo_svc.writes.where import Where
from services.runtime.confirmation import if_production
from services.runtime.databases import Databases
from services.runtime.errors import StudioError, invalid_argument
from studio.mongodb.v1 import document_bulk_pb2 as bulk_pb
from studio.mongodb.v1 import document_writes_pb2 as writes_pb
from studio.mongodb.v1.document_service_pb2_grpc import DocumentServiceServicer
from studio.options.v1.errors_pb2 import ERROR_REASON_CONFIRMATION_REQUIRED

if TYPE_CHECKING:
    import grpc
    from pymongo.asynchronous.client_session import AsyncClientSession

    Context = grpc.aio.ServicerContext[Any, Any]


class DocumentWrites(DocumentServiceServicer):
    """The rpcs that write.

    Args:
        databases: gives the clients.
    """

    def __init__(self, databases: Databases[MongoClient]) -> None:
        self._databases = databases

    async def InsertDocuments(self, request: writes_pb.InsertDocumentsRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Inserts documents."""
        del context
        body = await bodies.read_large(request.body, writes_pb.InsertDocumentsBody)
        documents = [_only_document(each, f"documents[{place}]") for place, each in enumerate(body.documents)]
        async with await self._databases.lease(request.database_id) as client:
            done = await inserting.insert(client, _where(client, body), documents, ordered=not body.unordered)
        response = writes_pb.InsertDocumentsResponse(failed_count=done.failed)
        for id_ in done.ids:
            fields.put(response.inserted_ids.add(), id_)
        for each in done.failures:
            bulk_operations.put_failure(response.failures.add(), each.index, each.error)
        return await answers.rendered(response, answers.mode_of(body.ejson))

    async def ReplaceDocument(self, request: writes_pb.ReplaceDocumentRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Replaces one document."""
        del context
        body = await bodies.read_large(request.body, writes_pb.ReplaceDocumentBody)
        document = _only_document(body.document, "document")
        id_ = _id_of(fields.value(body, "id"), document)
        mode = answers.mode_of(body.ejson)
        async with await self._databases.lease(request.database_id) as client:
            where = _where(client, body, terms.id_is(id_))

            async def replace(where: Where, current: bytes, session: AsyncClientSession | None) -> Changed:
                kept = exact.keeping_types(document, current) if mode == Mode.RELAXED else document
                return await changing.replace(client, where, kept, session=session)

            with errors.translated():
                if body.HasField("expected"):
                    if body.upsert:
                        raise invalid_argument("upsert", "can't be combined with `expected`")
                    expected = _only_document(body.expected, "expected")
                    done = await exact.when_unchanged(client, where, expected, mode, replace)
                else:
                    done = await changing.replace(client, where, document, upsert=body.upsert)
        if not done.matched and done.upserted is None:
            raise errors.document_not_found()
        response = writes_pb.ReplaceDocumentResponse(
            matched_count=int(done.matched), modified_count=int(done.modified)
        )
        if done.upserted is not None:
            fields.put(response.upserted_id, id_)
        return answers.render(response, mode)

    async def UpdateDocuments(self, request: writes_pb.UpdateDocumentsRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Updates one document or many."""
        del context
        body = await bodies.read_large(request.body, writes_pb.UpdateDocumentsBody)
        mode = answers.mode_of(body.ejson)
        change = bulk_operations.update_of(body, "update", many=body.many)
        if body.many and not body.dry_run:
            await if_production("This updates every document that matches.")
        async with await self._databases.lease(request.database_id) as client:
            where = self._selected(client, body)
            with errors.translated():
                if body.dry_run:
                    return _update_preview(await preview.update(client, where, change), mode)
                done = await _update(client, where, change, body, mode)
        if body.HasField("id") and not done.matched and done.upserted is None:
            raise errors.document_not_found()
        response = writes_pb.UpdateDocumentsResponse(
            matched_count=done.matched, modified_count=done.modified, precision="exact"
        )
        if done.upserted is not None:
            fields.put(response.upserted_id, fields.value(body, "id") or done.upserted)
        return answers.render(response, mode)

    async def DeleteDocument(  # noqa: N802  the rpc
        self, request: writes_pb.DeleteDocumentRequest, context: Context
    ) -> writes_pb.DeleteDocumentResponse:
        """Deletes one document by its `_id`."""
        del context
        id_ = fields.text_id(request.id)
        async with await self._databases.lease(request.database_id) as client:
            fields.check_target(client, request)
            where = Where(request.database_name, request.collection, terms.id_is(id_))
            with errors.translated():
                deleted = await changing.delete(client, where, many=False)
        if not deleted:
            raise errors.document_not_found()
        return writes_pb.DeleteDocumentResponse(deleted_count=int(deleted))

    async def DeleteDocuments(self, request: writes_pb.DeleteDocumentsRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Deletes one document or many."""
        del context
        body = await bodies.read_large(request.body, writes_pb.DeleteDocumentsBody)
        if not body.dry_run:
            await if_production("This deletes documents.")
        mode = answers.mode_of(body.ejson)
        async with await self._databases.lease(request.database_id) as client:
            where = self._selected(client, body)
            with errors.translated():
                if body.dry_run:
                    return _deletion_preview(await preview.deletion(client, where, many=body.many), mode)
                deleted = await _delete(client, where, body, mode)
        if body.HasField("id") and not deleted:
            raise errors.document_not_found()
        return answers.render(
            writes_pb.DeleteDocumentsResponse(deleted_count=deleted, precision="exact"), mode
        )

    async def WriteBulk(self, request: bulk_pb.WriteBulkRequest, context: Context) -> HttpBody:  # noqa: N802  the rpc
        """Runs writes of all kinds."""
        del context
        body = await bodies.read_large(request.body, bulk_pb.WriteBulkBody)
        if bulk_operations.endangers(body):
            await if_production("Some of these writes delete documents, or update every one that matches.")
        async with await self._databases.lease(request.database_id) as client:
            where = _where(client, body)
            operations = bulk_operations.read(body, where)
            results = await bulk.run(client, where, operations, ordered=not body.unordered)
        failed = sum(each.error is not None for each in results)
        response = bulk_pb.WriteBulkResponse(
            succeeded_count=len(results) - failed,
            failed_count=failed,
            skipped_count=len(operations) - len(results),
        )
        for each in results:
            bulk_operations.put_result(response.results.add(), each)
        return await answers.rendered(response, answers.mode_of(body.ejson))

    @staticmethod
    def _selected(
        client: MongoClient, body: writes_pb.UpdateDocumentsBody | writes_pb.DeleteDocumentsBody
    ) -> Where:
        """The documents that an update or a deletion is about."""
        id_ = fields.value(body, "id")
        given = fields.optional_query(body, "filter")
        if id_ is not None and given is not None:
            raise invalid_argument("filter", "can't be combined with `id`")
        if id_ is not None and body.many:
            raise invalid_argument("many", "can't be combined with `id`")
        if id_ is None and not (body.many or given is not None):
            raise invalid_argument("id", "must be given, or `filter`")
        if body.HasField("expected") and id_ is None:
            raise invalid_argument("expected", "can't be given without `id`")
        if body.HasField("expected") and body.dry_run:
            raise invalid_argument("expected", "can't be combined with `dry_run`")
        filter_ = terms.EMPTY if given is None else given
        where = _where(client, body, filter_ if id_ is None else terms.id_is(id_))
        if body.many and filter_ == terms.EMPTY and not body.dry_run:
            _check_confirmation(where.name(client), body.confirmation)
        return where


async def _update(
    client: MongoClient, where: Where, change: Update, body: writes_pb.UpdateDocumentsBody, mode: Mode
) -> Changed:
    if not body.HasField("expected"):
        return await changing.update(client, where, change)
    if body.upsert:
        raise invalid_argument("upsert", "can't be combined with `expected`")

    async def act(where: Where, current: bytes, session: AsyncClientSession | None) -> Changed:
        del current
        return await changing.update(client, where, change, session=session)

    return await exact.when_unchanged(client, where, _only_document(body.expected, "expected"), mode, act)


async def _delete(
    client: MongoClient, where: Where, body: writes_pb.DeleteDocumentsBody, mode: Mode
) -> float:
    if not body.HasField("expected"):
        return await changing.delete(client, where, many=body.many)

    async def act(where: Where, current: bytes, session: AsyncClientSession | None) -> Changed:
        del current
        return Changed(matched=await changing.delete(client, where, many=False, session=session))

    expected = _only_document(body.expected, "expected")
    return (await exact.when_unchanged(client, where, expected, mode, act)).matched


def _where(client: MongoClient, body: Any, filter_: bytes = terms.EMPTY) -> Where:  # noqa: ANN401  any body of a write
    """The documents of a body, with as much of its options as it has."""
    fields.check_target(client, body)
    known = body.DESCRIPTOR.fields_by_name
    return Where(
        database=body.database_name,
        collection=body.collection,
        filter=filter_,
        collation=fields.document(body, "collation") if "collation" in known else terms.EMPTY,
        hint=fields.hint(body) if "hint" in known else None,
        comment=body.comment if "comment" in known else "",
        max_time_s=fields.seconds(body.max_time_ms) if "max_time_ms" in known else None,
        bypass_validation=body.bypass_validation if "bypass_validation" in known else False,
    )


def _only_document(given: Any, what: str) -> bytes:  # noqa: ANN401  an ExtendedJson
    if given.type not in {0, Kind.DOCUMENT}:
        raise invalid_argument(what, "must be an object")
    raw: bytes = given.bson or terms.EMPTY
    return raw


def _id_of(id_: Value | None, document: bytes) -> Value:
    own = next((each.value for each in ejson.elements(document) if each.name == b"_id"), None)
    if id_ is None:
        if own is None:
            raise invalid_argument("id", "must be given, or be in the document as `_id`")
        return own
    if own is not None and own != id_:
        raise invalid_argument(
            "document._id", "is another than `id`; the `_id` of a document can't be changed"
        )
    return id_


def _check_confirmation(name: str, confirmation: str) -> None:
    if confirmation != name:
        raise StudioError(
            ERROR_REASON_CONFIRMATION_REQUIRED,
            f"This is about every document of {name}.",
            hint="Send it again with the full name of the collection as `confirmation`; `dry_run` shows its effect.",
            metadata={"confirmation": name},
        )


def _update_preview(found: preview.Preview, mode: Mode) -> HttpBody:
    response = writes_pb.UpdateDocumentsResponse(
        matched_count=found.matched.number,
        precision=found.matched.precision,
        dry_run=True,
        without_after=found.without_after,
    )
    for each in found.samples:
        sample = response.samples.add()
        if each.before is not None:
            fields.put_document(sample.before, each.before)
        if each.after is not None:
            fields.put_document(sample.after, each.after)
    return answers.render(response, mode)


def _deletion_preview(found: preview.Preview, mode: Mode) -> HttpBody:
    response = writes_pb.DeleteDocumentsResponse(
        matched_count=found.matched.number, precision=found.matched.precision, dry_run=True
    )
    for each in found.samples:
        fields.put_document(response.samples.add(), each.before or terms.EMPTY)
    return answers.render(response, mode)
