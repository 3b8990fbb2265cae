"""Streams of raw BSON, and how a reader over HTTP learns that one broke off.

Its status was sent with the first batch, and the end of the body looks like any other; the trailers with the failure
don't pass the gateway. So the last thing that it gets is a document without its end, which no reader of BSON takes for
a whole one: `{"$error": {…}}`, less the NUL that would close it. gRPC callers get the status as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import bson
from google.api.httpbody_pb2 import HttpBody

from services.mongo_svc.bodies import BSON_TYPE
from services.runtime.errors import StudioError
from services.runtime.statuses import retry_after_s, sentence
from studio.options.v1.errors_pb2 import ERROR_REASON_INTERNAL


async def chunks(batches: AsyncGenerator[bytes, None]) -> AsyncGenerator[HttpBody, None]:
    """The messages of a stream; closes the batches at its end, whatever that is."""
    begun = False
    async with contextlib.aclosing(batches):
        try:
            async for batch in batches:
                yield HttpBody(content_type=BSON_TYPE, data=batch)
                begun = True
            if not begun:
                yield HttpBody(content_type=BSON_TYPE)
        except Exception as error:
            if begun:
                yield HttpBody(content_type=BSON_TYPE, data=broken_off(error))
            raise


def broken_off(error: Exception) -> bytes:
    """The beginning of a document that says what went wrong: all of it but its last byte."""
    failure = (
        error
        if isinstance(error, StudioError)
        else StudioError(ERROR_REASON_INTERNAL, "The stream failed; the log of the service says why.")
    )
    said = {
        "message": sentence(failure),
        "error_code": failure.reason_name,
        "retryable": retry_after_s(failure) is not None,
    }
    return bson.encode({"$error": said})[:-1]
