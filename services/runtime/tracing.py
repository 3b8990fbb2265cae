"""Traces, where they are wanted: this module imports nothing of OpenTelemetry, so a process without them pays nothing.

`tracer` is None unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; whoever has something to tell asks it first. Spans hold
names that stand in the code or the contract, and ids: no key, value, document, path, address or name of a user's.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from services.runtime import context as call
from services.runtime.trace_settings import TraceSettings

HEADER = "traceparent"
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
FLUSH_S = 3.0
"""Seconds that a process that ends waits for its last spans to be taken."""

Value = str | int | tuple[str, ...]

_VALID = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Span(Protocol):
    """Something that takes time, and what is known of it."""

    def set(self, name: str, value: Value) -> None:
        """Adds an attribute."""

    def failed(self, kind: str) -> None:
        """Says that it failed, and how: by a name of ours, never by a message."""

    def end(self) -> None:
        """Ends it."""


class Tracer(Protocol):
    """Makes spans. Those that are not sampled are None: nothing needs to be found out for them."""

    def serving(
        self, name: str, attributes: Mapping[str, Value], parent: str
    ) -> AbstractContextManager[Span | None]:
        """The work on a call, as whose part everything inside counts; `parent` is a `traceparent`, or empty."""

    def calling(self, name: str, attributes: Mapping[str, Value]) -> Span | None:
        """A call of an engine, as a part of what runs here; the caller ends it."""

    def is_recording(self) -> bool:
        """Whether what runs here is part of a trace that is kept."""

    def traceparent(self) -> str:
        """By which another service makes its work a part of what runs here; empty outside of a trace."""

    def close(self) -> None:
        """Hands over what is left; it may take long."""


tracer: Tracer | None = None
"""Of this process."""


def trace_id(traceparent: str) -> str:
    """The trace's id in a `traceparent`; empty where it is none."""
    match = _VALID.fullmatch(traceparent)
    return match[1] if match else ""


def parts(traceparent: str) -> tuple[int, int, int] | None:
    """Trace, span and flags of a `traceparent`."""
    match = _VALID.fullmatch(traceparent)
    return None if match is None else (int(match[1], 16), int(match[2], 16), int(match[3], 16))


def onward() -> str:
    """The `traceparent` of a call of another service: of this trace, or the caller's where nothing is traced here."""
    return (tracer.traceparent() if tracer is not None else "") or call.traceparent.get()


def start(service: str, settings: TraceSettings) -> None:
    """Begins to trace, where that is wanted."""
    global tracer  # noqa: PLW0603  one a process
    if settings.is_traced:
        from services.runtime import otel  # noqa: PLC0415  see the module

        tracer = otel.Otel(service, settings)


@contextlib.asynccontextmanager
async def tracing(service: str, settings: TraceSettings) -> AsyncIterator[None]:
    """Traces while the block runs, where that is wanted, and hands over the last spans at its end."""
    global tracer
    start(service, settings)
    try:
        yield
    finally:
        ended, tracer = tracer, None
        if ended is not None:
            # In a thread that nobody has to wait for: a collector that hangs must not hold up the end of the process.
            closing = threading.Thread(target=ended.close, name="traces", daemon=True)
            closing.start()
            await asyncio.to_thread(closing.join, FLUSH_S)
