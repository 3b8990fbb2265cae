"""Traces of what goes to the platform database: a span a statement, by what it does to which table, without a value."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime import tracing

MAX_TABLES = 4
"""Named of a statement."""
MAX_REMEMBERED = 512
"""Summaries kept; statements are texts of our own, and a few hundred."""
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+(platform\.[a-z_]+)", re.IGNORECASE)
_VERB = re.compile(r"\s*([a-z]+)", re.IGNORECASE)


@functools.lru_cache(MAX_REMEMBERED)
def summary(statement: str) -> str:
    """As `db.query.summary` wants it: `SELECT platform.databases`."""
    verb = _VERB.match(statement)
    tables = dict.fromkeys(match[1] for match in _TABLE.finditer(statement))
    return " ".join([verb[1].upper() if verb else "statement", *list(tables)[:MAX_TABLES]])


@contextmanager
def statement(query: object) -> Iterator[None]:
    """The running of a statement."""
    tracer = tracing.tracer
    if tracer is None or not tracer.is_recording():
        yield
        return
    said = summary(query) if isinstance(query, str) else "statement"
    span = tracer.calling(said, {"db.system.name": "postgresql", "db.query.summary": said})
    try:
        yield
    except BaseException as error:
        if span is not None:
            # The class is the SQLSTATE's name; the message may repeat values.
            span.failed(type(error).__name__)
        raise
    finally:
        if span is not None:
            span.end()
