"""A service from its start to its end: settings, probes, background work, signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.runtime import server, tasks
from services.runtime.server import Runtime, Servicer
from services.runtime.settings import ServiceSettings
from studio.redis.v1 import redis_service_pb2 as redis
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from tests.runtime.conftest import Output
from tests.runtime.harness import (
    JWT_SECRET,
    OWNER,
    SERVICE_SECRET,
    UUID,
    Redis,
    redis_servicer,
    running,
    settings,
    until,
)

ENVIRONMENT = {
    "GRPC_ADDRESS": "127.0.0.1:0",
    "HTTP_ADDRESS": "127.0.0.1:0",
    "JWT_SECRET": JWT_SECRET,
    "SERVICE_TOKEN_SECRET": SERVICE_SECRET,
    "SHUTDOWN_NOTICE_S": "0",
}

# Its one call goes on while the service stops, until a file says that it may end.
PROGRAM = """
import asyncio, contextlib, os, pathlib
from services.runtime.server import run
from services.runtime.settings import ServiceSettings
from tests.runtime.harness import Redis, every_database, redis_servicer

@contextlib.asynccontextmanager
async def open_app(settings, runtime):
    async def hold(request, context):
        print('{"event": "inside"}', flush=True)
        await runtime.stopping.wait()
        while not pathlib.Path(os.environ["MAY_END"]).exists():
            await asyncio.sleep(0.01)
    async def work():
        await asyncio.Event().wait()
    runtime.background("work", work)
    runtime.rights.use(every_database)
    yield [redis_servicer(Redis(hold))]
    print('{"event": "closed"}', flush=True)

run("program", ServiceSettings, open_app)
"""


class Program:
    """A service in a process of its own."""

    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**ENVIRONMENT, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, event: str) -> dict[str, Any]:
        """Reads its output up to an event."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
        raise AssertionError(f"it ended without {event}")

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    made: list[Program] = []
    yield made
    for program in made:
        if program.process.poll() is None:
            program.process.kill()
            program.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_when_what_runs_has_ended(
    number: signal.Signals, tmp_path: Path, programs: list[Program]
) -> None:
    may_end = tmp_path / "may end"
    program = Program(MAY_END=str(may_end))
    programs.append(program)
    started = await asyncio.to_thread(program.wait_for, "service.started")
    probe = f"http://127.0.0.1:{started['http_port']}/healthz"
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{started['grpc_port']}") as channel,
        httpx.AsyncClient() as http,
    ):
        assert (await http.get(probe)).status_code == 200
        call = RedisServiceStub(channel).GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        await asyncio.to_thread(program.wait_for, "inside")
        os.kill(program.process.pid, number)
        await asyncio.to_thread(program.wait_for, "service.stopping")
        assert (await http.get(probe)).status_code == 503
        assert not call.done()
        may_end.touch()
        assert (await call).service == "up"
    await asyncio.to_thread(program.wait_for, "closed")
    assert await asyncio.to_thread(program.end) == (0, "")


async def test_before_it_stops_others_have_time_to_notice(tmp_path: Path, programs: list[Program]) -> None:
    (tmp_path / "may end").touch()
    program = Program(MAY_END=str(tmp_path / "may end"), SHUTDOWN_NOTICE_S="600")
    programs.append(program)
    started = await asyncio.to_thread(program.wait_for, "service.started")
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{started['grpc_port']}") as channel,
        httpx.AsyncClient() as http,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        os.kill(program.process.pid, signal.SIGTERM)
        await asyncio.to_thread(program.wait_for, "service.leaving")
        assert (await http.get(f"http://127.0.0.1:{started['http_port']}/healthz")).status_code == 503
        said = await health.Check(health_pb2.HealthCheckRequest())
        assert said.status == health_pb2.HealthCheckResponse.NOT_SERVING
        # A connection of its own: the service still listens.
        async with grpc.aio.insecure_channel(f"127.0.0.1:{started['grpc_port']}") as another:
            call = RedisServiceStub(another).GetStatus(redis.GetStatusRequest(), metadata=OWNER)
            await asyncio.to_thread(program.wait_for, "inside")
            os.kill(program.process.pid, signal.SIGTERM)  # does not want to wait
            assert (await call).service == "up"
    await asyncio.to_thread(program.wait_for, "closed")
    assert await asyncio.to_thread(program.end) == (0, "")


