"""`deploy/compose.yaml`: everything confined and bounded, and each process with the secrets and variables it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.docker import secrets
from deploy.local.options import ROOT
from tests.deploy import dockerfile
from tests.deploy.dockerfile import TARGETS
from tests.deploy.settings import loaded, unknown

OURS = {*TARGETS, "migrate"}
ENGINES = {"postgres", "redis", "mongodb", "pg-meta"}
Json = dict[str, Any]


@pytest.mark.parametrize("name", sorted(OURS | ENGINES))
class TestService:
    def test_can_do_nothing_that_it_need_not(self, name: str, compose: Json) -> None:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "cap_add" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        uid, _, gid = service["user"].partition(":")
        assert int(uid) > 0
        assert int(gid) > 0

    def test_writes_to_memory_and_volumes_alone(self, name: str, compose: Json) -> None:
        service = compose["services"][name]
        assert "/tmp" in service["tmpfs"]
        assert all(mount["type"] == "volume" for mount in service.get("volumes", ()))

    def test_has_a_bound_on_everything(self, name: str, compose: Json) -> None:
        service = compose["services"][name]
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits)
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}

    def test_ends_before_it_is_killed(self, name: str, compose: Json) -> None:
        if name in OURS:
            assert compose["services"][name]["stop_grace_period"] == "25s"

    def test_is_of_a_version(self, name: str, compose: Json) -> None:
        _, _, tag = compose["services"][name]["image"].rpartition(":")
        if name in ENGINES:
            assert tag.lstrip("v")[0].isdigit()
            assert tag.count(".") >= 1
        else:
            assert compose["services"][name]["build"]["target"] in TARGETS

    def test_is_asked_whether_it_is_well(self, name: str, compose: Json) -> None:
        check = compose["services"][name].get("healthcheck", {})
        if name in ENGINES:
            assert check["test"][0] in {"CMD", "CMD-SHELL"}
            assert {"interval", "timeout", "retries", "start_period"} <= set(check)
        else:
            # Our own images bring theirs along; what ends by itself has none.
            assert check == ({"disable": True} if name == "migrate" else {})

    def test_shows_no_secret_in_its_variables(self, name: str, compose: Json) -> None:
        for variable, value in compose["services"][name].get("environment", {}).items():
            is_secret = any(word in variable for word in ("SECRET", "PASSWORD", "CRYPTO_KEY"))
            assert not is_secret or value.startswith("/run/secrets/"), variable

    def test_mounts_the_secrets_that_it_names_and_no_others(self, name: str, compose: Json) -> None:
        service = compose["services"][name]
        names = str([service.get(part) for part in ("environment", "command", "healthcheck")])
        mounted = {each["source"] for each in service.get("secrets", ())}
        assert mounted == set(re.findall(r"/run/secrets/(\w+)", names))


def test_there_is_nothing_else(compose: Json) -> None:
    assert set(compose["services"]) == OURS | ENGINES


def test_the_gateway_alone_can_be_reached_and_from_this_host_alone(compose: Json) -> None:
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(ports) == {"gateway"}
    assert [port["host_ip"] for port in ports["gateway"]] == ["127.0.0.1"]


def test_what_stores_is_on_a_network_without_a_way_out(compose: Json) -> None:
    assert compose["networks"]["data"]["internal"] is True
    for name in ENGINES - {"pg-meta"}:
        assert set(compose["services"][name]["networks"]) == {"data"}
    assert set(compose["services"]["gateway"]["networks"]) == {"edge", "services"}


def test_replicas_share_no_spool(compose: Json) -> None:
    for name in OURS - {"gateway", "migrate"}:
        (spool,) = compose["services"][name]["volumes"]
        assert spool["target"] == "/var/lib/studio/spool"
        assert "source" not in spool, "a volume with a name is one for all replicas"
        assert "container_name" not in compose["services"][name]


def test_the_schema_is_there_before_the_registry(compose: Json) -> None:
    waits = compose["services"]["registry"]["depends_on"]
    assert waits["migrate"]["condition"] == "service_completed_successfully"
    assert compose["services"]["migrate"]["command"] == ["python", "-m", "services.registry", "migrate"]


def test_every_secret_is_made(compose: Json, secrets_directory: Path) -> None:
    files = {Path(secret["file"]) for secret in compose["secrets"].values()}
    assert files == set(secrets_directory.iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_a_process_starts_with_its_variables_and_reads_all_of_them(
    name: str, compose: Json, secrets_directory: Path
) -> None:
    variables = dockerfile.environment(name) | compose["services"][name]["environment"]
    given = {
        key: re.sub(r"^/run/secrets/(\w+)$", rf"{secrets_directory}/\1.txt", value)
        for key, value in variables.items()
        if key != "CONSOLE_DIR"  # of the image
    }
    assert unknown(name, given) == set()
    loaded(name, given)


class TestSecrets:
    def test_are_fresh_and_only_for_who_gets_there(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        names = secrets.make(first, {})
        secrets.make(second, {})
        assert all(
            (first / f"{name}.txt").read_text() != (second / f"{name}.txt").read_text() for name in names
        )
        assert first.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in first.iterdir()} == {0o444}

    def test_that_are_there_stay(self, tmp_path: Path) -> None:
        secrets.make(tmp_path, {})
        before = {path: path.read_text() for path in tmp_path.iterdir()}
        (tmp_path / "redis_conf.txt").unlink()
        assert secrets.make(tmp_path, {}) == ["redis_conf"]
        assert {path: path.read_text() for path in tmp_path.iterdir()} == before

    def test_of_users_may_be_studios_own(self, tmp_path: Path) -> None:
        own = "the-secret-of-studio-itself-0123456789"
        secrets.make(tmp_path, {"JWT_SECRET": own})
        assert (tmp_path / "jwt_secret.txt").read_text() == f"{own}\n"
        with pytest.raises(SystemExit, match="at least 32"):
            secrets.make(tmp_path / "other", {"JWT_SECRET": "short"})

    def test_are_in_no_image_and_no_repository(self) -> None:
        assert secrets.DEFAULT == ROOT / "deploy" / "secrets"
        assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
        ignored, *exceptions = [
            line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"
        ]
        assert ignored == "*"
        assert not any("secrets" in line for line in exceptions if line.startswith("!"))
