"""`studio.registry.v1.DocumentationService`: what there is to call."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody

from services.runtime.openapi import render
from studio.registry.v1 import documentation_service_pb2 as messages
from studio.registry.v1.documentation_service_pb2_grpc import DocumentationServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class DocumentationHandler(DocumentationServiceServicer):
    """Answers with the OpenAPI document, which is made when it is first asked for.

    Args:
        areas: what the document is about (`services.runtime.openapi.AREAS`).
    """

    def __init__(self, areas: Collection[str]) -> None:
        self._areas = areas
        self._document = b""
        self._making = asyncio.Lock()

    async def GetOpenApi(  # noqa: N802  the rpc's name
        self,
        request: messages.GetOpenApiRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> HttpBody:
        """The document."""
        async with self._making:
            if not self._document:
                self._document = await asyncio.to_thread(render, self._areas)
        return HttpBody(content_type="application/json", data=self._document)
