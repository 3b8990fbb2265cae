"""The whole system: composes engines, migrations, services and gateway, and starts them in that order.

`make run` and the tests both use it; what either does around it (signals, messages, fixtures) is theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from deploy.local import ports, services, tls
from deploy.local.engines import KINDS, Engine
from deploy.local.engines.pg_meta import KEY as PG_META_KEY
from deploy.local.options import DEFAULT_GATEWAY_PORT, ROOT, LocalError, Options
from deploy.local.program import Program
from deploy.local.readiness import wait_ready
from deploy.local.samples import SAMPLES, show
from deploy.local.state import State
from deploy.local.supervisor import Event, Supervisor
from deploy.local.tokens import mint, sign_in_link

MIGRATE_TIMEOUT_S = 120


class System:
    """One local system in one state directory.

    Args:
        options: the user's choices.
        environment: of the user: tuning, and secrets that replace the generated ones.
        say: takes sentences for the user.
        on_event: takes what happens to the processes; called from another thread.
    """

    def __init__(
        self,
        options: Options,
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        on_event: Callable[[Event], None],
    ) -> None:
        self._options = options
        self._environment = environment
        self._say = say
        self._on_event = on_event
        self.state = State(options.state_dir)
        self.engines: dict[str, Engine] = {}
        self.url = ""
        self._addresses: dict[str, str] = {}
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor:
        """What runs the processes.

        Raises:
            LocalError: the system does not run.
        """
        if self._supervisor is None:
            raise LocalError("the system does not run")
        return self._supervisor

    def start(self, stop: threading.Event) -> None:
        """Starts everything; returns when all of it is ready. Call it in a thread that outlives the system.

        Raises:
            LocalError: some part did not start; what did is still running until `close`.
            Interrupted: `stop` was set meanwhile.
        """
        tls.check(self._environment)
        self.state.create()
        self.state.lock(str(os.getpid()))
        port = self._gateway_port()
        self._engines()
        engine_programs = self._engine_programs()
        context = self._context(port)
        # Now, while the ports are free: later they are taken, by these very services.
        self._addresses = services.addresses(self.state)
        own_programs = services.programs(context)
        self._supervisor = Supervisor(self.state, [*engine_programs, *own_programs], self._on_event)
        self._supervisor.open()
        self._launch(engine_programs)
        if "postgres" in self.engines:
            self.wait_ready("postgres", stop)
        # The migrations need no other engine: those get ready meanwhile.
        self._migrate(services.migrate_environment(context))
        self._await(engine_programs, stop)
        self.state.write_engines({name: engine.url for name, engine in self.engines.items()})
        for stage in sorted({program.stage for program in own_programs}):
            programs = [program for program in own_programs if program.stage == stage]
            self._launch(programs)
            self._await(programs, stop)
        self.state.write_services(self._addresses)
        self.url = services.url(self._options.gateway_host, port, self._environment)
        self._samples()

    def token(self, role: str) -> str:
        """A bearer token of that role."""
        return mint(role, self.state.secret("JWT_SECRET"))

    def sign_in_link(self) -> str:
        """A link to the pages that signs its reader in, once."""
        return sign_in_link(self.url, self.state.secret("JWT_SECRET"))

    def address(self, service: str) -> str:
        """`host:port` at which a service takes gRPC calls."""
        return self._addresses[service]

    def wait_ready(self, name: str, stop: threading.Event | None = None) -> None:
        """Returns when the process `name` answers.

        Raises:
            LocalError: it does not in time.
        """
        supervisor = self.supervisor
        before = supervisor.exits(name)
        wait_ready(
            supervisor.program(name),
            exits=lambda: supervisor.exits(name) - before,
            tail=lambda: self.state.tail(name),
            stop=stop or threading.Event(),
        )

    def close(self) -> None:
        """Stops everything in order. Idempotent."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.close()
            self.state.engines_file.unlink(missing_ok=True)
            self.state.services_file.unlink(missing_ok=True)
        self.state.unlock()

    def _gateway_port(self) -> int:
        host, wanted = self._options.gateway_host, self._options.gateway_port
        if wanted is not None:
            if not ports.is_free(wanted, host):
                raise LocalError(
                    f"GATEWAY_PORT {wanted} of {host} is taken; stop what uses it, or choose another"
                )
            return wanted
        if ports.is_free(DEFAULT_GATEWAY_PORT, host) and ports.reserve(DEFAULT_GATEWAY_PORT):
            return DEFAULT_GATEWAY_PORT
        port = self.state.port("gateway")
        self._say(f"port {DEFAULT_GATEWAY_PORT} is taken, so the gateway uses {port}")
        return port

    def _engines(self) -> None:
        if given := self._environment.get(PG_META_KEY):
            self.state.keep_secret(PG_META_KEY, given)
        elif self._options.pg_meta_url is not None:
            raise LocalError(f"PG_META_URL needs {PG_META_KEY}: the CRYPTO_KEY of that pg-meta")
        for name, make in KINDS.items():
            if self._options.own_engine(name) is None:
                self.engines[name] = make(self.state, self._options.durable)

    def _engine_programs(self) -> list[Program]:
        """Prepares all engines at a time: for the first run, each starts a program that makes its data directory."""
        with ThreadPoolExecutor(max_workers=len(KINDS)) as pool:
            return list(pool.map(lambda engine: engine.program(), self.engines.values()))

    def _context(self, port: int) -> services.Context:
        if self._options.jwt_secret is not None:
            self.state.keep_secret("JWT_SECRET", self._options.jwt_secret)
        return services.Context(
            state=self.state,
            database_url=self._options.database_url or self.engines["postgres"].url,
            jwt_secret=self.state.secret("JWT_SECRET"),
            gateway_host=self._options.gateway_host,
            gateway_port=port,
            pg_meta_url=self._options.pg_meta_url or self.engines["pg_meta"].url,
            pg_meta_crypto_key=self.state.secret(PG_META_KEY),
            environment=self._environment,
        )

    def _launch(self, programs: Iterable[Program]) -> None:
        for program in programs:
            self.supervisor.start(program.name)

    def _await(self, programs: Iterable[Program], stop: threading.Event) -> None:
        for program in programs:
            self.wait_ready(program.name, stop)

    def _migrate(self, environment: Mapping[str, str]) -> None:
        with (self.state.logs / "migrate.log").open("wb") as log:
            done = subprocess.run(
                (sys.executable, "-m", "services.registry", "migrate"),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=MIGRATE_TIMEOUT_S,
                check=False,
            )
        if done.returncode != 0:
            raise LocalError(f"the migrations failed:\n{self.state.tail('migrate')}")

    def _samples(self) -> None:
        token = self.token("owner")
        for sample in SAMPLES:
            show(
                sample,
                self._options,
                self.engines,
                self.state,
                gateway_url=self.url,
                context=tls.client_context(self._environment),
                token=token,
                say=self._say,
            )
