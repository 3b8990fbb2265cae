"""Processes of an earlier run that are still there, found by a mark in their environment.

The programs end with their parent (see `child.py`), but not in the same instant, and not at all where the
kernel offers no such thing. Two servers on one data directory would be the end of the data.
"""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

MARK = "STUDIO_LOCAL_RUN"
PATIENCE_S = 20.0


def processes(run_dir: Path) -> list[psutil.Process]:
    """The living processes of the run directory `run_dir`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(run_dir) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue  # it ended meanwhile, or is another user's
    return found


def clear(run_dir: Path) -> int:
    """Ends what an earlier run left; returns how many processes that were."""
    found = processes(run_dir)
    for process in found:
        _signal(process, signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(found, timeout=PATIENCE_S)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=PATIENCE_S)
    return len(found)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
