"""Refusals that ask for a confirmation, taken apart."""

from __future__ import annotations

import httpx
from grpc.aio import AioRpcError

from services.runtime.confirmation import HEADER
from services.runtime.statuses import from_rpc_error
from studio.options.v1.errors_pb2 import ERROR_REASON_CONFIRMATION_REQUIRED

Metadata = tuple[tuple[str, str], ...]


def asked(error: AioRpcError) -> Metadata:
    """The metadata that confirms a call which failed with this; it must have asked for that."""
    found = from_rpc_error(error)
    assert found.reason == ERROR_REASON_CONFIRMATION_REQUIRED, found.message
    return ((HEADER, found.metadata["confirmation"]),)


def asked_over_http(answer: httpx.Response) -> dict[str, str]:
    """The headers that confirm a request which was answered with this; it must have asked for that."""
    body = answer.json()
    assert (answer.status_code, body["error_code"]) == (400, "CONFIRMATION_REQUIRED"), answer.text
    return {HEADER: body["details"][0]["metadata"]["confirmation"]}
