"""Structured logs: one JSON object a line on standard output, with the request's and the trace's id, without secrets.

Whatever a process would print by itself (uncaught exceptions, warnings, what the logging module can't format) goes
the same way: a traceback on standard error would show a connection string as it is.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from services.runtime import context
from services.runtime.redaction import redact_value

_NOT_REDACTED = frozenset(
    {
        "timestamp",
        "level",
        "service",
        "logger",
        "request_id",
        "trace_id",
        "_record",
        "_from_structlog",
    }  # structlog's own
)


def configure(service: str, level: str = "INFO", *, stream: Any = None) -> None:  # noqa: ANN401  anything with write()
    """Sends every log of this process, the libraries' included, through the redactor to `stream` (stdout)."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _add_ids,
        _add_service(service),
        _redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries' DEBUG is about what they send, as it is: headers, commands. Only ours is written with the redactor in
    # mind.
    levels = logging.getLevelNamesMapping()
    root.setLevel(max(logging.INFO, levels[level]))
    for ours in ("services", "gateway"):
        logging.getLogger(ours).setLevel(level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    # httpx logs each URL at INFO; a URL's query may hold a key.
    for chatty in ("httpx", "httpcore", "asyncio", "pymongo", "psycopg"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, levels[level]))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `log.info("pool.closed", name=name)`. The event is a dotted name, the facts are fields."""
    return structlog.stdlib.get_logger(name)


class _Handler(logging.StreamHandler[Any]):
    """Writes lines; one that can't be made says so, without showing what it was made of."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Instead of printing the record and its arguments to standard error as they are."""
        kind = sys.exc_info()[0]
        if record.name != __name__ and kind is not None and not issubclass(kind, OSError):
            get_logger(__name__).error("log.unprintable", source=record.name, error=kind.__name__)


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None, where: str = "process"
) -> None:
    exc_info = (kind, error, traceback)
    get_logger(__name__).critical("uncaught", where=where, exc_info=exc_info)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback, "thread")


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback, "finalizer")


def _add_ids(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    request_id = context.request_id.get()
    if request_id:
        event["request_id"] = request_id
    trace_id = context.trace_id.get()
    if trace_id:
        event["trace_id"] = trace_id
    return event


def _add_service(service: str) -> structlog.types.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
        event["service"] = service
        return event

    return add


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    for key, value in event.items():
        if key not in _NOT_REDACTED:
            event[key] = redact_value(value, key=key)
    return event
