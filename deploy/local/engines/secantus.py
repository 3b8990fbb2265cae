"""SecantusDB from the `secantusdb` wheel: speaks MongoDB's wire protocol 8.2, on a TCP port of the loopback interface.

It runs as a replica set of one, `secantus`, so change streams and transactions work. The wheel's program is started,
its Python code is never imported: it is under the GPL, and reached over the wire only.

The server has no way to give it a first user but to run it without authentication. That happens once, on a port that
nobody knows, in a folder that becomes the data directory when the user is there and nobody else has come in.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import MongoClient

from deploy.local.options import LOOPBACK, LocalError
from deploy.local.ports import pick
from deploy.local.program import Program, child_command
from deploy.local.readiness import MAX_EXITS, wait_ready
from deploy.local.state import State, write_private

Document = dict[str, Any]

SUPERUSER = "root"
REPLICA_SET = "secantus"
PROBE_TIMEOUT_S = 2
# Of WiredTiger; the server's own choice is 1 GiB.
CACHE_SIZE = "128M"


@dataclass(frozen=True, kw_only=True)
class ServerTls:
    """Has a server take TLS connections only. All are PEM files."""

    certificate: Path
    key: Path
    authority: Path | None = None
    """Whose certificates it takes from clients."""
    ask_clients: bool = False
    """Whether a client has to show one."""
    probe: Mapping[str, object]
    """PyMongo's options for the probe, which has to get in as well."""


class Secantus:
    """One server and its data directory."""

    def __init__(
        self,
        state: State,
        *,
        name: str = "mongodb",
        durable: bool = True,
        auth: bool = True,
        tls: ServerTls | None = None,
    ) -> None:
        """Describes a server; without `auth` everyone may do everything, and there are no users.

        One that is not `durable` forgets the last writes when it ends, unless `fsync` was called. Dropping 7,000
        documents takes it 0.3 s; a durable one, which waits for the disk with each, 7.5 s.
        """
        self.name = name
        self._state = state
        self._durable = durable
        self._auth = auth
        self._tls = tls
        self.password = state.secret("MONGODB_PASSWORD") if auth else ""
        self.port = state.port(name)
        self.data = state.path / name / "data"

    @property
    def url(self) -> str:
        """The superuser's URL. It names no database: append one to its path where that is wanted."""
        # Direct: a client that asks the replica set for its members would leave a proxy that stands between.
        options = "authSource=admin&directConnection=true" if self._auth else "directConnection=true"
        options += "" if self._tls is None else "&tls=true"
        login = f"{SUPERUSER}:{quote(self.password, safe='')}@" if self._auth else ""
        return f"mongodb://{login}{LOOPBACK}:{self.port}/?{options}"

    def program(self) -> Program:
        """Creates the data directory and the superuser where that has not happened, and describes the server.

        Raises:
            LocalError: the superuser could not be created.
        """
        self.data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.data.exists():
            self._initialise()
        return self._program(self.name, self.data, self.port, auth=self._auth, tls=self._tls)

    def client(self) -> MongoClient[Document]:
        """A client of the superuser; a context manager."""
        return self._client(self.port, auth=self._auth, tls=self._tls)

    def _program(self, name: str, data: Path, port: int, *, auth: bool, tls: ServerTls | None) -> Program:
        configuration = self._state.run / f"{name}.toml"
        write_private(configuration, _toml(self._settings(data, port, auth=auth, tls=tls)))
        return Program(
            name=name,
            # Named, so that it looks for none in the user's folders.
            argv=(sys.executable, "-I", "-m", "secantus", "--config", str(configuration)),
            # It asks for the home of an account that may have none.
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": "C.UTF-8",
                "TZ": "UTC",
                "HOME": str(data),
            },
            cwd=data,
            ready=lambda: self._ping(port, auth=auth, tls=tls),
            # It does not always hear of SIGTERM: where one of its threads takes the signal, the one that waits for it
            # sleeps on; that happened with 2 of 16 servers. A durable one loses nothing by this.
            stop_signal=signal.SIGKILL,
            stage=0,
        )

    def _settings(
        self, data: Path, port: int, *, auth: bool, tls: ServerTls | None
    ) -> dict[str, dict[str, str | int | bool]]:
        settings: dict[str, dict[str, str | int | bool]] = {
            "server": {"host": LOOPBACK, "port": port, "storage_path": str(data), "auth": auth},
            # Without it, the last seconds of acknowledged writes are lost when the process is killed.
            "storage": {"cache_size": CACHE_SIZE, "sync_on_commit": self._durable},
        }
        if tls is not None:
            settings["tls"] = {
                "cert_file": str(tls.certificate),
                "key_file": str(tls.key),
                "require_client_cert": tls.ask_clients,
                **({} if tls.authority is None else {"ca_file": str(tls.authority)}),
            }
        return settings

    def _initialise(self) -> None:
        scratch = self.data.with_name("data.new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        if self._auth:
            name, port = f"{self.name}-setup", pick()
            program = self._program(name, scratch, port, auth=False, tls=None)
            with (self._state.logs / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    child_command(program, self._state.run),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for us to handle
                )
            try:
                wait_ready(
                    program,
                    exits=lambda: 0 if process.poll() is None else MAX_EXITS,
                    tail=lambda: self._state.tail(name),
                    stop=threading.Event(),
                )
                self._create_superuser(port)
            finally:
                process.kill()
                process.wait()
        scratch.rename(self.data)

    def _create_superuser(self, port: int) -> None:
        role = {"role": "root", "db": "admin"}
        with self._client(port, auth=False, tls=None) as client:
            client.admin.command("createUser", SUPERUSER, pwd=self.password, roles=[role])
            client.admin.command("fsync")  # the kill that follows must not undo it
            # usersInfo lists those of one database only.
            users = [(each["db"], each["user"]) for each in client.admin["system.users"].find({})]
        if users != [("admin", SUPERUSER)]:
            raise LocalError("someone else has created a user of the new MongoDB; start it once more")

    def _ping(self, port: int, *, auth: bool, tls: ServerTls | None) -> None:
        # PyMongo would wait for half a second before its second try.
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_TIMEOUT_S):
            pass
        with self._client(port, auth=auth, tls=tls) as client:
            client.admin.command("ping")

    def _client(self, port: int, *, auth: bool, tls: ServerTls | None) -> MongoClient[Document]:
        login: dict[str, Any] = {"username": SUPERUSER, "password": self.password} if auth else {}
        secure: dict[str, Any] = {} if tls is None else {"tls": True, **tls.probe}
        return MongoClient(
            LOOPBACK,
            port,
            directConnection=True,
            serverSelectionTimeoutMS=PROBE_TIMEOUT_S * 1000,
            **login,
            **secure,
        )


def _toml(tables: Mapping[str, Mapping[str, str | int | bool]]) -> str:
    """Settings as TOML; its strings, numbers and booleans are written as JSON's."""
    lines = []
    for table, settings in tables.items():
        lines += [f"[{table}]"]
        lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()]
    return "\n".join(lines) + "\n"
