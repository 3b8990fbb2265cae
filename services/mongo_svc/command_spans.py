"""Traces of what goes to a MongoDB server: a span a command, with its name and nothing else of it."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

from pymongo import monitoring

from services.runtime import tracing
from services.runtime.tracing import Span, Tracer

MAX_OPEN = 1000
"""Spans of commands whose end was not heard of: the driver tells none of a command whose caller went away."""


class Listener(monitoring.CommandListener):
    """Makes the driver's commands spans.

    Args:
        tracer: of this process.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: OrderedDict[int, Span] = OrderedDict()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Begins one, where a traced call is behind it."""
        span = _span(self._tracer, event.command_name)
        if span is None:
            return
        self._open[event.request_id] = span
        if len(self._open) > MAX_OPEN:
            _, forgotten = self._open.popitem(last=False)
            forgotten.failed("CANCELLED")
            forgotten.end()

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Ends it."""
        span = self._open.pop(event.request_id, None)
        if span is not None:
            span.end()

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Ends it; by the server's code, since its message may repeat what was sent."""
        span = self._open.pop(event.request_id, None)
        if span is not None:
            code = event.failure.get("code")
            span.failed(f"code {code}" if isinstance(code, int) else "UNREACHABLE")
            span.end()


def listeners() -> list[monitoring.CommandListener]:
    """What a client's driver tells of its commands; nobody where nothing is traced."""
    return [] if tracing.tracer is None else [Listener(tracing.tracer)]


@contextlib.contextmanager
def command(name: str) -> Iterator[None]:
    """A command that goes past the driver's own ways."""
    span = None if tracing.tracer is None else _span(tracing.tracer, name)
    if span is None:
        yield
        return
    try:
        yield
    except BaseException as error:
        span.failed(type(error).__name__)
        raise
    finally:
        span.end()


def _span(tracer: Tracer, name: str) -> Span | None:
    return tracer.calling(name, {"db.system.name": "mongodb", "db.operation.name": name})
