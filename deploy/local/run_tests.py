"""Runs the tests and measures which lines of `services/` and `gateway/` they run, in every process.

    python -m deploy.local.run_tests --fail-under PERCENT [what to test, and options of pytest …]

A part of the tests is not measured against the limit. Each run collects in a folder of its own, so that two at
a time don't count each other's lines.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.options import ROOT


def main() -> int:
    """Runs; returns the exit code: that of pytest, or of the report when only coverage falls short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fail-under", required=True)
    parser.add_argument("tests", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="studio-coverage-") as folder:
        environment = os.environ | {"COVERAGE_FILE": str(Path(folder) / "coverage")}

        def coverage(*words: str) -> int:
            command = (sys.executable, "-m", "coverage", *words)
            return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

        result = coverage("run", "-m", "pytest", *arguments.tests)
        if result != 0 or arguments.tests:
            return result
        return coverage("combine", "--quiet") or coverage("report", f"--fail-under={arguments.fail_under}")


if __name__ == "__main__":
    sys.exit(main())
