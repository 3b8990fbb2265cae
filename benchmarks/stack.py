"""The system under test: all of `make run` on free ports in a directory that is deleted afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.http_load import Target
from deploy.local import ports
from deploy.local.environment import inherited
from deploy.local.options import LOOPBACK, Options
from deploy.local.system import System


@dataclass(frozen=True)
class Stack:
    """A running system."""

    target: Target
    """Its gateway, with an owner's token."""
    engines: dict[str, str]
    """URLs of its engines."""
    system: System
    """The system itself."""

    def resident_mb(self, name: str) -> float:
        """Resident memory of a process and its children, in MB."""
        process = psutil.Process(self.system.supervisor.pid(name))
        everyone = [process, *process.children(recursive=True)]
        return sum(each.memory_info().rss for each in everyone) / 1e6


@contextmanager
def running() -> Iterator[Stack]:
    """Starts the system, stops it, deletes its data."""
    state_dir = Path(tempfile.mkdtemp(prefix="studio-bench-"))
    port = ports.pick()
    system = System(
        Options(state_dir=state_dir, gateway_port=port, durable=False),
        environment=inherited(os.environ),
        say=lambda _: None,
        on_event=lambda event: print(f"! {event}"),
    )
    try:
        system.start(threading.Event())
        engines = {name: engine.url for name, engine in system.engines.items()}
        yield Stack(Target(LOOPBACK, port, system.token("owner")), engines, system)
    finally:
        system.close()
        system.state.remove()
        shutil.rmtree(state_dir, ignore_errors=True)
