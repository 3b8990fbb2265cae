"""What a second process of redis_svc adds behind one gateway, and what connections and databases cost in memory.

Both gateways, before one process and before two, are measured in turn within each round. The machine's processors are
shared by the gateway, the processes, Valkey and the load itself: where there are few, the second process finds none
that is free, and the ratio says that.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psutil
import psycopg

from benchmarks.bare_redis import BareRedis
from benchmarks.http_load import Target, closed_loop, connect, load
from benchmarks.programs import Program, running
from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio
from deploy.local import ports
from deploy.local.options import LOOPBACK

CONNECTIONS = 16
IDLE_CONNECTIONS = 1000
OPEN_DATABASES = 100
PREFIX = "bench-scale-"


@dataclass(frozen=True)
class _Ways:
    one: Target
    """The gateway before one process."""
    two: Target
    """The gateway before two."""
    gateway: psutil.Process
    """The former."""
    process: psutil.Process
    """What is behind it."""


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures."""
    bare = BareRedis(stack.engines["redis"])
    bare.ask([("SET", "bench:value", "x" * 100)])
    bare.close()
    with _ways(stack) as ways:
        client = await connect(stack.target)
        listed = await client.ask(stack.target.get("/api/platform/databases?type=redis"))
        path = f"/api/platform/redis/{_json(listed)[0]['id']}/get?key=bench:value"
        targets = {"one": ways.one, "two": ways.two}
        for target in targets.values():
            await closed_loop(target, target.get(path), connections=CONNECTIONS, seconds=1)
        samples: dict[str, list[float]] = defaultdict(list)
        for number in range(rounds):
            for name in ("one", "two") if number % 2 == 0 else ("two", "one"):
                target = targets[name]
                rate = await closed_loop(target, target.get(path), connections=CONNECTIONS, seconds=seconds)
                samples[name].append(rate)
        cpu = [await _cpu_us(ways, path, seconds) for _ in range(rounds)]
        per_connection = await _per_connection(ways, path)
        per_database = await _per_database(stack, ways)
        client.close()
    one = Figure(f"Redis get, one process of redis_svc, {CONNECTIONS} connections", samples["one"], "calls/s")
    two = Figure(
        f"Redis get, two processes of redis_svc, {CONNECTIONS} connections", samples["two"], "calls/s"
    )
    yield one
    yield two
    yield ratio(f"  two / one, on {os.cpu_count()} processors", two, one)
    yield Figure("processor time of a Redis get: gateway", [each[0] for each in cpu], "us/call")
    yield Figure("processor time of a Redis get: redis_svc", [each[1] for each in cpu], "us/call")
    yield Figure("memory of an idle client connection: gateway", [per_connection], "KB")
    yield Figure("memory of an open database: redis_svc", [per_database], "KB")


async def _cpu_us(ways: _Ways, path: str, seconds: float) -> tuple[float, float]:
    """Of the gateway and of the process behind it, for one call."""
    before = _cpu_s(ways.gateway), _cpu_s(ways.process)
    done = await load(ways.one, ways.one.get(path), connections=CONNECTIONS, seconds=seconds)
    after = _cpu_s(ways.gateway), _cpu_s(ways.process)
    gateway, process = ((now - then) / done.answers * 1e6 for now, then in zip(after, before, strict=True))
    return gateway, process


def _cpu_s(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


async def _per_connection(ways: _Ways, path: str) -> float:
    before = _resident(ways.gateway)
    clients = [await connect(ways.one) for _ in range(IDLE_CONNECTIONS)]
    for client in clients:
        await client.ask(ways.one.get(path))
    grown = _resident(ways.gateway) - before
    for client in clients:
        client.close()
    return grown / IDLE_CONNECTIONS / 1e3


async def _per_database(stack: Stack, ways: _Ways) -> float:
    """Of databases that one process has opened: a client, its connection, what was resolved."""
    client = await connect(ways.one)
    path = "/api/platform/databases"
    ids = []
    for number in range(OPEN_DATABASES):
        body = {
            "projectRef": "default",
            "name": f"{PREFIX}{number}",
            "type": "redis",
            "connectionString": stack.engines["redis"],
            "skipTest": True,
        }
        answer = await client.ask(ways.one.request("POST", path, json.dumps(body).encode()))
        ids.append(_json(answer)["id"])
    before = _resident(ways.process)
    for each in ids:
        await client.ask(ways.one.get(f"/api/platform/redis/{each}/get?key=bench:value"))
    grown = _resident(ways.process) - before
    client.close()
    with psycopg.connect(stack.engines["postgres"], autocommit=True) as db:
        db.execute("DELETE FROM platform.databases WHERE name LIKE %s", (f"{PREFIX}%",))
    return grown / OPEN_DATABASES / 1e3


def _json(answer: bytes) -> Any:  # noqa: ANN401  any JSON
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def _resident(process: psutil.Process) -> float:
    everyone = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in everyone))


@contextlib.contextmanager
def _ways(stack: Stack) -> Iterator[_Ways]:
    """Starts two processes of redis_svc and two gateways."""
    supervisor, scratch = stack.system.supervisor, stack.system.state.path
    with contextlib.ExitStack() as stopping:

        def start(name: str, module: str, of: str, changed: Mapping[str, str]) -> Program:
            environment = {**psutil.Process(supervisor.pid(of)).environ(), **changed}
            log = stack.system.state.logs / f"{name}.log"
            return stopping.enter_context(running(module, environment=environment, log=log))

        addresses, probes, processes = [], [], []
        for number in (1, 2):
            grpc, http = ports.pick(), ports.pick()
            addresses.append(f"{LOOPBACK}:{grpc}")
            probes.append(f"http://{LOOPBACK}:{http}/healthz")
            changed = {
                "GRPC_ADDRESS": addresses[-1],
                "HTTP_ADDRESS": f"{LOOPBACK}:{http}",
                "AUDIT_SPOOL_DIR": str(scratch / "spool" / f"scale-{number}"),
                "REDIS_MAX_CONNECTIONS": str(2 * OPEN_DATABASES),
            }
            processes.append(start(f"scale_redis_{number}", "services.redis_svc", "redis_svc", changed))
        gateways, targets = [], []
        for number in (1, 2):
            port = ports.pick()
            changed = {
                "GATEWAY_PORT": str(port),
                "REDIS_SVC_ADDRESS": ",".join(addresses[:number]),
                "GATEWAY_METRICS_ADDRESS": "",
                "GATEWAY_STATE_DIR": str(scratch / f"gateway-scale-{number}"),
            }
            probes.append(f"http://{LOOPBACK}:{port}/readyz")
            targets.append(replace(stack.target, port=port))
            gateways.append(start(f"scale_gateway_{number}", "gateway", "gateway", changed))
        for program, probe in zip([*processes, *gateways], probes, strict=True):
            program.wait_ready(probe)
        yield _Ways(targets[0], targets[1], psutil.Process(gateways[0].pid), psutil.Process(processes[0].pid))
