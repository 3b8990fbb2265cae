"""`make run`: how it starts, what it says, and that nothing of it stays behind."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import httpx
import psutil
import pytest
import redis

from deploy.local import leftovers, ports, sample_documents
from deploy.local.options import DEFAULT_GATEWAY_PORT, LOOPBACK, ROOT
from deploy.local.readiness import grpc_serving
from deploy.local.state import State
from deploy.local.tokens import mint
from tests.local.conftest import Launch
from tests.support.engines import ValkeyFactory
from tests.support.launcher import Launcher
from tests.support.mongodb import MongoFactory

# Starts the launcher as make does, and waits for it.
PARENT = (sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))")


@pytest.fixture(scope="module")
def running() -> Iterator[Launcher]:
    """One that runs already, for tests that leave it as it is."""
    state = State(Path(tempfile.mkdtemp(prefix="studio-local-")))
    tuning = {"GATEWAY_PORT": str(ports.pick()), "LOG_LEVEL": "DEBUG"}
    secrets = {"MONGODB_CRYPTO_KEY": token_urlsafe(32), "GITHUB_TOKEN": "of-the-user"}
    launcher = Launcher(state.path, environment=tuning | secrets)
    launcher.ready()
    yield launcher
    launcher.close()
    state.remove()


def databases(launcher: Launcher, state: State) -> list[dict[str, object]]:
    """What the gateway lists."""
    secret = state.known_secret("JWT_SECRET")
    assert secret is not None
    answer = httpx.get(
        f"{launcher.url}/api/platform/databases",
        params={"projectRef": "default"},
        headers={"authorization": f"Bearer {mint('read_only', secret)}"},
        trust_env=False,
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    listed: list[dict[str, object]] = answer.json()
    return listed


def gone(processes: dict[str, psutil.Process]) -> bool:
    """Whether all of them end, within a bound."""
    _, alive = psutil.wait_procs(list(processes.values()), timeout=60)
    return not alive


def test_ctrl_c_stops_everything_and_the_next_run_finds_what_the_first_stored(
    launch: Launch, state: State
) -> None:
    first = launch()
    first.ready()
    before = databases(first, state)
    running = first.processes()
    assert len(running) >= 8
    addresses = json.loads(state.services_file.read_text())
    assert addresses.keys() == {"registry", "redis_svc", "mongo_svc", "bun_proxy"}
    for address in addresses.values():
        grpc_serving(address)()
    assert first.stop(signal.SIGINT) == 0
    assert gone(running)
    assert first.processes() == {}
    assert f"make -s token ROLE=owner STATE_DIR={state.path} " in first.output
    assert not state.engines_file.exists()
    assert not state.services_file.exists()

    second = launch()
    second.ready()
    assert databases(second, state) == before
    assert json.loads(state.services_file.read_text()) == addresses
    samples = ["sample-bun", "sample-mongodb", "sample-postgres", "sample-redis"]
    assert [each["name"] for each in before] == ["env-postgres", *samples]
    for things in ("sample keys", "sample documents"):
        assert things in first.output
        assert things not in second.output
    assert second.stop(signal.SIGTERM) == 0


def test_nothing_lingers_when_the_launcher_is_killed(launch: Launch, state: State) -> None:
    launcher = launch()
    launcher.ready()
    running = launcher.processes()
    launcher.process.kill()
    launcher.wait()
    assert gone(running)
    again = launch()
    again.ready()
    assert databases(again, state)


def test_nothing_lingers_when_make_is_killed(launch: Launch) -> None:
    launcher = launch(through=PARENT, arguments=("--with-parent",))
    launcher.ready()
    running = launcher.processes()
    launcher.process.kill()
    launcher.process.wait()
    assert gone(running)


def test_the_launcher_ends_when_the_supervisor_is_killed(launch: Launch) -> None:
    launcher = launch()
    launcher.ready()
    running = launcher.processes()
    launcher.process_of("supervisord").kill()
    assert launcher.wait() == 1
    assert "the supervisor ended unexpectedly" in launcher.output
    assert gone(running)


def test_a_service_that_dies_is_restarted_and_that_is_said(running: Launcher) -> None:
    running.process_of("services.redis_svc").kill()
    line = running.wait_for("redis_svc was killed by SIGKILL, restarted (pid ")
    assert psutil.Process(int(line.rpartition(" ")[2].rstrip(")"))).is_running()


def test_a_second_run_in_the_same_directory_is_refused(running: Launcher) -> None:
    second = Launcher(running.state_dir, environment={"GATEWAY_PORT": str(ports.pick())})
    try:
        assert second.wait() == 1
    finally:
        second.process.wait()
        second.close_pipe()
    assert f"a system runs in {running.state_dir} already (process {running.process.pid})" in second.output
    assert httpx.get(f"{running.url}/healthz", trust_env=False).status_code == httpx.codes.OK


def test_a_port_that_was_asked_for_and_is_taken_is_named(launch: Launch) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        launcher = launch(port=port)
        assert launcher.wait() == 1
    assert f"GATEWAY_PORT {port} of 127.0.0.1 is taken" in launcher.output


def test_another_port_is_found_when_the_usual_one_is_taken(launch: Launch) -> None:
    holder = socket.socket()
    try:
        holder.bind((LOOPBACK, DEFAULT_GATEWAY_PORT))
        holder.listen()
    except OSError:
        holder.close()  # someone else has it already, which is what this test wants
    launcher = launch(port=0)
    url = launcher.ready()
    holder.close()
    assert (
        f"port {DEFAULT_GATEWAY_PORT} is taken, so the gateway uses {url.rpartition(':')[2]}"
        in launcher.output
    )


def test_a_service_that_does_not_start_is_named_with_the_end_of_its_log(launch: Launch) -> None:
    launcher = launch(environment={"JWT_SECRET": "too-short"})
    assert launcher.wait() == 1
    assert "does not start" in launcher.output
    assert "JWT_SECRET must have at least 32 characters" in launcher.output
    assert launcher.processes() == {}


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "8000.0"])
def test_a_port_that_is_none_is_refused(launch: Launch, port: str) -> None:
    launcher = launch(port=0, environment={"GATEWAY_PORT": port})
    assert launcher.wait() == 2
    assert "GATEWAY_PORT must be a number from 1 to 65535" in launcher.output


def test_files_with_secrets_are_private_and_logs_and_command_lines_hold_none(running: Launcher) -> None:
    state_dir = running.state_dir
    secrets = list(json.loads((state_dir / "secrets.json").read_text()).values())
    assert len(secrets) >= 5
    for command in running.processes():
        assert not any(secret in command for secret in secrets), command
    for path in [path for path in state_dir.rglob("*") if path.is_file() and "data" not in path.parts]:
        content = path.read_bytes()
        if any(secret.encode() in content for secret in secrets):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
            assert path.parent.name != "logs", path


def test_each_process_gets_the_secrets_that_it_needs_and_no_others(running: Launcher) -> None:
    registry = running.process_of("services.registry").environ()
    redis_svc = running.process_of("services.redis_svc").environ()
    mongo_svc = running.process_of("services.mongo_svc").environ()
    bun_proxy = running.process_of("services.bun_proxy").environ()
    gateway = running.process_of("-m gateway").environ()
    assert {"DATABASE_URL", "MULTI_DB_CRYPTO_KEY", "MONGODB_CRYPTO_KEY"} <= registry.keys()
    assert {"MULTI_DB_CRYPTO_KEY", "SERVICE_TOKEN_SECRET"} <= redis_svc.keys()
    assert {"MONGODB_CRYPTO_KEY", "SERVICE_TOKEN_SECRET"} <= mongo_svc.keys()
    assert not {"DATABASE_URL", "MONGODB_CRYPTO_KEY", "REDIS_URL"} & redis_svc.keys()
    assert not {"DATABASE_URL", "REDIS_URL", "MONGODB_URL"} & mongo_svc.keys()
    assert not {"DATABASE_URL", "REDIS_URL", "MONGODB_CRYPTO_KEY", "PG_META_CRYPTO_KEY"} & bun_proxy.keys()
    assert not {"DATABASE_URL", "MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY", "REDIS_URL"} & gateway.keys()
    for environment in (registry, redis_svc, mongo_svc, bun_proxy, gateway):
        assert "GITHUB_TOKEN" not in environment
        assert environment["LOG_LEVEL"] == "DEBUG"


def test_engines_of_the_user_are_used_and_get_no_sample_data(
    launch: Launch, state: State, database_url: str, valkey_url: str, start_mongodb: MongoFactory
) -> None:
    mongodb = start_mongodb()
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        launcher = launch(
            environment={"DATABASE_URL": database_url, "REDIS_URL": valkey_url, "MONGODB_URL": mongodb.url}
        )
        launcher.ready()
        assert client.dbsize() == 0
    with mongodb.engine.client() as client_:
        assert sample_documents.DATABASE not in client_.list_database_names()
    embedded = json.loads(state.engines_file.read_text())
    assert embedded.keys() == {"bun", "pg_meta"}
    assert not {"postgres", "redis", "mongodb"} & {path.name for path in state.path.iterdir()}
    stored = {each["name"]: each["port"] for each in databases(launcher, state) if each["source"] == "stored"}
    assert stored == {
        "sample-redis": int(valkey_url.rpartition(":")[2]),
        "sample-mongodb": mongodb.port,
        "sample-bun": int(embedded["bun"].rpartition(":")[2]),
    }


async def test_engines_of_the_user_that_are_down_are_no_obstacle(
    launch: Launch, start_valkey: ValkeyFactory, start_mongodb: MongoFactory
) -> None:
    valkey, mongodb = await start_valkey(), start_mongodb()
    launcher_environment = {"REDIS_URL": valkey.url, "MONGODB_URL": mongodb.url}
    valkey.kill()
    mongodb.kill()
    launcher = launch(environment=launcher_environment)
    launcher.ready()
    assert "REDIS_URL: could not register sample-redis" in launcher.output
    assert "MONGODB_URL: could not register sample-mongodb" in launcher.output
    assert valkey.password not in launcher.output
    assert mongodb.password not in launcher.output


def test_a_directory_with_a_long_and_strange_name_will_do(launch: Launch, state: State) -> None:
    path = state.path / "a folder of 100 % ünusual length" / ("x" * 120)
    launcher = launch(environment={"STATE_DIR": str(path)})
    try:
        launcher.ready()
        assert launcher.stop() == 0
        assert leftovers.processes(path / "run") == []
    finally:
        State(path).remove()


def test_make_clean_leaves_folders_of_others_and_running_systems_alone(
    running: Launcher, tmp_path: Path
) -> None:
    def clean(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "deploy.local.clean"),
            cwd=ROOT,
            env={"STATE_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    (tmp_path / "letter").write_text("of mine")
    refused = clean(tmp_path)
    assert (refused.returncode, (tmp_path / "letter").exists()) == (1, True)
    assert "is not a state directory" in refused.stderr
    assert "a system runs in" in clean(running.state_dir).stderr
