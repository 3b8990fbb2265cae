"""Deletes what running and building left behind, except the virtual environment: `make clean`.

Works without that environment. A system that still runs is left alone.
"""

from __future__ import annotations

import os
import shutil
import sys

from deploy.local.options import ROOT, state_dir
from deploy.local.state import State

CACHES = (
    "generated",
    "console/dist",
    "clients/typescript/src/generated",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".cache",
)


def main() -> int:
    """Cleans; returns the exit code."""
    state = State(state_dir(os.environ))
    if state.is_locked():
        print(f"error: a system runs in {state.path}; stop it first", file=sys.stderr)
        return 1
    # Whoever sets STATE_DIR to a folder of another purpose shall not lose it.
    if state.path.exists() and not state.is_ours():
        print(f"error: {state.path} is not a state directory; it stays", file=sys.stderr)
        return 1
    state.remove()
    for name in CACHES:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for path in ROOT.glob(".coverage*"):
        path.unlink()
    for package in ("benchmarks", "deploy", "gateway", "services", "tests", "tools"):
        for cache in list((ROOT / package).rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
