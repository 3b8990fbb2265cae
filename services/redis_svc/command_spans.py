"""Traces of what goes to a Redis server: a span a request, with the names of its commands and nothing else of them."""

from __future__ import annotations

import asyncio
from typing import Any

from services.redis_svc.command_names import names
from services.runtime.errors import StudioError
from services.runtime.tracing import Tracer

MAX_NAMED = 4
"""Commands in the name of a span."""


def follow(tracer: Tracer, payload: bytes, expected: int, future: asyncio.Future[Any]) -> None:
    """Makes a request a span, from now until its future is done.

    Args:
        tracer: of this process.
        payload: the packed commands.
        expected: how many they are.
        future: of their replies.
    """
    if not tracer.is_recording():
        return
    commands = names(payload)
    span = tracer.calling(
        " ".join(commands[:MAX_NAMED]),
        {
            "db.system.name": "redis",
            "db.operation.name": commands[0] if expected == 1 else "PIPELINE",
            "db.operation.batch.size": expected,
            "studio.redis.commands": tuple(commands),
        },
    )
    if span is None:
        return

    def done(ended: asyncio.Future[Any]) -> None:
        error = None if ended.cancelled() else ended.exception()
        if ended.cancelled():
            span.failed("CANCELLED")
        elif error is not None:
            span.failed(error.reason_name if isinstance(error, StudioError) else type(error).__name__)
        span.end()

    future.add_done_callback(done)
