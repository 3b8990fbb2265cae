"""Streams over HTTP: server-sent events as the gateway writes them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx

PREFIX = "data: "

Event = dict[str, Any]
"""An event, as JSON."""


@contextlib.asynccontextmanager
async def events(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    body: object = None,
    query: dict[str, str | list[str]] | None = None,
) -> AsyncIterator[AsyncGenerator[Event, None]]:
    """The events of a stream, which must begin with success. Leaving the block hangs up."""
    async with http.stream(method, path, json=body, params=query) as answer:
        if not answer.is_success:
            await answer.aread()
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        assert answer.headers["content-type"] == "text/event-stream"
        found = _parsed(answer)
        yield found
        await found.aclose()


async def _parsed(answer: httpx.Response) -> AsyncGenerator[Event, None]:
    async for line in answer.aiter_lines():
        if line.startswith(PREFIX):
            event = json.loads(line.removeprefix(PREFIX))
            assert isinstance(event, dict)
            yield event
        else:
            assert not line, line
