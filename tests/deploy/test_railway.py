"""Railway: the project as code, the script and the older files say the same, and the services start with it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.environment import inherited
from deploy.local.options import ROOT
from deploy.railway import variables
from deploy.railway.variables import HOLDER, SECRETS, VARIABLES
from gateway import clusters
from tests.deploy.dockerfile import TARGETS
from tests.deploy.settings import loaded, unknown

Json = dict[str, Any]
SECRET = "made-up-for-this-test-0123456789-abcdef"
PROVIDED = {
    "Postgres": {"DATABASE_URL": "postgresql://postgres:p@postgres.railway.internal:5432/railway"},
    "Redis": {"REDIS_URL": "redis://default:p@redis.railway.internal:6379"},
}
REFERENCE = re.compile(r"\$\{\{([\w-]+)\.([A-Z_]+)\}\}")
OF_RAILWAY = {"STUDIO_TARGET", "PORT"}


def declared(environment: str, **given: str) -> dict[str, Json]:
    """What `.railway/railway.ts` asks for in an environment, by name of the service."""
    done = subprocess.run(
        [Path(sys.executable).parent / "node", "tests/deploy/railway.mjs", environment],
        cwd=ROOT,
        env=inherited(os.environ) | given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resources = json.loads(done.stdout)["resources"]
    flat = [one for each in resources for one in (each if isinstance(each, list) else [each])]
    return {each["name"]: each for each in flat if each["type"] != "group"}


@pytest.fixture(scope="module")
def production() -> dict[str, Json]:
    return declared("production")


def text(variable: Json) -> str | None:
    """A variable as Railway's dashboard would show it; None where it keeps what is there."""
    if variable["type"] == "reference":
        return f"${{{{{variable['resource'].partition('.')[2]}.{variable['output']}}}}}"
    return None if variable["type"] == "preserve" else variable["value"]


def resolved(service: str) -> dict[str, str]:
    """The variables of a service as it gets them."""

    def of(match: re.Match[str]) -> str:
        other, name = match.groups()
        if name == "RAILWAY_PRIVATE_DOMAIN":
            assert other in VARIABLES
            return f"{other}.railway.internal"
        if other in PROVIDED:
            return PROVIDED[other][name]
        assert (other, name in SECRETS) == (HOLDER, True)
        return f"{name}-{SECRET}"

    secrets = {name: f"{name}-{SECRET}" for name in SECRETS} if service == HOLDER else {}
    return secrets | {name: REFERENCE.sub(of, value) for name, value in VARIABLES[service].items()}


def test_there_is_a_service_for_each_process_and_what_they_need(production: dict[str, Json]) -> None:
    assert set(production) == {*TARGETS, "pg-meta", "Postgres", "Redis"}
    assert set(VARIABLES) == {*TARGETS, "pg-meta"}


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_code_and_script_set_the_same_variables(name: str, production: dict[str, Json]) -> None:
    found = {key: text(value) for key, value in production[name]["variables"].items()}
    assert found == VARIABLES[name] | (dict.fromkeys(SECRETS) if name == HOLDER else {})


@pytest.mark.parametrize("name", TARGETS)
def test_code_and_older_file_ask_for_the_same(name: str, production: dict[str, Json]) -> None:
    older = json.loads((ROOT / "deploy" / "railway" / name / "railway.json").read_text())
    deploy = {key: value for key, value in production[name]["deploy"].items() if key != "numReplicas"}
    assert older["build"] == production[name]["build"]
    assert older["deploy"] == deploy


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_built_exists(name: str, production: dict[str, Json]) -> None:
    service = production[name]
    assert (ROOT / service["build"]["dockerfilePath"]).is_file()
    assert text(service["variables"]["STUDIO_TARGET"]) == name
    for pattern in service["build"]["watchPatterns"]:
        assert (ROOT / pattern.removesuffix("/**")).exists(), pattern


@pytest.mark.parametrize("name", TARGETS)
def test_a_process_starts_with_its_variables_and_reads_all_of_them(name: str) -> None:
    given = resolved(name)
    assert unknown(name, given) - OF_RAILWAY == set()
    loaded(name, given)


@pytest.mark.parametrize("name", TARGETS)
def test_health_is_asked_for_where_it_is_answered(name: str) -> None:
    settings: Any = loaded(name, resolved(name))
    port = settings.gateway_port if name == "gateway" else int(settings.http_address.rpartition(":")[2])
    assert str(port) == VARIABLES[name]["PORT"]
    if name != "gateway":
        # Environments from before October 2025 have IPv6 alone.
        assert settings.http_address.startswith("[::]:")
        assert settings.grpc_address.startswith("[::]:")


