"""What traces cost of a Redis get: three pairs of a gateway and a Redis service, which differ in nothing else.

One traces nothing, one every request, one a request in a hundred, to a collector that throws away what it gets. All are
measured in turn within each round, forwards and backwards, as in `access`; the collector's own work does not count.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace

import psutil

from benchmarks.access import CONNECTIONS, Slice, Way, database, metrics_url, of_system, one_slice, total
from benchmarks.bare_redis import BareRedis
from benchmarks.programs import running, stop
from benchmarks.stack import Stack
from benchmarks.table import Figure
from deploy.local import ports
from deploy.local.options import LOOPBACK, ROOT

WITHOUT = "without"
PARTS = {"of every request": "1.0", "of one request in a hundred": "0.01"}
OWN = ("gateway", "redis_svc")
"""Whose processor time counts: the registry and its database trace nothing here, and serve all pairs."""


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures."""
    key = "bench:value"
    bare = BareRedis(stack.engines["redis"])
    bare.ask([("SET", key, "x" * 100)])
    bare.close()
    with contextlib.ExitStack() as stopping:
        collector = stopping.enter_context(_collector())
        ways = {
            name: stopping.enter_context(_pair(stack, collector if part else "", part, number))
            for number, (name, part) in enumerate({WITHOUT: "", **PARTS}.items())
        }
        path = f"/api/platform/redis/{await database(stack.target)}/get?key={key}"
        request = {name: way.target.get(path) for name, way in ways.items()}
        for name, way in ways.items():
            await one_slice(way, request[name], 1.0)  # finds the database, opens connections
        taken: list[dict[str, Slice]] = []
        for _ in range(rounds):
            parts: dict[str, list[Slice]] = defaultdict(list)
            for name in (*ways, *reversed(ways)):
                parts[name].append(await one_slice(ways[name], request[name], seconds / 2))
            taken.append({name: total(slices) for name, slices in parts.items()})

    def rate(name: str) -> list[float]:
        return [each[name].answers / each[name].elapsed_s for each in taken]

    def cpu_us(name: str) -> list[float]:
        return [sum(each[name].cpu_s[of] for of in OWN) / each[name].answers * 1e6 for each in taken]

    yield Figure(f"Redis get without traces, {CONNECTIONS} connections", rate(WITHOUT), "calls/s")
    yield Figure("  processor time of gateway and service", cpu_us(WITHOUT), "us/call")
    for name in PARTS:
        yield Figure(f"  calls with traces {name} / without", _over(rate(name), rate(WITHOUT)), "")
        yield Figure("    processor time / without", _over(cpu_us(name), cpu_us(WITHOUT)), "")


def _over(these: list[float], those: list[float]) -> list[float]:
    return [a / b for a, b in zip(these, those, strict=True)]


@contextlib.contextmanager
def _pair(stack: Stack, collector: str, part: str, number: int) -> Iterator[Way]:
    """Runs a gateway and a Redis service that trace a part of what they do; nothing without a collector."""
    system = of_system(stack)
    grpc, probes, port = (ports.pick() for _ in range(3))
    scratch = stack.system.state.path
    common = {
        "REDIS_SVC_ADDRESS": f"{LOOPBACK}:{grpc}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": part or "0",
    }
    differs: dict[str, Mapping[str, str]] = {
        "services.redis_svc": {
            "GRPC_ADDRESS": f"{LOOPBACK}:{grpc}",
            "HTTP_ADDRESS": f"{LOOPBACK}:{probes}",
            "AUDIT_SPOOL_DIR": str(scratch / "spool" / f"traced-{number}"),
        },
        "gateway": {
            "GATEWAY_PORT": str(port),
            "GATEWAY_STATE_DIR": str(scratch / f"gateway-traced-{number}"),
            "GATEWAY_METRICS_ADDRESS": "",
        },
    }
    with contextlib.ExitStack() as stopping:
        started = {}
        for module, changed in differs.items():
            name = module.rpartition(".")[2]
            environment = {**system.processes[name].environ(), **common, **changed}
            log = scratch / "logs" / f"traced-{number}-{name}.log"
            started[name] = stopping.enter_context(running(module, environment=environment, log=log))
        started["redis_svc"].wait_ready(f"http://{LOOPBACK}:{probes}/healthz")
        started["gateway"].wait_ready(f"http://{LOOPBACK}:{port}/readyz")
        processes = {**system.processes, **{name: psutil.Process(each.pid) for name, each in started.items()}}
        yield Way(replace(stack.target, port=port), processes, metrics_url(f"{LOOPBACK}:{probes}"))


@contextlib.contextmanager
def _collector() -> Iterator[str]:
    """Runs one that keeps nothing; its URL."""
    process = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.trace_sink"), cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        if process.stdout is None:
            raise RuntimeError("it has a pipe")
        yield f"http://{LOOPBACK}:{int(process.stdout.readline())}"
        process.stdout.close()
    finally:
        stop(process)
