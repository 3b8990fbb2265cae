"""Errors that only change streams have, as errors of ours.

https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from pymongo.errors import OperationFailure

from services.mongo_svc import errors
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

_BAD_VALUE, _FAILED_TO_PARSE, _NO_MATCHING_DOCUMENT = 2, 9, 47
_INVALID_RESUME_TOKEN, _FATAL, _HISTORY_LOST, _TOO_LARGE = 260, 280, 286, 10334
_NO_REPLICA_SET, _OVERFLOWS = 40573, 17280


@contextlib.contextmanager
def translated(*, resuming: bool) -> Iterator[None]:
    """As `errors.translated`, for a change stream.

    Args:
        resuming: it begins behind a token of the caller's.
    """
    with errors.translated():
        try:
            yield
        except OperationFailure as error:
            found = _known(error, resuming=resuming)
            if found is None:
                raise
            raise found from None


def _known(error: OperationFailure, *, resuming: bool) -> StudioError | None:
    code = error.code or 0
    message = str((error.details or {}).get("errmsg", ""))[: errors.MAX_TEXT]
    if code == _INVALID_RESUME_TOKEN or (resuming and code in (_BAD_VALUE, _FAILED_TO_PARSE)):
        return StudioError(
            e.ERROR_REASON_INVALID_CURSOR,
            f"The server can't go on behind `resume`: {message}",
            hint="It must come from a stream of the same scope.",
        )
    known = _KNOWN.get(code)
    if known is None:
        return None
    name, reason, sentence, hint = known
    return StudioError(reason, sentence.format(message), hint=hint, metadata={"server_error": name})


_TOO_LARGE_EVENT = (
    "BSONObjectTooLarge",
    e.ERROR_REASON_DB_QUERY_ERROR,
    "An event is larger than the 16 MiB that a document may have.",
    "Ask for less of it, by `full_document` or `$project`, or end the pipeline with $changeStreamSplitLargeEvent.",
)
_KNOWN: Mapping[int, tuple[str, e.ErrorReason.ValueType, str, str]] = {
    _NO_REPLICA_SET: (
        "Location40573",
        e.ERROR_REASON_NOT_SUPPORTED,
        "The MongoDB server is a standalone: only replica sets and sharded clusters have streams of changes.",
        "A single server can be a replica set of one member: start it with --replSet and run rs.initiate().",
    ),
    _HISTORY_LOST: (
        "ChangeStreamHistoryLost",
        e.ERROR_REASON_CHANGES_LOST,
        "The server does not have the changes behind this place any more: its oplog begins later.",
        "Read the documents anew and begin a stream without `resume`. A larger oplog keeps more changes.",
    ),
    _TOO_LARGE: _TOO_LARGE_EVENT,
    _OVERFLOWS: _TOO_LARGE_EVENT,
    _NO_MATCHING_DOCUMENT: (
        "NoMatchingDocument",
        e.ERROR_REASON_DB_QUERY_ERROR,
        "An event lacks the document that is required: the collection has not kept it.",
        "Switch on changeStreamPreAndPostImages of the collection, or ask for `whenAvailable`.",
    ),
    _FATAL: (
        "ChangeStreamFatalError",
        e.ERROR_REASON_DB_QUERY_ERROR,
        "The stream can't go on: {}",
        "Every event must keep its `_id`, unchanged: look at the pipeline.",
    ),
}
