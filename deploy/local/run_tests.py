"""Runs the tests and measures which lines of `services/` and `gateway/` they run, in every process.

    python -m deploy.local.run_tests --fail-under PERCENT [--workers N] [what to test, and options of pytest …]

A part of the tests is not measured against the limit. Each run collects in a folder of its own, so that two at
a time don't count each other's lines.

All tests are spread over several workers, file by file: much of their time is spent waiting for programs to start, to
answer, to give up. Each worker has engines and a system of its own, on ports of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.options import ROOT

MAX_WORKERS = 4
"""Each starts PostgreSQL, Valkey, MongoDB, pg-meta and a whole system: about 1.5 GB of memory."""


def workers() -> int:
    """How many run all tests: one more than there are processors, since they also wait.

    One where the tests share a MongoDB of the user's: some look at all of it, such as the list of its users.
    """
    if os.environ.get("TEST_MONGODB_URL"):
        return 1
    return min(len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 2, MAX_WORKERS)


def main() -> int:
    """Runs; returns the exit code: that of pytest, or of the report when only coverage falls short."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--fail-under", required=True)
    parser.add_argument("--workers", type=int, default=0, help="0 for as many as suit; a part needs one")
    # The rest is pytest's: an option of its own may come first.
    arguments, tests = parser.parse_known_args()
    number = arguments.workers or (1 if tests else workers())
    # In the order of the files, so that workers need the same engines at about the same time.
    spread = ["-n", str(number), "--dist", "loadfile", "--no-loadscope-reorder"] if number > 1 else []
    with tempfile.TemporaryDirectory(prefix="studio-coverage-") as folder:
        environment = os.environ | {"COVERAGE_FILE": str(Path(folder) / "coverage")}

        def coverage(*words: str) -> int:
            command = (sys.executable, "-m", "coverage", *words)
            return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

        result = coverage("run", "-m", "pytest", *spread, *tests)
        if result != 0 or tests:
            return result
        return coverage("combine", "--quiet") or coverage("report", f"--fail-under={arguments.fail_under}")


if __name__ == "__main__":
    sys.exit(main())
