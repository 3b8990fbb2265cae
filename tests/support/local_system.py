"""The whole system for tests: the fixture `system`."""

from __future__ import annotations

import os
import signal
import ssl
import threading
import time
import uuid
import xmlrpc.client
from pathlib import Path

import httpx

from deploy.local import ports, tls
from deploy.local.engines.bun import KEY as BUN_KEY
from deploy.local.engines.pg_meta import KEY as PG_META_KEY
from deploy.local.environment import inherited
from deploy.local.options import Options
from deploy.local.samples import SHOP_KEY
from deploy.local.services import SERVICES
from deploy.local.supervisor import Event
from deploy.local.system import System
from gateway.render import Files
from tests.support import canaries, disclosures
from tests.support.canaries import Search
from tests.support.otlp import Collector

TIMEOUT_S = 30.0
DATABASES = "/api/platform/databases"
READS = {
    "/api/platform/redis/{}/overview": "redis",
    "/api/platform/mongodb/{}/databases": "mongodb",
    "/api/platform/bun/{}/health": "bun_api",
    "/api/platform/pg-meta/{}/schemas": "postgres",
}
"""A path for each service that asks the registry which database is meant, and the type of that database."""
REST = "/api/platform"
MAX_NOTED = 20_000
"""Refusals remembered, to be searched for secrets at the end."""
SECRETS = {
    "JWT_SECRET": False,
    "SERVICE_TOKEN_SECRET": False,
    "MULTI_DB_CRYPTO_KEY": False,
    "POSTGRES_PASSWORD": False,
    SHOP_KEY: True,
    "REDIS_PASSWORD": True,
    "MONGODB_PASSWORD": True,
    BUN_KEY: False,
    PG_META_KEY: False,
}
"""All that a system would make up; whether it may hold characters that have a meaning in a URL."""
ENGINES = {"redis": "redis", "mongodb": "mongodb", "bun_api": "bun"}
"""The path of an engine's health by its type."""


