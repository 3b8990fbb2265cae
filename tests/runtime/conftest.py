"""Fixtures of the runtime's tests: what the process logs, as lines."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

from services.runtime import logs

# The same examples in every run, however slow the machine: a test fails because of a change, not of a day.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


class Output:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each line as the JSON object it must be."""
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


@pytest.fixture
def output() -> Iterator[Output]:
    """Logging as in a service, into memory; what it changes of the process is put back."""
    root = logging.getLogger()
    handlers, level, show = root.handlers[:], root.level, warnings.showwarning
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    made = Output()
    logs.configure("tests", "DEBUG", stream=made.stream)
    yield made
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    for ours in ("services", "gateway"):
        logging.getLogger(ours).setLevel(logging.NOTSET)
    structlog.reset_defaults()
