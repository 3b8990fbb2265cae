"""A program of the local system, described: what to run, as whom, and how to know that it is ready."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.accounts import Account
from deploy.local.state import write_private

CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process that the supervisor keeps running."""

    name: str
    """Names its log (`<name>.log`) as well."""
    argv: tuple[str, ...]
    cwd: Path
    ready: Callable[[], None]
    """Returns when the program answers; raises any exception while it does not. Blocks for 2 s at most."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Its whole environment: nothing is inherited."""
    account: Account | None = None
    """Who runs it, where that is not the present user."""
    stop_signal: signal.Signals = signal.SIGTERM
    """What makes it end in good order."""
    stage: int = 0
    """Stages start in ascending order and stop in descending order."""
    ready_within_s: float = 60.0


def child_command(program: Program, run_dir: Path) -> tuple[str, ...]:
    """Writes the program's description to `run_dir`; returns the command that becomes it.

    The description holds secrets, so it is private to the present user, and the command line shows none.
    """
    spec = run_dir / f"{program.name}.json"
    account = program.account
    content = {
        "argv": program.argv,
        "env": dict(program.env),
        "cwd": str(program.cwd),
        "account": None if account is None else (account.uid, account.gid),
        "death_signal": program.stop_signal.value,
    }
    write_private(spec, json.dumps(content))
    return (sys.executable, "-I", "-S", str(CHILD), str(spec))
