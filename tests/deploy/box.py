"""What an image holds, on this machine, and a process of it run as a container engine would.

No engine is needed: Linux's namespaces do what matters here. The process is number 1 among its own, runs as the
image's user, without a capability but the one to read (this machine's Python may lie where only root gets to), can gain
none, and every file system is read-only except `/tmp` and the spool. That takes root; others run it as they are.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from deploy.docker import install
from tests.deploy import dockerfile
from tests.deploy.test_dockerfile import locked

USER = 10001
WAIT_S = 120.0
POLL_S = 0.2
READ_ANYTHING = "-all,+dac_read_search"
AS_ITS_USER = (
    "setpriv",
    f"--reuid={USER}",
    f"--regid={USER}",
    "--clear-groups",
    "--no-new-privs",
    f"--bounding-set={READ_ANYTHING}",
    f"--inh-caps={READ_ANYTHING}",
    f"--ambient-caps={READ_ANYTHING}",
)
IN_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
INSTALLED_BY_PIP = os.environ.get("TEST_IMAGES") == "pip"
"""Whether packages come from the index, as in a build; else they are those of the tests: the same versions."""


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds that tells nobody."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(POLL_S)


@functools.cache
def can_confine() -> bool:
    """Whether this process may make namespaces and mount in them."""
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or not all(map(shutil.which, ("unshare", "setpriv", "mount")))
    ):
        return False
    trial = (*IN_NAMESPACES, "sh", "-c", "mount --make-rprivate / && mount -o remount,bind,ro /")
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def build(target: str, root: Path) -> None:
    """Lays out an image's `/opt/studio` at `root`, by the script that the Dockerfile runs."""
    if INSTALLED_BY_PIP:
        install.install_packages(target, root)
    else:
        install.make_environment(root)
        _link_packages(target, root)
    install.install_code(target, root)


def _link_packages(target: str, root: Path) -> None:
    """Makes the packages of the target's lock file, and no others, those of this environment."""
    site = install.site_packages(root)
    owners: Counter[str] = Counter()
    for distribution in importlib.metadata.distributions():
        owners.update({file.parts[0] for file in distribution.files or ()})
    for name in locked(install.REQUIREMENTS / f"{target}.txt"):
        distribution = importlib.metadata.distribution(name)
        files = distribution.files or ()
        # A folder of one package as a whole; what several share (`google`) file by file.
        whole = {file.parts[0] for file in files if owners[file.parts[0]] == 1}
        for top in whole:
            (site / top).symlink_to(str(distribution.locate_file(top)))
        for file in files:
            source, link = Path(str(file.locate())), site / file
            if file.parts[0] == ".." and file.parts[-2] == "bin":
                program = source.read_bytes()
                link = root / "venv" / "bin" / source.name
                link.write_bytes(
                    program.replace(sys.executable.encode(), str(root / "venv/bin/python").encode())
                )
                link.chmod(0o755)
            elif file.parts[0] not in whole:
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)


class Box:
    """A process of an image. Ends with the test, whatever becomes of it.

    Args:
        target: of the Dockerfile.
        root: where its `/opt/studio` is.
        scratch: for what it may write.
        environment: beside the image's own.
        command: in place of the image's.
    """

    def __init__(
        self,
        target: str,
        root: Path,
        scratch: Path,
        environment: Mapping[str, str],
        command: list[str] | None = None,
    ) -> None:
        self.target = target
        self.confined = can_confine()
        self._tmp, self._spool, self._app = scratch / "tmp", scratch / "spool", root / "app"
        for folder in (self._tmp, self._spool):
            folder.mkdir(parents=True)
        self._log = scratch / "log"
        own = {
            key: value.replace("/opt/studio", str(root)).replace("/var/lib/studio/spool", str(self._spool))
            for key, value in dockerfile.environment(target).items()
        }
        self.environment = {
            **own,
            **environment,
            "PATH": f"{root}/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": str(self._tmp),
            "HOME": "/nonexistent",
        }
        argv = command or dockerfile.command(target)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._confining(argv) if self.confined else argv,
                env=self.environment,
                cwd=self._app,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _confining(self, argv: list[str]) -> list[str]:
        os.chown(self._spool, USER, USER)
        tmp, spool = shlex.quote(str(self._tmp)), shlex.quote(str(self._spool))
        script = (
            "set -e; mount --make-rprivate /;"
            # As Docker mounts it: https://docs.docker.com/engine/storage/tmpfs/
            f"mount -t tmpfs -o noexec,nosuid,nodev,mode=1777,size=64m tmpfs {tmp};"
            f"mount --bind {spool} {spool}; mount -o remount,bind,ro /;"
            f"exec {shlex.join((*AS_ITS_USER, *argv))}"
        )
        return [*IN_NAMESPACES, "sh", "-c", script]

    def is_well(self) -> bool:
        """Asks as the image's health check does."""
        done = subprocess.run(
            dockerfile.health_check(self.target),
            env=self.environment,
            cwd=self._app,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def text(self) -> str:
        """What it has said."""
        return f"{self.target}:\n{self._log.read_text()}"

    def wait_well(self) -> None:
        """Waits until it is well."""
        until(lambda: self.is_well() or self._process.poll() is not None)
        assert self._process.poll() is None, f"ended: {self.text()}"

    def wait(self) -> int:
        """Waits until it ends by itself; returns its exit code."""
        return self._process.wait(WAIT_S)

    def _inner(self) -> psutil.Process:
        """The process itself: `unshare` is its parent, and who sends a signal to that reaches nobody else."""
        started = psutil.Process(self._process.pid)
        return started.children()[0] if self.confined else started

    def stop(self) -> int:
        """Stops it as `docker stop` does; returns its exit code."""
        self._inner().send_signal(signal.Signals[dockerfile.last(self.target, "STOPSIGNAL")])
        return self._process.wait(WAIT_S)

    def kill(self) -> None:
        """Ends it for certain, and what it has started: the first process of a namespace takes all others along."""
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            for each in (*self._inner().children(recursive=True), self._inner()):
                each.kill()
        self._process.wait()
