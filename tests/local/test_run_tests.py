"""`make test`: what fails amid the others is run once more, alone, and named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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


FAILS_AND_HANGS = """
import time
from pathlib import Path

def test_broken():
    raise AssertionError("before the end")

def test_that_hangs():
    Path(__file__).with_suffix(".marker").touch()
    time.sleep(100)
"""


def run(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs all tests of a project that consists of one file."""
    with started(folder, code, *options) as process:
        stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def started(folder: Path, code: str, *options: str) -> subprocess.Popen[str]:
    """The same, in a process group of its own, as a shell starts it."""
    (folder / "test_of_it.py").write_text(code)
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = --rootdir={folder} {folder}\n")
    return subprocess.Popen(
        (sys.executable, "-m", "deploy.local.run_tests", "--fail-under", "0", "--workers", "1", *options),
        cwd=ROOT,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": f"-c {folder}/pytest.ini",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
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
    assert "unsteady, failed" not in done.stdout


def test_a_part_is_run_once(tmp_path: Path) -> None:
    done = run(tmp_path, ALWAYS_FAILS, str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.count("test session starts") == 1


def test_one_that_is_interrupted_says_what_it_found_so_far(tmp_path: Path) -> None:
    with started(tmp_path, FAILS_AND_HANGS) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "test_of_it.marker").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "1 failed" in stdout
    assert "before the end" in stdout
    assert stdout.count("test session starts") == 1
