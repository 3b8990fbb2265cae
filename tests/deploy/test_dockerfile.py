"""The Dockerfile, read: how its images run, what they hold, and that their packages are pinned."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.docker.install import CODE, REQUIREMENTS
from deploy.local.options import ROOT
from tests.deploy import dockerfile
from tests.deploy.dockerfile import TARGETS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
LOCKS = (*TARGETS, "build")


def locked(path: Path) -> dict[str, str]:
    """What a lock file installs here: the version of each package, all of them with hashes."""
    entries = re.split(r"\n(?=\S)", path.read_text().replace("\\\n", " ").strip())
    found: dict[str, str] = {}
    for entry in entries:
        requirement, _, hashes = entry.partition(" --hash=")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}( +--hash=sha256:[0-9a-f]{64})*", hashes.strip()), entry
        parsed = Requirement(requirement)
        if parsed.marker is None or parsed.marker.evaluate():
            found[canonicalize_name(parsed.name)] = str(parsed.specifier)
    return found


def test_there_is_an_image_for_each_process() -> None:
    assert set(CODE) == set(TARGETS)
    _, stages = dockerfile.read()
    assert {*TARGETS, ""} <= set(stages)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_by_its_digest() -> None:
    arguments, stages = dockerfile.read()
    outside = {stage.base for stage in stages.values()} - set(stages)
    assert outside == {"${PYTHON_IMAGE}", "${STUDIO_TARGET}"}
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", arguments["PYTHON_IMAGE"])
    assert arguments["STUDIO_TARGET"] in TARGETS


def test_what_is_copied_is_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sent = [line[1:] for line in ignored if line.startswith("!")]
    _, stages = dockerfile.read()
    copies = [
        copy.split()[:-1] for stage in stages.values() for copy in stage.all("COPY") if "--from" not in copy
    ]
    for source in {source for sources in copies for source in sources}:
        assert (ROOT / source).exists(), source
        assert any(f"{source}/".startswith(f"{each}/") for each in sent), source


@pytest.mark.parametrize("target", TARGETS)
class TestImage:
    def test_runs_as_nobody_in_particular(self, target: str) -> None:
        assert dockerfile.last(target, "USER") == "10001:10001"

    def test_is_the_process_itself_so_that_sigterm_reaches_it(self, target: str) -> None:
        package = "gateway" if target == "gateway" else f"services.{target}"
        assert dockerfile.command(target) == ["python", "-m", package]
        assert dockerfile.last(target, "STOPSIGNAL") == "SIGTERM"

    def test_asks_itself_with_what_it_has(self, target: str) -> None:
        assert dockerfile.health_check(target)[:2] == ["python", "-m"]

    def test_gets_its_packages_and_its_code_from_the_script_that_is_tested(self, target: str) -> None:
        _, stages = dockerfile.read()
        script = '["python", "deploy/docker/install.py", "{}", "{}", "/opt/studio"]'
        assert stages[f"{target}-files"].all("RUN") == [
            script.format(step, target) for step in ("packages", "code")
        ]
        assert stages[target].all("COPY") == [f"--from={target}-files /opt/studio /opt/studio"]
        assert stages[target].all("RUN") == []

    def test_is_given_all_of_its_code(self, target: str) -> None:
        _, stages = dockerfile.read()
        copied = {copy.split()[-1].removeprefix("./") for copy in stages[f"{target}-files"].all("COPY")}
        assert all(any(f"{name}/".startswith(f"{each}/") for each in copied) for name in CODE[target])

    def test_declares_no_volume(self, target: str) -> None:
        # Railway refuses to build such an image; who runs it says where the spool lies.
        assert all(stage.all("VOLUME") == [] for stage in dockerfile.chain(target))


@pytest.mark.parametrize("name", LOCKS)
def test_packages_of_an_image_have_the_versions_that_were_tested(name: str) -> None:
    everything = locked(ROOT / "requirements.lock").items()
    assert locked(REQUIREMENTS / f"{name}.txt").items() <= everything


@pytest.mark.parametrize("name", LOCKS)
def test_an_image_has_all_the_packages_that_it_needs_and_no_others(name: str) -> None:
    extras = EXTRAS[name] + (EXTRAS["registry"] if name == "build" else [])
    todo = [Requirement(each) for each in PROJECT["dependencies"] + extras]
    needed: set[str] = set()
    seen: set[str] = set()
    while todo:
        requirement = todo.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        needed.add(canonicalize_name(requirement.name))
        for line in importlib.metadata.requires(requirement.name) or ():
            further = Requirement(line)
            chosen = requirement.extras or {""}
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in chosen):
                todo.append(further)
    assert set(locked(REQUIREMENTS / f"{name}.txt")) == needed
