"""What asking who calls, deciding and recording cost of a Redis get: the system against one that does none of it.

The other one has a gateway and a Redis service of its own (`without_access`), on the same engine and registry. Both are
measured in turn within each round, in the order A B B A, so that the machine's noise meets both alike. The processor
time of all processes counts as well: it holds what is done after the answer, and a busy machine changes it less.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import psutil

from benchmarks.bare_redis import BareRedis
from benchmarks.http_load import Target, connect, load
from benchmarks.programs import read, running
from benchmarks.stack import Stack
from benchmarks.table import Figure
from benchmarks.without_access import GATEWAY
from deploy.local import ports
from deploy.local.options import LOOPBACK

CONNECTIONS = 16
GOAL = "<= 0.15"
SHIPPED_S = 30.0
"""Until the registry has the events of a load: their cost belongs to it."""
POLL_S = 0.1
LOOK_S = 1.5
"""Between two looks whether events wait. The first one, which costs as much on both sides, finds none as a rule."""
_WAITING = re.compile(r"^studio_audit_events_waiting (\S+)$", re.MULTILINE)

SHARED = ("registry", "postgres")


@dataclass(frozen=True)
class Way:
    """One way to the engine."""

    target: Target
    processes: Mapping[str, psutil.Process]
    """What serves it, the shared ones as well."""
    metrics_url: str
    """Of its Redis service."""


@dataclass
class Slice:
    """What one way did in a part of a round."""

    answers: int
    elapsed_s: float
    cpu_s: dict[str, float]
    """Processor time by process."""


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures."""
    key = "bench:value"
    bare = BareRedis(stack.engines["redis"])
    bare.ask([("SET", key, "x" * 100)])
    bare.close()
    with _other(stack) as other:
        ways = {"with": of_system(stack), "without": other}
        request = {
            name: way.target.get(f"/api/platform/redis/{await database(stack.target)}/get?key={key}")
            for name, way in ways.items()
        }
        for name, way in ways.items():
            await one_slice(way, request[name], 1.0)  # finds the database, opens connections
        taken: list[dict[str, Slice]] = []
        for number in range(rounds):
            order = ("with", "without") if number % 2 == 0 else ("without", "with")
            parts: dict[str, list[Slice]] = defaultdict(list)
            for name in (*order, *reversed(order)):
                parts[name].append(await one_slice(ways[name], request[name], seconds / 2))
            taken.append({name: total(slices) for name, slices in parts.items()})
    for figure in _figures(taken, tuple(ways["with"].processes)):
        yield figure


def _figures(taken: list[dict[str, Slice]], names: tuple[str, ...]) -> Iterator[Figure]:
    def each(of: Callable[[Slice], float], way: str) -> list[float]:
        return [of(slices[way]) for slices in taken]

    def cpu_us(*names: str) -> Callable[[Slice], float]:
        return lambda part: sum(part.cpu_s[name] for name in names) / part.answers * 1e6

    def share(way: list[float], bare: list[float]) -> list[float]:
        return [1 - b / a for a, b in zip(way, bare, strict=True)]

    call_us = {
        way: each(lambda part: part.elapsed_s / part.answers * 1e6, way) for way in ("with", "without")
    }
    yield Figure(f"Redis get, {CONNECTIONS} connections", [1e6 / us for us in call_us["with"]], "calls/s")
    yield Figure("  without access control", [1e6 / us for us in call_us["without"]], "calls/s")
    yield Figure("  access control's share of time", share(call_us["with"], call_us["without"]), "", GOAL)
    cpu = {way: each(cpu_us(*names), way) for way in ("with", "without")}
    yield Figure("Redis get, processor time of the system", cpu["with"], "us/call")
    yield Figure("  without access control", cpu["without"], "us/call")
    yield Figure("  access control's share of it", share(cpu["with"], cpu["without"]), "", GOAL)
    for name in names:
        pairs = zip(each(cpu_us(name), "with"), each(cpu_us(name), "without"), strict=True)
        yield Figure(f"  access control in {name}", [a - b for a, b in pairs], "us/call")