class LocalSystem:
    """Started by the code of `make run`, on free ports, in a directory of its own.

    Its secrets are canaries, and its services log all that they can: `disclosures` finds those that show anywhere.

    Start it in the main thread: supervisord ends with the thread that started it.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        environment: dict[str, str] | None = None,
        durable: bool = False,
        traced: bool = False,
    ) -> None:
        """Describes it.

        Args:
            state_dir: where it lives.
            environment: tunes its processes.
            durable: whether engines keep what they acknowledged.
            traced: whether every request is traced, to a collector in this process.
        """
        self.state_dir = state_dir
        self.events: list[Event] = []
        """What happened to the processes."""
        self.said: list[str] = []
        """What `make run` would have printed."""
        self.credentials: set[str] = set()
        """Tokens, keys and cookies that were shown to it, and belong into no output."""
        self.refusals: dict[str, str] = {}
        """Bodies of refusals, and which request got each."""
        self._tokens: dict[str, str] = {}
        self.collector = Collector(state_dir / "traces" / "spans.binpb") if traced else None
        """What takes its traces."""
        traces = {}
        if self.collector is not None:
            key = canaries.new()
            traces = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={key}",
                "OTEL_BSP_SCHEDULE_DELAY": "1000",
            }
        self._environment = inherited(os.environ) | {"LOG_LEVEL": "DEBUG"} | traces | (environment or {})
        self._system = System(
            Options(state_dir=state_dir, gateway_port=ports.pick(), durable=durable),
            environment=self._environment,
            say=self.said.append,
            on_event=self.events.append,
        )

    def open(self) -> None:
        """Starts it; returns when all of it is ready."""
        self._system.state.create()
        for name, odd in SECRETS.items():
            self._system.state.keep_secret(name, canaries.new(odd=odd))
        self._system.start(threading.Event())
        self.trusted: ssl.SSLContext | bool = tls.client_context(self._environment) or True
        """By which its clients know the gateway, where it speaks TLS."""
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=TIMEOUT_S, verify=self.trusted)
        """A client without a token, for tests that are not asynchronous."""

    def close(self) -> None:
        """Stops it, deletes its data, and fails where a secret shows in what it has written."""
        if hasattr(self, "http"):
            self.http.close()
        self._system.close()
        if self.collector is not None:
            self.collector.close()
        try:
            found = disclosures.in_files(self._search(), self.state_dir)
        finally:
            self._system.state.remove()
        assert not found, _listed(found)

    def check_disclosures(self) -> None:
        """Fails where a secret shows in anything that it has written or tells, as far as it runs."""
        search = self._search()
        http = httpx.Client(
            base_url=self.url,
            headers=self.headers("owner"),
            trust_env=False,
            timeout=TIMEOUT_S,
            verify=self.trusted,
        )
        with http:
            found = disclosures.in_answers(search, http)
        environments = {
            service.name: self._system.supervisor.program(service.name).env for service in SERVICES
        }
        found += disclosures.in_metrics(
            search, {name: environment["HTTP_ADDRESS"] for name, environment in environments.items()}
        )
        directory = self._system.supervisor.program("gateway").env["GATEWAY_STATE_DIR"]
        found += disclosures.in_gateway(search, Files(Path(directory)).admin_socket)
        found += disclosures.in_tables(search, self.engines["postgres"])
        for body, request in self.refusals.items():
            found += search(f"refusal of {request}", body)
        found += disclosures.in_files(search, self.state_dir)
        assert not found, _listed(found)

    def _search(self) -> Search:
        return Search(self.credentials | set(self._tokens.values()))

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return self._system.url

    @property
    def engines(self) -> dict[str, str]:
        """The URL of each embedded engine: `postgres`, `redis`, `mongodb`."""
        return {name: engine.url for name, engine in self._system.engines.items()}

    def token(self, role: str) -> str:
        """A bearer token: `owner`, `administrator`, `developer` or `read_only`. It lasts longer than all tests."""
        if role not in self._tokens:
            self._tokens[role] = self._system.token(role)
        return self._tokens[role]

    def sign_in_link(self) -> str:
        """A link to the pages that signs its reader in, once."""
        return self._system.sign_in_link()

    def headers(self, role: str) -> dict[str, str]:
        """The header that carries such a token."""
        return {"authorization": f"Bearer {self.token(role)}"}

    def client(self, role: str) -> httpx.AsyncClient:
        """An HTTP client of that role; a context manager."""
        return httpx.AsyncClient(
            base_url=self.url,
            headers=self.headers(role),
            trust_env=False,
            timeout=TIMEOUT_S,
            verify=self.trusted,
            event_hooks={"response": [self._note]},
        )

    async def _note(self, answer: httpx.Response) -> None:
        if answer.is_error and len(self.refusals) < MAX_NOTED:
            await answer.aread()
            self.refusals.setdefault(answer.text, f"{answer.request.method} {answer.request.url.path}")

    def wait_reached(self) -> None:
        """Returns when every service finds the registry and its engine again, for tests that killed some of it."""
        headers = self.headers("owner")
        deadline = time.monotonic() + TIMEOUT_S

        def wait(path: str, status: int) -> httpx.Response:
            while (answer := self.http.get(path, headers=headers)).status_code != status:
                assert time.monotonic() < deadline, f"{path}: {answer.text}"
                time.sleep(0.05)
            return answer

        samples = wait(f"{DATABASES}?search=sample", 200).json()
        for read, kind in READS.items():
            # What a service knows already it reads without the registry; this id it has never heard of.
            wait(read.format(uuid.uuid4()), 404)
            wait(read.format(next(each["id"] for each in samples if each["type"] == kind)), 200)
        for service in ("registry", "redis_svc", "mongo_svc", "bun_proxy"):
            # A service that can't hear of keys that end knows none without asking.
            while self.metrics(service)["studio_auth_watch_synced"] != 1:
                assert time.monotonic() < deadline, f"{service} hears nothing of credentials"
                time.sleep(0.05)
        for each in samples:  # the registry has channels of its own to those who test connections
            path = f"{DATABASES}/{each['id']}/test"
            while not (answer := self.http.post(path, headers=headers)).json().get("success"):
                assert time.monotonic() < deadline, answer.text
                time.sleep(0.05)

    def address(self, service: str) -> str:
        """`host:port` where `registry`, `redis_svc` or `mongo_svc` takes gRPC calls."""
        return self._system.address(service)

    @property
    def forwarding_address(self) -> str:
        """`host:port` where bun_proxy takes the requests that it forwards."""
        return self._system.supervisor.program("bun_proxy").env["PROXY_ADDRESS"]

    def metrics(self, service: str) -> dict[str, float]:
        """The metrics of a service: `name{label="value"}` to value."""
        address = self._system.supervisor.program(service).env["HTTP_ADDRESS"]
        text = httpx.get(f"http://{address}/metrics", trust_env=False, timeout=TIMEOUT_S).text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def scraped(self) -> dict[str, str]:
        """What Prometheus reads, by the name of its job."""
        addresses = {
            service.name: self._system.supervisor.program(service.name).env["HTTP_ADDRESS"]
            for service in SERVICES
        }
        addresses["gateway"] = self.metrics_address
        return {
            job: httpx.get(f"http://{address}/metrics", trust_env=False, timeout=TIMEOUT_S).text
            for job, address in addresses.items()
        }

    @property
    def metrics_address(self) -> str:
        """`host:port` of the gateway's metrics."""
        return self._system.supervisor.program("gateway").env["GATEWAY_METRICS_ADDRESS"]

    def log(self, name: str) -> str:
        """The log of a process."""
        return (self._system.state.logs / f"{name}.log").read_text()

    def secret(self, name: str) -> str:
        """One of the generated secrets: `JWT_SECRET`, `SERVICE_TOKEN_SECRET`, `MULTI_DB_CRYPTO_KEY`."""
        value = self._system.state.known_secret(name)
        assert value is not None
        return value

    def pid(self, name: str) -> int:
        """The process id of a service, the `gateway` or an engine; 0 when it is down."""
        return self._system.supervisor.pid(name)

    def stop(self, name: str) -> None:
        """Stops a process; it stays down until `start`."""
        self._system.supervisor.stop(name)

    def start(self, name: str) -> None:
        """Starts a process that was stopped; returns when it is ready."""
        self._system.supervisor.start(name)
        self._system.wait_ready(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a process: SIGSTOP and SIGCONT make it hang for a while."""
        self._system.supervisor.signal(name, number)

    def crash(self, name: str) -> None:
        """Kills a process; it stays down until `start`."""
        self.signal(name, signal.SIGKILL)
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self.stop(name)
            except xmlrpc.client.Fault:  # dead, and not restarted yet
                assert time.monotonic() < deadline, f"{name} could not be stopped"
                time.sleep(0.02)
            else:
                return

    def kill(self, name: str) -> int:
        """Kills a process; returns the new process's id once the supervisor has replaced it and it is ready."""
        before = self.pid(name)
        self.signal(name, signal.SIGKILL)
        deadline = time.monotonic() + TIMEOUT_S
        while self.pid(name) in {0, before}:
            assert time.monotonic() < deadline, f"{name} was not restarted"
            time.sleep(0.02)
        self._system.wait_ready(name)
        return self.pid(name)


def _listed(found: list[str]) -> str:
    return "\n".join([f"{len(found)} places show a secret:", *found])
