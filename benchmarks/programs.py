"""Programs of the product that a benchmark starts beside the system."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.options import ROOT

START_S = 60.0
STOP_S = 20.0
POLL_S = 0.1
MAX_SHOWN = 2000
"""Characters of the end of a log."""


@dataclass(frozen=True)
class Program:
    """One that runs."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def wait_ready(self, url: str) -> None:
        """Returns when a URL answers.

        Raises:
            RuntimeError: it ended, or does not answer in time; with the end of its log.
        """
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError):
                read(url)
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text()[-MAX_SHOWN:]
                raise RuntimeError(f"{url} does not answer:\n{said}")
            time.sleep(POLL_S)


@contextlib.contextmanager
def running(module: str, *arguments: str, environment: Mapping[str, str], log: Path) -> Iterator[Program]:
    """Runs `python -m module` while the block runs.

    Args:
        module: what to run.
        arguments: of it.
        environment: all of its environment.
        log: file for what it prints.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own program
            (sys.executable, "-m", module, *arguments),
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Program(process, log)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process: kindly, or after `STOP_S` not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read(url: str) -> str:
    """What a URL on this machine answers.

    Raises:
        OSError: nothing, or an error.
    """
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  of this machine
        return str(answer.read(), "utf-8")
