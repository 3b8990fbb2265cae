"""The parts of the local system that need no engine: options, state, tokens, environment, events, steps."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from deploy.local import bootstrap, ports
from deploy.local.environment import inherited
from deploy.local.options import DEFAULT_STATE_DIR, ROOT, LocalError, from_environment
from deploy.local.state import State
from deploy.local.supervisor import Event, parse
from deploy.local.tokens import ROLES


def token(*arguments: str, state_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "deploy.local.tokens", *arguments),
        cwd=ROOT,
        env={"STATE_DIR": str(state_dir)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_token_is_all_that_is_printed(state: State, role: str) -> None:
    secret = state.secret("JWT_SECRET")
    printed = token(role, state_dir=state.path)
    assert (printed.returncode, printed.stderr) == (0, "")
    claims = jwt.decode(printed.stdout.strip(), secret, algorithms=["HS256"], audience="authenticated")
    assert (claims["role"], claims["sub"]) == (role, f"{role}@local")
    assert claims["exp"] > claims["iat"]


@pytest.mark.parametrize("arguments", [(), ("",), ("root",), ("Owner",), ("service_role",)])
def test_a_role_that_is_none_is_refused_with_a_list_of_those_that_are(
    state: State, arguments: tuple[str, ...]
) -> None:
    printed = token(*arguments, state_dir=state.path)
    assert (printed.returncode, printed.stdout) == (2, "")
    assert "ROLE must be one of owner, administrator, developer, read_only" in printed.stderr


def test_there_is_no_token_for_a_system_that_never_was(state: State) -> None:
    printed = token("owner", state_dir=state.path)
    assert (printed.returncode, printed.stdout) == (1, "")
    assert "no system was ever started in" in printed.stderr


def test_a_secret_is_made_up_once_and_is_private(state: State) -> None:
    secret = state.secret("JWT_SECRET")
    assert len(secret) >= 32
    assert State(state.path).secret("JWT_SECRET") == secret
    assert state.secret("SERVICE_TOKEN_SECRET") != secret
    assert stat.S_IMODE((state.path / "secrets.json").stat().st_mode) == 0o600


def test_the_addresses_of_the_engines_are_private(state: State) -> None:
    state.write_engines({"redis": "redis://:secret@127.0.0.1:1"})
    assert stat.S_IMODE(state.engines_file.stat().st_mode) == 0o600
    assert json.loads(state.engines_file.read_text()) == {"redis": "redis://:secret@127.0.0.1:1"}


def test_a_port_is_kept_from_run_to_run_unless_it_is_taken(state: State) -> None:
    port = state.port("redis")
    assert State(state.path).port("redis") == port
    with socket.create_server(("127.0.0.1", port)):
        assert state.port("redis") != port


def test_two_names_never_share_a_port(state: State) -> None:
    assert len({state.port(f"service-{number}") for number in range(50)}) == 50


def test_a_port_that_is_taken_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reservations are Linux's")
def test_a_port_that_was_chosen_is_chosen_by_no_other_process() -> None:
    port = ports.pick()
    code = f"from deploy.local import ports; print(ports.is_free({port}), ports.reserve({port}))"
    seen = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["True", "False"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match=f"cannot use {tmp_path}/file/state as the state directory"):
        State(tmp_path / "file" / "state").create()


def test_the_directory_is_the_repositorys_unless_it_is_chosen() -> None:
    assert from_environment({}).state_dir == ROOT / DEFAULT_STATE_DIR
    assert from_environment({"STATE_DIR": "elsewhere"}).state_dir == ROOT / "elsewhere"
    assert from_environment({"STATE_DIR": "/elsewhere"}).state_dir == Path("/elsewhere")


def test_a_host_that_is_none_is_refused() -> None:
    with pytest.raises(LocalError, match="GATEWAY_HOST must be an IP address"):
        from_environment({"GATEWAY_HOST": "example.com"})


@pytest.mark.parametrize(
    "name",
    ["DATABASE_URL", "REDIS_URL", "MONGODB_URL", "JWT_SECRET", "MULTI_DB_CRYPTO_KEY", "REDIS_CRYPTO_KEYS_RETIRED",
     "PGPASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "BUN_API_KEY", "STATE_DIR", "GATEWAY_PORT", "MAKEFLAGS"],
)  # fmt: skip
def test_secrets_and_the_callers_own_variables_are_not_inherited(name: str) -> None:
    assert name not in inherited({name: "value"})


@pytest.mark.parametrize(
    "name", ["LOG_LEVEL", "PATH", "OUTBOUND_DENY", "GATEWAY_MAX_REQUEST_BYTES", "COVERAGE_FILE"]
)
def test_tuning_is_inherited(name: str) -> None:
    assert inherited({name: "value"})[name] == "value"


def test_calls_between_our_processes_pass_no_proxy() -> None:
    assert inherited({"no_proxy": "example.com"})["no_proxy"].split(",") == [
        "example.com",
        "127.0.0.1",
        "localhost",
        "::1",
    ]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("2026-01-01 00:00:00,000 INFO spawned: 'redis' with pid 17", Event("spawned", "redis", "17")),
        ("… INFO exited: redis (exit status 1; not expected)", Event("exited", "redis", "exit status 1")),
        (
            "… WARN exited: redis (terminated by SIGKILL; not expected)",
            Event("exited", "redis", "terminated by SIGKILL"),
        ),
        (
            "… INFO gave up: redis entered FATAL state, too many start retries too quickly",
            Event("gave up", "redis"),
        ),
        ("… INFO supervisord started with pid 1", None),
    ],
)
def test_supervisords_log_tells_what_happens(line: str, event: Event | None) -> None:
    assert parse(line) == event


def test_a_step_is_done_once_for_the_same_input(tmp_path: Path) -> None:
    stamp = tmp_path / ".stamp"
    done = []
    for fingerprint in ("one", "one", "two"):
        with bootstrap.step(stamp, fingerprint) as needed:
            done.append(needed)
    assert done == [True, False, True]


def test_a_step_that_fails_is_repeated(tmp_path: Path) -> None:
    stamp = tmp_path / ".stamp"
    with pytest.raises(ValueError, match="no network"), bootstrap.step(stamp, "one"):
        raise ValueError("no network")
    with bootstrap.step(stamp, "one") as needed:
        assert needed


def test_setting_up_needs_nothing_that_is_not_in_pythons_library() -> None:
    imports = subprocess.run(
        (sys.executable, "-I", "-S", str(ROOT / "deploy" / "local" / "bootstrap.py"), "--help"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert imports.returncode == 0, imports.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is what this is about")
def test_make_lists_its_targets() -> None:
    listed = subprocess.run(
        ("make",), cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    )
    for target in ("run", "token", "test", "lint", "protos", "bench", "clean"):
        assert f"make {target} " in listed.stdout
