"""The writes of a bulk and their results, between messages and the engine's modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.mongo_svc import ejson, policy, stages
from services.mongo_svc.ejson.layout import Kind
from services.mongo_svc.handlers import fields
from services.mongo_svc.terms import EMPTY
from services.mongo_svc.writes import bulk, changing
from services.mongo_svc.writes.changing import Update
from services.mongo_svc.writes.where import Where
from services.runtime.errors import StudioError, invalid_argument
from studio.mongodb.v1 import document_bulk_pb2 as bulk_pb
from studio.mongodb.v1 import document_writes_pb2 as writes_pb


def read(body: bulk_pb.WriteBulkBody, where: Where) -> list[bulk.Operation]:
    """The writes of a request.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED; none was run then.
    """
    operations = []
    for place, each in enumerate(body.operations):
        name = str(each.WhichOneof("operation"))  # the contract demands one
        what = f"operations[{place}].{name}"
        operations.append(_READERS[name](getattr(each, name), where, what))
    return operations


def endangers(body: bulk_pb.WriteBulkBody) -> bool:
    """Whether a production database asks for a confirmation first."""
    return any(each.WhichOneof("operation") in _ENDANGERING for each in body.operations)


def update_of(message: Any, what: str, *, many: bool) -> Update:  # noqa: ANN401  one of several
    """What a message with `update`, `upsert` and `array_filters` does.

    Raises:
        StudioError: INVALID_ARGUMENT, PERMISSION_DENIED.
    """
    given = fields.value(message, "update")
    filters = _array_filters(message, what)
    if given is None or given.kind not in {Kind.DOCUMENT, Kind.ARRAY}:
        raise invalid_argument(what, "must be an object of update operators, or a pipeline as an array")
    if given.kind == Kind.ARRAY:
        checked = policy.check_pipeline(given.raw, what, read_only=False, only=stages.OF_UPDATES)
        if not checked.stages:
            raise invalid_argument(what, "must have a stage")
        return Update(pipeline=checked.stages, array_filters=filters, upsert=message.upsert, many=many)
    policy.check(given.raw, what)
    changing.check_operators(given.raw, what)
    return Update(operators=given.raw, array_filters=filters, upsert=message.upsert, many=many)


def _array_filters(message: Any, what: str) -> tuple[bytes, ...]:  # noqa: ANN401  one of several
    given = fields.value(message, "array_filters")
    if given is None or given.kind == Kind.NULL:
        return ()
    policy.check(given.raw, f"{what}.array_filters")
    filters = list(ejson.elements(given.raw)) if given.kind == Kind.ARRAY else []
    if not filters or any(each.kind != Kind.DOCUMENT for each in filters):
        raise invalid_argument("array_filters", "must be an array of objects")
    return tuple(each.raw for each in filters)


def _at(message: Any, where: Where, what: str, *, many: bool = False) -> Where:  # noqa: ANN401  one of several
    filter_ = fields.query(message, "filter", f"{what}.filter")
    if many and filter_ == EMPTY:
        raise invalid_argument(f"{what}.filter", "can't be empty: that is every document of the collection")
    return bulk.at(where, filter_, fields.document(message, "collation"), fields.hint(message))


def _insert(message: bulk_pb.BulkInsert, where: Where, what: str) -> bulk.Operation:
    del where
    return bulk.Insert(fields.document(message, "document", f"{what}.document"))


def _replacement(message: bulk_pb.BulkReplacement, where: Where, what: str) -> bulk.Operation:
    document = fields.document(message, "replacement", f"{what}.replacement")
    return bulk.Replace(_at(message, where, what), document, message.upsert)


def _update(message: bulk_pb.BulkUpdate, where: Where, what: str) -> bulk.Operation:
    return bulk.Change(_at(message, where, what), update_of(message, f"{what}.update", many=False))


def _updates(message: bulk_pb.BulkUpdate, where: Where, what: str) -> bulk.Operation:
    return bulk.Change(_at(message, where, what, many=True), update_of(message, f"{what}.update", many=True))


def _deletion(message: bulk_pb.BulkDeletion, where: Where, what: str) -> bulk.Operation:
    return bulk.Delete(_at(message, where, what), many=False)


def _deletions(message: bulk_pb.BulkDeletion, where: Where, what: str) -> bulk.Operation:
    return bulk.Delete(_at(message, where, what, many=True), many=True)


_READERS: dict[str, Callable[[Any, Where, str], bulk.Operation]] = {
    "insert_one": _insert,
    "replace_one": _replacement,
    "update_one": _update,
    "update_many": _updates,
    "delete_one": _deletion,
    "delete_many": _deletions,
}


_ENDANGERING = frozenset({"update_many", "delete_one", "delete_many"})


def put_failure(target: writes_pb.WriteFailure, index: int, error: StudioError) -> None:
    """Sets a failure of an answer."""
    target.index = index
    target.error_code = error.reason_name
    target.message = error.message


def put_result(target: bulk_pb.BulkResult, result: bulk.Result) -> None:
    """Sets a result of an answer."""
    target.index = result.index
    target.matched_count = result.matched
    target.modified_count = result.modified
    target.deleted_count = result.deleted
    if result.inserted is not None:
        fields.put(target.inserted_id, result.inserted)
    if result.error is not None:
        put_failure(target.failure, result.index, result.error)
