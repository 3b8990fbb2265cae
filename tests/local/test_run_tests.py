"""`make test`: what fails amid the others is run once more, alone, and named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.options import ROOT

FAILS_ONCE = """
from pathlib import Path

import services.runtime.logs  # so that there is something to measure

def test_steady():
    pass

def test_unsteady():
    marker = Path(__file__).with_suffix(".marker")
    if not marker.exists():
        marker.touch()
        raise AssertionError("the first time")
"""
ALWAYS_FAILS = """
def test_broken():
    raise AssertionError("each time")
"""
MANY_FAIL = """
import pytest

@pytest.mark.parametrize("n", range(11))
def test_broken(n):
    raise AssertionError("each time")
"""


def run(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs all tests of a project that consists of one file."""
    (folder / "test_of_it.py").write_text(code)
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = --rootdir={folder} {folder}\n")
    return subprocess.run(
        (sys.executable, "-m", "deploy.local.run_tests", "--fail-under", "0", "--workers", "1", *options),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": f"-c {folder}/pytest.ini",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_one_that_fails_once_is_named_and_does_not_fail_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, FAILS_ONCE)
    assert done.returncode == 0, done.stdout + done.stderr
    named = done.stdout.rpartition("unsteady, failed amid the others and not alone:\n")[2]
    assert named.strip() == "test_of_it.py::test_unsteady"
    assert done.stdout.count("1 passed") == 2  # amid the others, and alone


@pytest.mark.parametrize(
    ("code", "runs"), [(FAILS_ONCE + ALWAYS_FAILS, 2), (MANY_FAIL, 1)], ids=["one", "many"]
)
def test_one_that_fails_again_or_among_many_fails_the_run(tmp_path: Path, code: str, runs: int) -> None:
    done = run(tmp_path, code)
    assert done.returncode == 1
    assert done.stdout.count("test session starts") == runs
    assert (
        "unsteady" not in done.stdout.rpartition("test session starts")[2].partition("short test summary")[2]
    )


def test_a_part_is_run_once(tmp_path: Path) -> None:
    done = run(tmp_path, ALWAYS_FAILS, str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.count("test session starts") == 1
