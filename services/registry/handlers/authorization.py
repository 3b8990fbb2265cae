"""`envoy.service.auth.v3.Authorization`: what the gateway asks about requests to pg-meta."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc import status_pb2

from services.registry import metrics
from services.registry.pg_meta.bounds import DECISION_S
from services.registry.pg_meta.requests import Granted, Request
from services.runtime import confirmation
from services.runtime import context as call
from services.runtime.auth.identity import VERB
from services.runtime.client_address import HEADER, canonical
from services.runtime.errors import StudioError
from services.runtime.http_errors import to_http
from services.runtime.logs import get_logger
from services.runtime.statuses import code_of
from studio.envoy.auth.v3 import external_auth_pb2 as messages
from studio.envoy.auth.v3.external_auth_pb2_grpc import AuthorizationServicer
from studio.options.v1 import errors_pb2 as e

if TYPE_CHECKING:
    # Brings httpx along, which a registry without pg-meta does not need.
    from services.registry.pg_meta.access import Access

OVERWRITE = messages.HeaderValueOption.HEADER_APPEND_ACTION_OVERWRITE_IF_EXISTS_OR_ADD

Context = grpc.aio.ServicerContext[Any, Any]

log = get_logger(__name__)


class AuthorizationHandler(AuthorizationServicer):
    """Answers the gateway.

    Args:
        access: decides; None where there is no pg-meta here.
    """

    def __init__(self, access: Access | None) -> None:
        self._access = access

    async def Check(  # noqa: N802  the rpc's name
        self,
        request: messages.CheckRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.CheckResponse:
        """Passes a request on with the connection string, or refuses it with an answer for the client."""
        http = request.attributes.request.http
        # The client's request has the id that is worth logging.
        call.request_id.set(http.headers.get("x-request-id") or call.request_id.get())
        call.address.set(canonical(http.headers.get(HEADER, "")))
        try:
            async with asyncio.timeout(call.remaining_s(DECISION_S)):
                granted = await self._decide(http)
        except TimeoutError:
            refusal = StudioError(
                e.ERROR_REASON_DEADLINE_EXCEEDED, "Deciding about this request took too long."
            )
        except StudioError as error:
            refusal = error
        else:
            metrics.PG_META_DECISIONS.labels("allowed").inc()
            passed = messages.OkHttpResponse(headers=_headers(granted.headers.items()))
            return messages.CheckResponse(status=status_pb2.Status(), ok_response=passed)
        metrics.PG_META_DECISIONS.labels(refusal.reason_name).inc()
        # Without the query: nobody knows what stands in there.
        log.info(
            "pg_meta.refused",
            method=http.method,
            path=http.path.partition("?")[0],
            reason=refusal.reason_name,
            error=str(refusal),
        )
        return _denied(refusal)

    async def _decide(self, http: messages.AttributeContext.HttpRequest) -> Granted:
        if self._access is None:
            raise StudioError(
                e.ERROR_REASON_ENGINE_DISABLED,
                "PostgreSQL management is not enabled: set PG_META_URL for the registry, too.",
            )
        return await self._access.decide(
            Request(
                method=http.method,
                target=http.path,
                identity=(*http.headers.items(), (VERB, http.method)),
                content_type=http.headers.get("content-type", ""),
                confirmation=http.headers.get(confirmation.HEADER, ""),
                body=http.raw_body,
            )
        )


def _denied(error: StudioError) -> messages.CheckResponse:
    answer = to_http(error)
    headers = [*answer.headers]
    if error.reason == e.ERROR_REASON_METHOD_NOT_ALLOWED:
        headers.append(("allow", error.metadata["allow"]))
    return messages.CheckResponse(
        status=status_pb2.Status(code=code_of(error).value[0]),
        denied_response=messages.DeniedHttpResponse(
            status=messages.HttpStatus(code=answer.status),
            headers=_headers(headers),
            body=answer.body.decode(),
        ),
    )


def _headers(pairs: Iterable[tuple[str, str]]) -> list[messages.HeaderValueOption]:
    return [
        messages.HeaderValueOption(
            header=messages.HeaderValue(key=name, value=value), append_action=OVERWRITE
        )
        for name, value in pairs
    ]
