"""The account that engines run under which refuse to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from deploy.local.options import LocalError

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """A user of this machine, by numbers."""

    uid: int
    gid: int

    def can_enter(self, path: Path) -> bool:
        """Whether it may traverse all folders above `path`."""
        return all(self._may(parent, read=False) for parent in path.resolve().parents)

    def can_read(self, path: Path) -> bool:
        """Whether it may enter the folder `path` and read everything below."""
        below = (Path(folder) / name for folder, _, files in os.walk(path) for name in files)
        folders = (Path(folder) for folder, _, _ in os.walk(path))
        return (
            self.can_enter(path)
            and all(self._may(folder, read=True) for folder in folders)
            and all(file.stat().st_mode & stat.S_IROTH for file in below)
        )

    def own(self, path: Path) -> None:
        """Makes it the owner of `path` and all below."""
        for folder, _, files in os.walk(path):
            os.chown(folder, self.uid, self.gid)
            for name in files:
                os.chown(Path(folder) / name, self.uid, self.gid, follow_symlinks=False)

    def _may(self, folder: Path, *, read: bool) -> bool:
        status = folder.stat()
        wanted = (stat.S_IXOTH | stat.S_IROTH) if read else stat.S_IXOTH
        if status.st_uid == self.uid:
            wanted <<= 6  # the same bits, for the owner
        return status.st_mode & wanted == wanted


def unprivileged() -> Account | None:
    """The account to switch to: None when this process is not root's and has nothing to give up.

    It is `nobody`, which exists everywhere: making up an account would change the machine.

    Raises:
        LocalError: there is no such account.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise LocalError(
            f"PostgreSQL does not run as root, and this machine has no account {UNPRIVILEGED!r} to run it under; "
            "run as an ordinary user, or set DATABASE_URL"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def copy_readable(source: Path, target: Path, *, without: tuple[str, ...] = ()) -> None:
    """Copies a tree so that everyone may read it; an earlier copy stays as it is."""
    if target.exists():
        return
    scratch = target.with_name(f".{target.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(source, scratch, symlinks=True, ignore=shutil.ignore_patterns(*without))
    for folder, _, files in os.walk(scratch):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(file.stat().st_mode | 0o444)
                if file.stat().st_mode & stat.S_IXUSR:
                    file.chmod(0o755)
    scratch.rename(target)
