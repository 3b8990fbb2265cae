"""Waiting for the parts of the system, and the probes of our own services."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable

import grpc
import httpx
from grpc_health.v1 import health_pb2

from deploy.local.options import LocalError
from deploy.local.program import Program

# https://github.com/grpc/grpc/blob/master/doc/health-checking.md
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
INTERVAL_S = 0.1
PROBE_TIMEOUT_S = 2.0
# A program that ended this often before it was ready will not become so.
MAX_EXITS = 3


class Interrupted(Exception):  # noqa: N818  not an error: the user wants to stop
    """The user asked to stop while the system was starting."""


class NotReady(Exception):  # noqa: N818  a state, not an error
    """What a probe raises when the other side answers, but not yet as it should."""


def wait_ready(
    program: Program,
    *,
    exits: Callable[[], int],
    tail: Callable[[], str],
    stop: threading.Event,
) -> None:
    """Returns when `program` is ready.

    Args:
        program: what to probe, and for how long at most.
        exits: how often it has ended meanwhile.
        tail: the end of its log.
        stop: set when the user wants to stop.

    Raises:
        LocalError: it did not get ready in time, or kept ending.
        Interrupted: `stop` was set.
    """
    deadline = time.monotonic() + program.ready_within_s
    while True:
        try:
            program.ready()
        except Exception as error:  # noqa: BLE001  each probe fails in its own way, and each means: not yet
            reason = f"{type(error).__name__}: {error}"
        else:
            return
        if exits() >= MAX_EXITS:
            raise LocalError(f"{program.name} does not start. The end of its log:\n{tail()}")
        if time.monotonic() > deadline:
            raise LocalError(
                f"{program.name} was not ready within {program.ready_within_s:.0f} s ({reason}). "
                f"The end of its log:\n{tail()}"
            )
        if stop.wait(INTERVAL_S):
            raise Interrupted


def grpc_serving(
    address: str, credentials: Callable[[], grpc.ChannelCredentials | None] = lambda: None
) -> Callable[[], None]:
    """A probe: the server at `address` says SERVING in the gRPC health protocol.

    Args:
        address: `host:port`.
        credentials: for TLS, asked for anew each time: files may have been renewed.
    """
    # The one who called may have set a proxy, for the way out of this machine.
    options = [("grpc.enable_http_proxy", 0)]

    def open_channel() -> grpc.Channel:
        found = credentials()
        if found is None:
            return grpc.insecure_channel(address, options=options)
        return grpc.secure_channel(address, found, options=options)

    def probe() -> None:
        with contextlib.closing(open_channel()) as channel:
            check = channel.unary_unary(
                HEALTH_CHECK,
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            answer = check(health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_S)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            raise NotReady(f"its health is {name}")

    return probe


def http_ok(url: str, context: Callable[[], ssl.SSLContext | None] = lambda: None) -> Callable[[], None]:
    """A probe: `url` answers 200; `context` is what it trusts, for https."""

    def probe() -> None:
        answer = httpx.get(url, timeout=PROBE_TIMEOUT_S, trust_env=False, verify=context() or True)
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"it answers {answer.status_code}")

    return probe