@pytest.mark.parametrize("name", ["GRPC_ADDRESS", "HTTP_ADDRESS"])
def test_a_taken_port_stops_the_start_with_a_sentence(name: str, programs: list[Program]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        program = Program(**{name: address})
        programs.append(program)
        code, errors = program.end()
    assert code == 1
    assert [line for line in errors.splitlines() if line.startswith("configuration:")] == [
        line for line in errors.splitlines() if f"{name} {address} can't be bound" in line
    ]
    assert "Traceback" not in errors
    assert "can't be bound" in errors


def test_a_bad_setting_stops_the_start_with_a_sentence(programs: list[Program]) -> None:
    program = Program(LOG_LEVEL="LOUD")
    programs.append(program)
    code, errors = program.end()
    assert (code, errors) == (1, "configuration: LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR\n")


async def test_the_probes(output: Output) -> None:
    async with running(redis_servicer(Redis())) as service, httpx.AsyncClient() as http:
        base = f"http://127.0.0.1:{output.of('service.started')[0]['http_port']}"
        await service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        healthy = await http.get(f"{base}/healthz?full=1")
        assert (healthy.status_code, healthy.text) == (200, "ok\n")
        assert (await http.head(f"{base}/healthz")).status_code == 200
        metrics = (await http.get(f"{base}/metrics")).text
        assert (
            'studio_rpc_calls_total{code="OK",method="GetStatus",service="studio.redis.v1.RedisService"}'
            in metrics
        )
        assert 'studio_build_info{service="tests",version="0.1.0"} 1.0' in metrics
        assert 'studio_rpc_running{method="GetStatus",service="studio.redis.v1.RedisService"} 0.0' in metrics
        assert (await http.get(f"{base}/")).status_code == 404
        assert (await http.post(f"{base}/healthz")).status_code == 501


async def test_it_stops_serving_before_it_ends_its_calls() -> None:
    inside, leave = asyncio.Event(), asyncio.Event()

    async def hold(request: object, context: object) -> None:
        del request, context
        inside.set()
        await leave.wait()

    async with running(redis_servicer(Redis(hold))) as service:
        health: Any = health_pb2_grpc.HealthStub(service.channel)
        watched = health.Watch(health_pb2.HealthCheckRequest(service="studio.redis.v1.RedisService"))
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        call = service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        await inside.wait()
        assert not service.runtime.stopping.is_set()
        service.stop.set()
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert service.runtime.stopping.is_set()
        watched.cancel()
        leave.set()
        assert (await call).service == "up"


async def test_calls_that_outlast_the_grace_are_ended() -> None:
    inside, ended = asyncio.Event(), asyncio.Event()

    async def hold(request: object, context: object) -> None:
        del request, context
        inside.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with running(redis_servicer(Redis(hold)), shutdown_grace_s=0.05) as service:
        call = service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        await inside.wait()
        service.stop.set()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        await asyncio.wait_for(ended.wait(), 10)


async def test_a_message_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_REQUEST_BYTES", 1000)
    async with running(redis_servicer(handler := Redis())) as service:
        request = redis.SetValueRequest(database_id=UUID, key="k", value="x" * 2000)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.redis.SetValue(request, metadata=OWNER)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert handler.reached == []
        await service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)


async def test_background_work_that_fails_is_logged_and_begins_again(output: Output) -> None:
    runs: list[int] = []
    well: list[int] = []
    stopped = asyncio.Event()

    async def work() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise RuntimeError(f"at redis://u:canary@h, {len(runs)}")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def once() -> None:
        well.append(1)

    async with running() as service:
        service.runtime.background("work", work)
        service.runtime.background("once", once)
        await until(lambda: len(runs) == 3)
    assert stopped.is_set(), "cancelled at the stop"
    assert well == [1], "what ends well is not begun again"
    failed = output.of("background.failed")
    assert [line["task"] for line in failed] == ["work", "work"]
    assert "canary" not in output.text
    assert "RuntimeError" in failed[0]["exception"]


async def test_background_work_that_loses_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_S", 0.01)
    asked: list[int] = []

    async def work() -> None:
        while len(asked) < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked.append(1)
        await asyncio.Event().wait()

    async with running() as service:
        service.runtime.background("work", work)
        await asyncio.sleep(0)  # it has begun
    assert len(asked) == 3


async def serving(open_app: server.OpenApp[ServiceSettings]) -> None:
    await server.serve("tests", settings(), open_app, stop=asyncio.Event())


async def test_an_app_that_can_not_be_opened_leaves_nothing_behind() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def open_engine() -> None:
        await asyncio.sleep(0)
        raise OSError("no such engine")

    @contextlib.asynccontextmanager
    async def open_app(
        _settings: ServiceSettings, runtime: Runtime[ServiceSettings]
    ) -> AsyncIterator[Sequence[Servicer]]:
        runtime.background("work", work)
        await open_engine()
        yield ()

    with pytest.raises(OSError, match="no such engine"):
        await serving(open_app)
    assert ended.is_set()


async def test_a_service_whose_task_is_cancelled_stops_listening() -> None:
    async with running(redis_servicer(Redis())) as service:
        service.task.cancel()
        await asyncio.wait([service.task])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await service.redis.GetStatus(redis.GetStatusRequest(), metadata=OWNER)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        service.task = asyncio.create_task(asyncio.sleep(0))


async def test_both_address_families() -> None:
    if not socket.has_ipv6:
        pytest.skip("this host has no IPv6")
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this host has no IPv6")
    async with running(redis_servicer(Redis()), grpc_address="[::]:0", http_address="[::]:0") as service:
        for host in ("127.0.0.1", "[::1]"):
            async with grpc.aio.insecure_channel(f"{host}:{service.port}") as channel:
                await RedisServiceStub(channel).GetStatus(redis.GetStatusRequest(), metadata=OWNER)
