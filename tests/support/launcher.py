"""`make run` as a process, for tests of how it starts and ends."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil

from deploy.local import leftovers
from deploy.local.environment import inherited
from deploy.local.options import ROOT

TIMEOUT_S = 90.0


class Launcher:
    """One `python -m deploy.local` with a state directory of its own. Start it in the main thread."""

    def __init__(
        self,
        state_dir: Path,
        *,
        environment: dict[str, str] | None = None,
        through: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        """Starts it; `through` is a command that starts it in turn, as make does."""
        self.state_dir = state_dir
        self.lines: list[str] = []
        """What it has printed, on either stream, as far as it was waited for."""
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            (*through, sys.executable, "-m", "deploy.local", *arguments),
            cwd=ROOT,
            env=inherited(os.environ) | {"STATE_DIR": str(state_dir)} | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """What it has printed, as far as it was waited for."""
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        """The gateway's URL, from the line that says that all is ready."""
        return next(line.split()[1] for line in self.lines if line.startswith("ready "))

    def wait_for(self, beginning: str) -> str:
        """Returns the next line that begins so."""
        while True:
            line = self._queue.get(timeout=TIMEOUT_S)
            assert line is not None, f"it ended without saying {beginning!r}:\n{self.output}"
            self.lines.append(line)
            if line.startswith(beginning):
                return line

    def ready(self) -> str:
        """Waits until it is ready; returns the gateway's URL."""
        self.wait_for("ready ")
        return self.url

    def wait(self) -> int:
        """Waits until it has ended; returns its exit code."""
        code = self.process.wait(TIMEOUT_S)
        while (line := self._queue.get(timeout=TIMEOUT_S)) is not None:
            self.lines.append(line)
        return code

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Signals it and waits until it has ended; returns its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def processes(self) -> dict[str, psutil.Process]:
        """What runs beneath it, by command."""
        return {
            " ".join(process.cmdline()): process for process in leftovers.processes(self.state_dir / "run")
        }

    def process_of(self, fragment: str) -> psutil.Process:
        """The process whose command holds `fragment`."""
        return next(process for command, process in self.processes().items() if fragment in command)

    def close(self) -> None:
        """Ends it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(TIMEOUT_S)
        leftovers.clear(self.state_dir / "run")
        self.close_pipe()

    def close_pipe(self) -> None:
        """Drops the connection to a process that has ended."""
        self._reader.join(TIMEOUT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)