@pytest.mark.parametrize("name", TARGETS)
def test_addresses_are_those_that_services_listen_on(name: str) -> None:
    listening: dict[str, set[str]] = {"pg-meta": {VARIABLES["pg-meta"]["PG_META_PORT"]}}
    for other in TARGETS[:-1]:
        settings: Any = loaded(other, resolved(other))
        both = (settings.grpc_address, getattr(settings, "proxy_address", ""))
        listening[other] = {address.rpartition(":")[2] for address in both}
    for value in VARIABLES[name].values():
        if match := re.search(r"\$\{\{([\w-]+)\.RAILWAY_PRIVATE_DOMAIN\}\}:(\d+)$", value):
            assert match[2] in listening[match[1]], value


@pytest.mark.parametrize("name", [*TARGETS, "pg-meta"])
def test_a_replaced_deployment_has_time(name: str, production: dict[str, Json]) -> None:
    deploy = production[name]["deploy"]
    assert deploy["overlapSeconds"] > clusters.DNS_REFRESH_S + clusters.HEALTH_INTERVAL_S
    if name in TARGETS:
        settings: Any = loaded(name, resolved(name))
        grace = settings.gateway_drain_s if name == "gateway" else settings.shutdown_grace_s
        assert deploy["drainingSeconds"] > settings.shutdown_notice_s + grace


def test_the_schema_is_there_before_the_registry(production: dict[str, Json]) -> None:
    before = {
        name: each["deploy"].get("preDeployCommand") for name, each in production.items() if "deploy" in each
    }
    assert {name for name, command in before.items() if command} == {"registry"}
    assert before["registry"] == ["python -m services.registry migrate"]


def test_production_has_two_of_each_process_and_other_environments_one(production: dict[str, Json]) -> None:
    assert {production[name]["deploy"]["numReplicas"] for name in TARGETS} == {2}
    staging = declared("staging")
    assert {staging[name]["deploy"]["numReplicas"] for name in TARGETS} == {1}


def test_images_that_were_built_elsewhere_can_be_used() -> None:
    found = declared("production", STUDIO_IMAGES="registry.example/studio", STUDIO_VERSION="1.2.3")
    assert {found[name]["source"]["image"] for name in TARGETS} == {
        f"registry.example/studio/{name}:1.2.3" for name in TARGETS
    }


STAND_IN = """#!{python}
import json, pathlib, sys
state = pathlib.Path(__file__).with_name("state.json")
known = json.loads(state.read_text()) if state.exists() else {{"calls": [], "variables": {{}}}}
arguments = sys.argv[1:]
known["calls"].append(arguments)
service = known["variables"].setdefault(arguments[arguments.index("--service") + 1], {{}})
if arguments[:2] == ["variable", "list"]:
    print(json.dumps(service))
elif "--stdin" in arguments:
    service[arguments[-1]] = sys.stdin.read()
else:
    service.update(pair.split("=", 1) for pair in arguments if "=" in pair)
state.write_text(json.dumps(known))
"""


class TestScript:
    """Against a stand-in for Railway's CLI, which notes what it is told: there is no other without an account."""

    @pytest.fixture(autouse=True)
    def _stand_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        command = tmp_path / "railway"
        command.write_text(STAND_IN.format(python=sys.executable))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.delenv("JWT_SECRET", raising=False)
        monkeypatch.delenv("CORS_ALLOW_ORIGINS", raising=False)
        self.state = tmp_path / "state.json"

    def known(self) -> Json:
        found: Json = json.loads(self.state.read_text())
        return found

    def test_sets_everything_with_fresh_secrets(self, capsys: pytest.CaptureFixture[str]) -> None:
        variables.main([])
        found = self.known()["variables"]
        secrets = {name: found[HOLDER].pop(name) for name in SECRETS}
        assert found == VARIABLES
        assert len(set(secrets.values())) == len(SECRETS)
        assert min(map(len, secrets.values())) >= 43, "32 bytes of randomness, in base64"
        output = capsys.readouterr().out
        assert all(name in output for name in SECRETS)
        assert not any(value in output for value in secrets.values())

    def test_shows_no_secret_on_a_command_line(self) -> None:
        variables.main([])
        known = self.known()
        secrets = {known["variables"][HOLDER][name] for name in SECRETS}
        words = {word for call in known["calls"] for word in call}
        assert not any(secret in word for secret in secrets for word in words)

    def test_replaces_no_secret(self) -> None:
        variables.main(["--secrets"])
        before = self.known()["variables"]
        assert set(before) == {HOLDER}
        variables.main(["--secrets"])
        assert self.known()["variables"] == before

    def test_takes_what_is_studios_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JWT_SECRET", SECRET)
        monkeypatch.setenv("CORS_ALLOW_ORIGINS", "https://studio.example")
        variables.main(["--environment", "staging"])
        known = self.known()
        assert known["variables"][HOLDER]["JWT_SECRET"] == SECRET
        assert known["variables"]["gateway"]["CORS_ALLOW_ORIGINS"] == "https://studio.example"
        assert all(call[call.index("--environment") + 1] == "staging" for call in known["calls"])

    def test_says_that_the_cli_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(SystemExit, match="CLI is not on PATH"):
            variables.main([])
