"""Keeps programs running: writes supervisord's configuration, runs it beneath this process, talks to it.

supervisord starts, restarts with backoff, logs with rotation, and stops in order. What it reports about its
programs arrives here as events.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deploy.local import leftovers
from deploy.local.options import LocalError
from deploy.local.program import Program, child_command
from deploy.local.state import State, write_private

# struct sockaddr_un has 108 bytes with the closing NUL; supervisord appends its pid while it binds.
MAX_SOCKET_PATH = 107 - len(".4194304")
OPEN_TIMEOUT_S = 30.0
POLL_S = 0.02
STOP_WAIT_S = 15
CLOSE_TIMEOUT_S = 90.0
LOGS_FROM_RUN = "../logs"
LOG_BYTES = "10MB"
LOG_BACKUPS = 2
# The wait grows by a second with each attempt, so the last of these comes after about three minutes.
MAX_START_RETRIES = 20
# It passes nothing on: each program's environment is in its own description.
SUPERVISORD_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}

SPAWNED = re.compile(r"spawned: '(?P<name>[^']+)' with pid (?P<pid>\d+)")
EXITED = re.compile(r"exited: (?P<name>\S+) \((?P<how>[^;)]+)")
GAVE_UP = re.compile(r"gave up: (?P<name>\S+) ")


@dataclass(frozen=True)
class Event:
    """What happened to a program."""

    kind: Literal["spawned", "exited", "gave up", "supervisor ended"]
    name: str = ""
    detail: str = ""
    """The pid of a program that was spawned; how it ended, in supervisord's words."""


def parse(line: str) -> Event | None:
    """The event that a line of supervisord's log tells, if any."""
    if match := SPAWNED.search(line):
        return Event("spawned", match["name"], match["pid"])
    if match := EXITED.search(line):
        return Event("exited", match["name"], match["how"].strip())
    if match := GAVE_UP.search(line):
        return Event("gave up", match["name"])
    return None


