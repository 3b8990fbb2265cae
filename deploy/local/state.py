"""The state directory: secrets, remembered ports, logs, and the lock that keeps two runs apart.

Uses the standard library only, so that `make clean` works without the virtual environment.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from deploy.local.options import LocalError
from deploy.local.ports import is_free, pick, reserve

# Traversable, because an engine that can't run as root reaches its folder through it; not listable.
STATE_MODE = 0o711
SECRET_BYTES = 32
MAX_PAIRS = 20


def write_private(path: Path, text: str) -> None:
    """Replaces `path` in one step by a file of mode 0600."""
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    Path(scratch).replace(path)


class State:
    """One state directory. Construct it freely: it is created by what is first written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.run = path / "run"
        self.engines_file = path / "engines.json"
        self.services_file = path / "services.json"
        self._secrets_file = path / "secrets.json"
        self._ports_file = path / "ports.json"
        self._homes_file = path / "homes.json"
        self._lock: IO[str] | None = None

    def create(self) -> None:
        """Creates the directory and its folders.

        Raises:
            LocalError: this user may not write there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(STATE_MODE)
            for folder in (self.logs, self.run):
                folder.mkdir(exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise LocalError(f"cannot use {self.path} as the state directory: {error.strerror}") from error

    def lock(self, owner: str) -> None:
        """Takes the directory for this process, until it ends or calls `unlock`.

        Raises:
            LocalError: another run has it.
        """
        file = (self.path / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise LocalError(
                f"a system runs in {self.path} already (process {holder}); "
                "stop it, or set STATE_DIR to another folder"
            ) from None
        file.truncate(0)
        file.write(owner)
        file.flush()
        self._lock = file

    def unlock(self) -> None:
        """Gives the directory back."""
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def is_locked(self) -> bool:
        """Whether another process runs a system here."""
        try:
            with (self.path / "lock").open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def is_ours(self) -> bool:
        """Whether a run of ours made the directory."""
        return (self.path / "lock").exists()

    def secret(self, name: str) -> str:
        """The secret of that name, made up when it is first asked for."""
        known = self._read(self._secrets_file)
        if name not in known:
            known[name] = secrets.token_urlsafe(SECRET_BYTES)
            self._write(self._secrets_file, known)
        return known[name]

    def known_secret(self, name: str) -> str | None:
        """The secret of that name, or None where no run has made one up."""
        return self._read(self._secrets_file).get(name)

    def keep_secret(self, name: str, value: str) -> None:
        """Stores a secret that the user chose."""
        if self.known_secret(name) != value:
            self._write(self._secrets_file, self._read(self._secrets_file) | {name: value})

    def port(self, name: str) -> int:
        """A free loopback port for `name`: the one of the last run where it is still free.

        The registry remembers the engines' ports in the connections that it stores, so they had better stay.
        """
        known = self._read(self._ports_file)
        last = int(known.get(name, 0))
        if last and is_free(last) and reserve(last):
            return last
        chosen = pick(taken={int(port) for port in known.values()})
        self._write(self._ports_file, known | {name: str(chosen)})
        return chosen

    def port_pair(self, name: str) -> int:
        """As `port`, where the next port is free as well, and kept with it."""
        for _ in range(MAX_PAIRS):
            port = self.port(name)
            if is_free(port + 1) and reserve(port + 1):
                return port
            self._write(self._ports_file, self._read(self._ports_file) | {name: "0"})
        raise LocalError(f"found no two free ports in a row for {name}")

    def home(self, name: str) -> Path | None:
        """Where the engine `name` keeps its data outside of the state directory, if it does."""
        recorded = self._read(self._homes_file).get(name)
        return None if recorded is None else Path(recorded)

    def keep_home(self, name: str, path: Path) -> None:
        """Records such a place, so that the next run finds it and `remove` removes it."""
        self._write(self._homes_file, self._read(self._homes_file) | {name: str(path)})

    def write_engines(self, urls: dict[str, str]) -> None:
        """Writes `engines.json`: the URL of each embedded engine, with its password."""
        write_private(self.engines_file, json.dumps(urls, indent=2) + "\n")

    def write_services(self, addresses: dict[str, str]) -> None:
        """Writes `services.json`: `host:port` at which each service takes gRPC calls."""
        write_private(self.services_file, json.dumps(addresses, indent=2) + "\n")

    def remove(self) -> None:
        """Deletes the directory and all that lies elsewhere on its behalf."""
        for home in self._read(self._homes_file).values():
            shutil.rmtree(home, ignore_errors=True)
        if self.path.exists():
            shutil.rmtree(self.path)

    def tail(self, name: str, lines: int = 20) -> str:
        """The last lines of a service's log, for messages."""
        path = self.logs / f"{name}.log"
        if not path.exists():
            return "(it wrote no log)"
        text = path.read_bytes()[-64 * 1024 :].decode(errors="replace")
        return "\n".join(_last(text.splitlines(), lines)) or "(its log is empty)"

    @staticmethod
    def _read(path: Path) -> dict[str, str]:
        try:
            content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return content

    @staticmethod
    def _write(path: Path, content: dict[str, str]) -> None:
        write_private(path, json.dumps(content, indent=2) + "\n")


def _last(lines: Iterable[str], count: int) -> list[str]:
    return list(lines)[-count:]
