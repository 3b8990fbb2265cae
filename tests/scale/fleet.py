"""Replicas of the system's processes, each on an address of its own, found by DNS as on a platform.

127.0.0.0/8 is all of this machine: replicas of a service share a port on 127.0.1.1, 127.0.1.2 and so on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from deploy.local import ports
from deploy.local.environment import inherited
from deploy.local.options import ROOT
from deploy.local.tokens import mint
from tests.support.name_server import NameServer, name_server

START_S = 60.0
STOP_S = 30.0
POLL_S = 0.05
SERVICES = {
    "registry": "REGISTRY_ADDRESS",
    "redis_svc": "REDIS_SVC_ADDRESS",
    "mongo_svc": "MONGO_SVC_ADDRESS",
    "gateway": "",
}
"""What there are replicas of, and by which variable the others find them."""
JWT_SECRET = "user-tokens-of-the-scale-tests-0123456789"
NOTICE_S = 3.0
"""The product's own default: what is tested is that it is long enough."""


@dataclass
class Replica:
    """One process."""

    service: str
    host: str
    port: int
    """Of gRPC; of a gateway, of HTTP."""
    probes: str
    """URL at which it says whether it is ready."""
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        """`host:port` where it takes calls."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    async def ended(self) -> int:
        """Waits until it has ended; returns its exit code."""
        deadline = time.monotonic() + STOP_S
        while (code := self.process.poll()) is None:
            assert time.monotonic() < deadline, (
                f"{self.service} does not end:\n{self.log.read_text()[-2000:]}"
            )
            await asyncio.sleep(POLL_S)
        return code


class Fleet:
    """The replicas, their names, and what all of them share.

    Args:
        directory: for logs, spools, state.
        names: answers for `<service>.test`.
        database_url: of the platform database.
        tuning: further variables of every process.
    """

    def __init__(self, directory: Path, names: NameServer, database_url: str, tuning: dict[str, str]) -> None:
        self.directory = directory
        self.names = names
        self.database_url = database_url
        self.replicas: list[Replica] = []
        self._ports = {service: (ports.pick(), ports.pick()) for service in SERVICES}
        self.environment = {
            **inherited(os.environ),
            "JWT_SECRET": JWT_SECRET,
            "SERVICE_TOKEN_SECRET": "service-tokens-of-the-scale-tests-0123456789",
            "MULTI_DB_CRYPTO_KEY": "a-crypto-key-of-the-scale-tests-0123456789",
            "SERVICE_DNS_SERVER": names.address,
            "SHUTDOWN_NOTICE_S": str(NOTICE_S),
            "GATEWAY_CONCURRENCY": "2",
            **{
                variable: f"{service}.test:{self._ports[service][0]}"
                for service, variable in SERVICES.items()
                if variable
            },
            **tuning,
        }

    async def migrate(self, code: Path = ROOT) -> None:
        """Brings the platform database to the schema of `code`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.registry", "migrate", cwd=code, env=self._environment(code)
        )
        assert await process.wait() == 0

    def launch(
        self, service: str, host: str, *, code: Path = ROOT, name: str = "", **environment: str
    ) -> Replica:
        """Starts a replica; nobody finds it before `announce`.

        Args:
            service: `registry`, `redis_svc`, `mongo_svc` or `gateway`.
            host: the address that it listens on.
            code: the checkout whose code it runs.
            name: of its log and directories.
            environment: its own variables.
        """
        port, probes = self._ports[service]
        name = name or f"{service}-{host.replace(':', '_')}"
        shown = f"[{host}]" if ":" in host else host
        own = (
            {
                "GATEWAY_HOST": host,
                "GATEWAY_PORT": str(port),
                "GATEWAY_STATE_DIR": str(self.directory / name),
            }
            if service == "gateway"
            else {
                "GRPC_ADDRESS": f"{shown}:{port}",
                "HTTP_ADDRESS": f"{shown}:{probes}",
                "AUDIT_SPOOL_DIR": str(self.directory / name),
            }
        )
        module = service if service == "gateway" else f"services.{service}"
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                (sys.executable, "-m", module),
                cwd=code,
                env={**self._environment(code), **own, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        url = f"http://{shown}:{port}" if service == "gateway" else f"http://{shown}:{probes}"
        replica = Replica(service, host, port, url, process, log)
        self.replicas.append(replica)
        return replica

    async def ready(self, *replicas: Replica, path: str = "/healthz") -> None:
        """Waits until they serve."""
        async with httpx.AsyncClient(trust_env=False) as client:
            for replica in replicas:
                deadline = time.monotonic() + START_S
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get(f"{replica.probes}{path}")).status_code == 200:
                            break
                    assert replica.is_running, replica.log.read_text()[-3000:]
                    assert time.monotonic() < deadline, replica.log.read_text()[-3000:]
                    await asyncio.sleep(POLL_S)

    def announce(self, *replicas: Replica) -> None:
        """Has the name of their service lead to them, too."""
        for replica in replicas:
            self.names.zone[f"{replica.service}.test"].append(replica.host)

    async def add(self, service: str, *hosts: str, code: Path = ROOT, name: str = "") -> list[Replica]:
        """Starts replicas that are found as soon as they are ready, as on a platform."""
        started = [self.launch(service, host, code=code, name=name) for host in hosts]
        await self.ready(*started)
        self.announce(*started)
        return started

    def dismiss(self, replica: Replica) -> None:
        """Tells it to stop; its name no longer leads to it."""
        with contextlib.suppress(ValueError):  # a gateway is found by its address
            self.names.zone[f"{replica.service}.test"].remove(replica.host)
        replica.process.send_signal(signal.SIGTERM)

    def crash(self, replica: Replica) -> None:
        """Kills it and what it has started; its name leads there for a while still."""
        process = psutil.Process(replica.process.pid)
        for each in (*process.children(recursive=True), process):
            each.kill()
        replica.process.wait(STOP_S)

    def named(self, service: str) -> list[Replica]:
        """The running replicas of a service."""
        return [each for each in self.replicas if each.service == service and each.is_running]

    def headers(self, role: str = "owner") -> dict[str, str]:
        """The header of a user of that role."""
        return {"authorization": f"Bearer {mint(role, JWT_SECRET)}"}

    def client(self, gateway: Replica) -> httpx.AsyncClient:
        """An HTTP client of an owner; a context manager."""
        return httpx.AsyncClient(
            base_url=gateway.probes, headers=self.headers(), trust_env=False, timeout=STOP_S
        )

    async def hosts(self, gateway: Replica, cluster: str) -> dict[str, dict[str, Any]]:
        """What a gateway's Envoy knows of the hosts of a cluster, by address."""
        transport = httpx.AsyncHTTPTransport(
            uds=str(self.directory / gateway.log.stem / "admin.sock"), retries=0
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://envoy", trust_env=False) as admin:
            answer = (await admin.get("/clusters?format=json")).json()
        statuses = next(each for each in answer["cluster_statuses"] if each["name"] == cluster)
        return {
            each["address"]["socket_address"]["address"]: {
                **{stat["name"]: int(stat.get("value", 0)) for stat in each["stats"]},
                "health": each["health_status"],
            }
            for each in statuses.get("host_statuses", [])
        }

    async def is_healthy(self, gateway: Replica, replica: Replica) -> bool:
        """Whether a gateway would send a call to a replica."""
        known = await self.hosts(gateway, replica.service)
        # Anything else that Envoy says of a host is a reason against it.
        return known.get(replica.host, {}).get("health") == {"eds_health_status": "HEALTHY"}

    async def is_called(self, gateway: Replica, replica: Replica) -> bool:
        """Whether a gateway has had an answer from a replica."""
        known = await self.hosts(gateway, replica.service)
        return int(known.get(replica.host, {}).get("rq_success", 0)) > 0

    async def statistic(self, gateway: Replica, name: str) -> int:
        """One counter of a gateway's Envoy."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.directory / gateway.log.stem / "admin.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://envoy", trust_env=False) as admin:
            answer = (await admin.get("/stats", params={"filter": f"^{name}$", "format": "json"})).json()
        return sum(each["value"] for each in answer["stats"])

    def _environment(self, code: Path) -> dict[str, str]:
        return {
            **self.environment,
            "DATABASE_URL": self.database_url,
            # Before what this checkout has put on the import path.
            "PYTHONPATH": f"{code}:{code / 'generated'}",
        }

    async def close(self) -> None:
        """Ends all of it, without notice."""
        for replica in self.named("gateway") + [each for each in self.replicas if each.is_running]:
            replica.process.send_signal(signal.SIGINT)
        for replica in self.replicas:
            try:
                await replica.ended()
            except AssertionError:
                self.crash(replica)


@contextlib.asynccontextmanager
async def fleet(database_url: str, **tuning: str) -> AsyncIterator[Fleet]:
    """An empty fleet; what it has started ends with the block."""
    # Not in pytest's own directories: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="fleet-") as directory:
        async with _fleet(Path(directory), database_url, tuning) as running:
            yield running


@contextlib.asynccontextmanager
async def _fleet(directory: Path, database_url: str, tuning: dict[str, str]) -> AsyncIterator[Fleet]:
    async with name_server() as names:
        running = Fleet(directory, names, database_url, tuning)
        try:
            yield running
        finally:
            await running.close()