class Supervisor:
    """supervisord and the programs beneath it.

    Open it in a thread that lives as long as the system: Linux tells supervisord of its parent's death when
    the thread ends that started it.
    """

    def __init__(self, state: State, programs: Sequence[Program], on_event: Callable[[Event], None]) -> None:
        """Describes it; `programs` in the order in which they start."""
        self._state = state
        self._programs = {program.name: program for program in programs}
        self._on_event = on_event
        self._exits: Counter[str] = Counter()
        self._said: deque[str] = deque(maxlen=20)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._socket_dir: Path | None = None
        self._socket = self._socket_path()

    def open(self) -> None:
        """Starts supervisord, with none of the programs.

        Raises:
            LocalError: it did not start.
        """
        leftovers.clear(self._state.run)
        configuration = self._state.run / "supervisord.conf"
        write_private(configuration, self._configuration())
        command = child_command(
            Program(
                name="supervisord",
                argv=(sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)),
                env={**SUPERVISORD_ENVIRONMENT, leftovers.MARK: str(self._state.run)},
                cwd=self._state.run,
                ready=self._ping,
            ),
            self._state.run,
        )
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us to handle, in order
        )
        self._reader = threading.Thread(target=self._read, name="supervisord-log", daemon=True)
        self._reader.start()
        deadline = time.monotonic() + OPEN_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LocalError(f"supervisord does not start:\n{''.join(self._said)}")
            time.sleep(POLL_S)

    def start(self, name: str) -> None:
        """Starts a program; returns at once."""
        self._exits[name] = 0
        self._call("startProcess", name, False)  # noqa: FBT003  the protocol's way to say: don't wait

    def program(self, name: str) -> Program:
        """The description of a program."""
        return self._programs[name]

    def stop(self, name: str) -> None:
        """Stops a program and keeps it stopped; returns when it has ended."""
        self._call("stopProcess", name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a program: SIGKILL is how a test makes it die."""
        self._call("signalProcess", name, str(number.value))

    def pid(self, name: str) -> int:
        """The program's process id; 0 when it does not run."""
        return int(self._call("getProcessInfo", name)["pid"])

    def exits(self, name: str) -> int:
        """How often the program has ended since `start`."""
        return self._exits[name]

    def close(self) -> None:
        """Stops every program, the last stage first, then supervisord. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            self._stop_programs()
            process.terminate()
            try:
                process.wait(CLOSE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if self._reader is not None:
                self._reader.join()
            if process.stdout is not None:
                process.stdout.close()
            leftovers.clear(self._state.run)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def _stop_programs(self) -> None:
        """Stops the programs through supervisord, all of a stage at once.

        It would do so by itself when it ends, but one after the other and with up to a second for each.
        """
        try:
            for stage in sorted({program.stage for program in self._programs.values()}, reverse=True):
                names = {program.name for program in self._programs.values() if program.stage == stage}
                for name in names & self._running():
                    self._call("stopProcess", name, False)  # noqa: FBT003  as in `start`
                while names & self._running():
                    time.sleep(POLL_S)
            self._call("shutdown")
        except (OSError, http.client.HTTPException, xmlrpc.client.Fault):
            # It does not answer: it has ended, or is about to. The signal that follows says the same.
            return

    def _running(self) -> set[str]:
        stopped = {"STOPPED", "EXITED", "FATAL"}
        return {each["name"] for each in self._call("getAllProcessInfo") if each["statename"] not in stopped}

    def _socket_path(self) -> Path:
        path = self._state.run / "supervisor.sock"
        if len(bytes(path)) <= MAX_SOCKET_PATH:
            return path
        # The directory for such things may have a long path, too.
        for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  mkdtemp makes a private folder there
            if len(base) < MAX_SOCKET_PATH - 40:
                self._socket_dir = Path(tempfile.mkdtemp(prefix="studio-", dir=base))
                return self._socket_dir / "supervisor.sock"
        raise LocalError("the paths of the state directory and of TMPDIR are too long for a socket")

    def _configuration(self) -> str:
        # Paths are relative to the run directory, where supervisord works: it expands `%` in some of them twice.
        sections = [
            "[supervisord]",
            "nodaemon=true",
            f"logfile={LOGS_FROM_RUN}/supervisord.log",
            "logfile_maxbytes=1MB",
            "logfile_backups=1",
            "pidfile=supervisord.pid",
            f"childlogdir={LOGS_FROM_RUN}",
            # Says to supervisord that running as root is on purpose.
            *(("user=root",) if os.geteuid() == 0 else ()),
            "[unix_http_server]",
            f"file={self._socket.name if self._socket_dir is None else _escape(self._socket)}",
            "chmod=0700",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for order, program in enumerate(self._programs.values()):
            marked = replace(program, env={**program.env, leftovers.MARK: str(self._state.run)})
            *words, description = child_command(marked, self._state.run)
            sections += [
                f"[program:{program.name}]",
                f"command={_escape(shlex.join((*words, Path(description).name)))}",
                # Where supervisord has to stop them by itself, it does so one by one, the last first.
                f"priority={order}",
                "autostart=false",
                "autorestart=true",
                "startsecs=1",
                f"startretries={MAX_START_RETRIES}",
                f"stopsignal={program.stop_signal.name.removeprefix('SIG')}",
                f"stopwaitsecs={STOP_WAIT_S}",
                "killasgroup=true",
                "redirect_stderr=true",
                f"stdout_logfile={LOGS_FROM_RUN}/{program.name}.log",
                f"stdout_logfile_maxbytes={LOG_BYTES}",
                f"stdout_logfile_backups={LOG_BACKUPS}",
            ]
        return "\n".join(sections) + "\n"

    def _read(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        for line in process.stdout:
            self._said.append(line)
            event = parse(line)
            if event is None:
                continue
            if event.kind == "exited":
                self._exits[event.name] += 1
            self._on_event(event)
        self._on_event(Event("supervisor ended"))

    def _answers(self) -> bool:
        try:
            self._ping()
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _ping(self) -> None:
        self._call("getState")

    def _call(self, method: str, *arguments: str | bool) -> Any:  # noqa: ANN401  XML-RPC has no types
        with xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self._socket)) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: xmlrpc.client._HostType) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # where `close` looks for it
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=CLOSE_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _escape(value: Path | str) -> str:
    """A value for supervisord's configuration file.

    Raises:
        LocalError: the file's format can't express it.
    """
    text = str(value)
    if re.search(r"\s[;#]|[\r\n]", text):
        raise LocalError(
            f"supervisord can't work in a folder with ' ;', ' #' or a line break in its name: {text}"
        )
    return text.replace("%", "%%")
