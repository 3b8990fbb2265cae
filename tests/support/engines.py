"""Runs the embedded engines for tests, without a supervisor: nothing here is ever restarted behind a test's back."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

from deploy.local.engines import Bun, PgMeta, Postgres, Valkey
from deploy.local.options import LOOPBACK
from deploy.local.program import Program, child_command
from deploy.local.readiness import MAX_EXITS, wait_ready
from deploy.local.state import State
from tests.support.fault_proxy import FaultProxy
from tests.support.tls import Authority

STOP_TIMEOUT_S = 30


class Foreground:
    """One program, run as a child of the tests. Start it in the main thread: its life is tied to the thread's."""

    def __init__(self, program: Program, state: State) -> None:
        self.program = program
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running program."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with (self._state.logs / f"{self.program.name}.log").open("ab") as log:
            process = subprocess.Popen(
                child_command(self.program, self._state.run),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = process
        wait_ready(
            self.program,
            exits=lambda: 0 if process.poll() is None else MAX_EXITS,
            tail=lambda: self._state.tail(self.program.name),
            stop=threading.Event(),
        )

    def stop(self) -> None:
        """Ends it in good order."""
        self._end(self.program.stop_signal)

    def kill(self) -> None:
        """Kills it."""
        self._end(signal.SIGKILL)

    def suspend(self) -> None:
        """Stops it from running, with its connections open: a hung server."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `suspend`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # In this order: while SIGCONT is being handled by the main thread, the kernel gives the next signal to another
        # one, and a Python program whose main thread waits for an event never learns of it.
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class PostgresServer(Foreground):
    """An embedded PostgreSQL."""

    def __init__(self, state: State, *, durable: bool = False) -> None:
        engine = Postgres(state, durable=durable)
        super().__init__(engine.program(), state)
        self.url = engine.url
        self.data = engine.data


class BunServer(Foreground):
    """The sample Bun API."""

    def __init__(self, state: State, *, name: str = "bun") -> None:
        engine = Bun(state, name=name)
        super().__init__(engine.program(), state)
        self.url = engine.url
        self.port = engine.port
        self.key = engine.key


class PgMetaServer(Foreground):
    """pg-meta, which reaches only what callers name in `x-connection-encrypted`."""

    def __init__(self, state: State, *, name: str = "pg_meta") -> None:
        engine = PgMeta(state, name=name)
        super().__init__(engine.program(), state)
        self.url = engine.url
        self.crypto_key = engine.crypto_key


class ValkeyServer(Foreground):
    """An embedded Valkey, behind TLS where `tls` was asked for."""

    def __init__(self, engine: Valkey, state: State, *, password: str) -> None:
        super().__init__(engine.program(), state)
        self.host = LOOPBACK
        self.port = engine.port
        """Where clients connect: the TLS port where there is one."""
        self.plain_port = engine.port
        self.password = password
        self.authority: Authority | None = None
        """What clients have to trust, with TLS."""
        self._terminator: FaultProxy | None = None

    @property
    def url(self) -> str:
        """The default user's URL."""
        scheme = "redis" if self._terminator is None else "rediss"
        secret = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"{scheme}://{secret}{self.host}:{self.port}"

    def url_of(self, user: str, password: str) -> str:
        """An ACL user's URL."""
        scheme = "redis" if self._terminator is None else "rediss"
        return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{self.host}:{self.port}"

    async def put_behind_tls(
        self, folder: Path, *, ask_clients: bool, expired: bool, hosts: tuple[str, ...]
    ) -> None:
        """Adds a TLS port. The embedded Valkey is built without TLS, so a proxy in this process speaks it."""
        self.authority = Authority(folder)
        context = self.authority.server_context(
            self.authority.issue(hosts=hosts, expired=expired), ask_clients=ask_clients
        )
        self._terminator = FaultProxy(LOOPBACK, self.plain_port, tls=context)
        await self._terminator.accept()
        self.port = self._terminator.port

    async def aclose(self) -> None:
        """Ends the server and its TLS port."""
        if self._terminator is not None:
            await self._terminator.__aexit__(None, None, None)
        self.kill()


class ValkeyFactory:
    """Starts Valkey servers: the fixture `start_valkey`.

        server = await start_valkey(password="p@ss:word/#?", users=("reader on >pw ~user:* +@read",))
        secure = await start_valkey(tls=True)           # secure.url is rediss://, secure.authority.certificate
        full = await start_valkey(settings={"maxmemory": "2mb", "maxmemory-policy": "noeviction"})
        replica = await start_valkey(replica_of=server)

    Each test's servers are killed at its end.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._servers: list[ValkeyServer] = []
        self._count = 0

    async def __call__(
        self,
        *,
        password: str | None = None,
        users: tuple[str, ...] = (),
        settings: dict[str, str] | None = None,
        replica_of: ValkeyServer | None = None,
        tls: bool = False,
        tls_ask_clients: bool = False,
        tls_expired: bool = False,
        tls_hosts: tuple[str, ...] = ("localhost", LOOPBACK),
    ) -> ValkeyServer:
        """Starts one and waits until it answers.

        Args:
            password: the default user's; empty for none; made up where it is not given.
            users: ACL rules, as in the configuration's `user` lines: `name on >password ~* +@all`.
            settings: further lines of its configuration.
            replica_of: makes it a replica of that server.
            tls: lets clients connect by TLS only, with a certificate for `tls_hosts`, perhaps an expired one,
                and perhaps by showing a certificate of their own.
        """
        self._count += 1
        lines = dict(settings or {})
        if password is not None:
            lines["requirepass"] = password
        if replica_of is not None:
            lines["replicaof"] = f"{LOOPBACK} {replica_of.plain_port}"
            lines["masterauth"] = replica_of.password
        engine = Valkey(self._state, name=f"redis-{self._count}", durable=False, settings=lines, users=users)
        server = ValkeyServer(engine, self._state, password=engine.password)
        self._servers.append(server)
        server.start()
        if tls:
            folder = self._state.path / f"tls-{self._count}"
            folder.mkdir()
            await server.put_behind_tls(
                folder, ask_clients=tls_ask_clients, expired=tls_expired, hosts=tls_hosts
            )
        return server

    async def aclose(self) -> None:
        """Ends all servers."""
        for server in self._servers:
            await server.aclose()