async def one_slice(way: Way, request: bytes, seconds: float) -> Slice:
    """A load on one way, with all the work that it causes."""
    before = {name: cpu_s(process) for name, process in way.processes.items()}
    done = await load(way.target, request, connections=CONNECTIONS, seconds=seconds)
    await _shipped(way)
    spent = {name: cpu_s(process) - before[name] for name, process in way.processes.items()}
    return Slice(done.answers, done.elapsed_s, spent)


def total(slices: list[Slice]) -> Slice:
    """Several as one."""
    names = slices[0].cpu_s
    return Slice(
        sum(part.answers for part in slices),
        sum(part.elapsed_s for part in slices),
        {name: sum(part.cpu_s[name] for part in slices) for name in names},
    )


def cpu_s(process: psutil.Process) -> float:
    """Processor time of a process, of those it has started, and of those among them that have ended."""
    spent = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


async def _shipped(way: Way) -> None:
    """Returns when the registry has the events of what was called."""
    deadline = time.monotonic() + SHIPPED_S
    await asyncio.sleep(LOOK_S)
    while await asyncio.to_thread(_waiting, way.metrics_url):
        if time.monotonic() > deadline:
            raise RuntimeError("events of the audit log are not shipped")
        await asyncio.sleep(LOOK_S)


def _waiting(url: str) -> float:
    found = _WAITING.search(read(url))
    if found is None:
        raise RuntimeError("the Redis service does not say how many events wait")
    return float(found[1])


async def database(target: Target) -> str:
    """Id of the sample Redis."""
    client = await connect(target)
    listed = await client.ask(target.get("/api/platform/databases?type=redis"))
    client.close()
    return str(json.loads(listed.partition(b"\r\n\r\n")[2])[0]["id"])


def of_system(stack: Stack) -> Way:
    """The system as it is."""
    names = ("gateway", "redis_svc", *SHARED)
    processes = {name: psutil.Process(stack.system.supervisor.pid(name)) for name in names}
    return Way(stack.target, processes, metrics_url(processes["redis_svc"].environ()["HTTP_ADDRESS"]))


def metrics_url(address: str) -> str:
    """Where a service at this `HTTP_ADDRESS` tells what waits."""
    return f"http://{address}/metrics"


@contextlib.contextmanager
def _other(stack: Stack) -> Iterator[Way]:
    """Runs the gateway and the Redis service that ask nobody."""
    system = of_system(stack)
    grpc, probes, port = (ports.pick() for _ in range(3))
    scratch = stack.system.state.path
    address = {"REDIS_SVC_ADDRESS": f"{LOOPBACK}:{grpc}"}
    differs: dict[str, Mapping[str, str]] = {
        "redis_svc": {
            "GRPC_ADDRESS": address["REDIS_SVC_ADDRESS"],
            "HTTP_ADDRESS": f"{LOOPBACK}:{probes}",
            "AUDIT_SPOOL_DIR": str(scratch / "spool" / "without_access"),
        },
        "gateway": {
            **GATEWAY,
            **address,
            "GATEWAY_PORT": str(port),
            "GATEWAY_STATE_DIR": str(scratch / "gateway-2"),
            "GATEWAY_METRICS_ADDRESS": "",
        },
    }
    with contextlib.ExitStack() as stopping:
        started = {
            name: stopping.enter_context(
                running(
                    "benchmarks.without_access",
                    name,
                    environment={**system.processes[name].environ(), **changed},
                    log=scratch / "logs" / f"without_access_{name}.log",
                )
            )
            for name, changed in differs.items()
        }
        started["redis_svc"].wait_ready(f"http://{LOOPBACK}:{probes}/healthz")
        started["gateway"].wait_ready(f"http://{LOOPBACK}:{port}/readyz")
        processes = {**system.processes, **{name: psutil.Process(each.pid) for name, each in started.items()}}
        yield Way(replace(stack.target, port=port), processes, metrics_url(f"{LOOPBACK}:{probes}"))
