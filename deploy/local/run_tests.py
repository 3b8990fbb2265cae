"""Runs the tests and measures which lines of `services/` and `gateway/` they run, in every process.

    python -m deploy.local.run_tests --fail-under PERCENT [--workers N] [what to test, and options of pytest …]

A part of the tests is not measured against the limit. Each run collects in a folder of its own, so that two at
a time don't count each other's lines.

All tests are spread over several workers, file by file: much of their time is spent waiting for programs to start, to
answer, to give up. Each worker has engines and a system of its own, on ports of its own.

Many tests kill, stop and overload programs, on a machine that the workers overload as well. So a few that fail in a
run of all are run once more, alone: those that fail again fail the run, the others are named at the end as unsteady.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.options import ROOT

MAX_WORKERS = 4
"""Each starts PostgreSQL, Valkey, MongoDB, pg-meta and a whole system: about 1.5 GB of memory."""

TESTS_FAILED = 1
"""The exit code of pytest that says so; any other says that the run itself went wrong."""
MAX_REPEATED = 10
"""Where more have failed, it is not for the machine's sake, and nothing is run again."""


def workers() -> int:
    """How many run all tests: one more than there are processors, since they also wait.

    One where the tests share a MongoDB of the user's: some look at all of it, such as the list of its users.
    """
    if os.environ.get("TEST_MONGODB_URL"):
        return 1
    return min(len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 2, MAX_WORKERS)


def failed(cache: Path) -> list[str]:
    """The tests that failed in the run that wrote a cache of pytest."""
    found = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(found.read_text())) if found.exists() else []


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
        cache = Path(folder) / "cache"

        def coverage(*words: str) -> int:
            process = subprocess.Popen((sys.executable, "-m", "coverage", *words), cwd=ROOT, env=environment)
            while True:
                # Ctrl-C reaches pytest as well, which ends what it has started and says what it found so far.
                with contextlib.suppress(KeyboardInterrupt):
                    return process.wait()

        pytest = ("run", "-m", "pytest", "-o", f"cache_dir={cache}")
        result = coverage(*pytest, *spread, *tests)
        if tests:
            return result
        unsteady = failed(cache) if result == TESTS_FAILED else []
        if 0 < len(unsteady) <= MAX_REPEATED:
            print(f"\n{len(unsteady)} failed; once more, alone:", *unsteady, sep="\n  ", flush=True)
            result = coverage(*pytest, "--last-failed", "--last-failed-no-failures", "none")
        if result != 0:
            return result
        result = coverage("combine", "--quiet") or coverage("report", f"--fail-under={arguments.fail_under}")
        if unsteady:
            print("unsteady, failed amid the others and not alone:", *unsteady, sep="\n  ", flush=True)
        return result


if __name__ == "__main__":
    sys.exit(main())
