"""Becomes one program of the local system. `child.py SPEC` is what the supervisor really starts.

It gives up root where the program wants that, ties the program's life to its parent's, and replaces itself
by the program. SPEC is a JSON file, written by `program.py`. Runs without site-packages, and fast: it stands
before every start and restart.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(death_signal: int, parent: int) -> None:
    """Has the kernel send `death_signal` to this process when its parent ends, however that ends.

    The wish outlives exec, but not a change of user, so it comes after that. It is Linux's; elsewhere a
    parent that was killed leaves its children behind.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit("the parent ended before the program began")


def main() -> None:
    """Runs the program that the file in the first argument describes."""
    parent = os.getppid()
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if spec["account"] is not None:
        uid, gid = spec["account"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    die_with_parent(spec["death_signal"], parent)
    os.chdir(spec["cwd"])
    os.execve(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
