"""`tools/protos.py` in a copy of the project: what it generates, and that its check fails when it must."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.runtime.contract import DESCRIPTORS

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the tool works on, without anything generated."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "protos.py", tmp_path / "tools")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    return tmp_path


def run(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, project / "tools" / "protos.py", command],
        capture_output=True,
        text=True,
        check=False,
    )


def edit(project: Path, old: str, new: str) -> None:
    path = project / "protos" / "studio" / "redis" / "v1" / "redis_service.proto"
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def test_the_contract_passes(project: Path) -> None:
    result = run(project, "check")
    assert result.returncode == 0, result.stdout + result.stderr


def remove_comment(project: Path) -> None:
    edit(project, "  // What TYPE answers.\n", "")


def remove_field(project: Path) -> None:
    edit(project, "  // What TYPE answers.\n  string type = 3;\n", "")


def rename_field(project: Path) -> None:
    edit(project, "string service = 1;", "string service_name = 1;")


def misindent(project: Path) -> None:
    edit(project, "  string service = 1;", "      string service = 1;")


def misname(project: Path) -> None:
    edit(project, "string service = 1;", "string serviceName = 1;")


@pytest.mark.parametrize(
    ("break_", "complaint"),
    [
        (remove_comment, "should have a non-empty comment"),
        (remove_field, "was deleted"),
        (rename_field, "service_name"),
        (misindent, "string service = 1;"),
        (misname, "lower_snake_case"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_check_fails_without_generating_first(
    project: Path, break_: Callable[[Path], None], complaint: str
) -> None:
    break_(project)
    result = run(project, "check")
    assert result.returncode != 0
    assert complaint in result.stdout + result.stderr


def test_check_fails_on_what_does_not_compile(project: Path) -> None:
    edit(project, "message GetStatusRequest {}", "message GetStatusRequest {")
    result = run(project, "check")
    assert result.returncode != 0
    assert "protoc failed" in result.stderr


def test_an_accepted_baseline_allows_the_break(project: Path) -> None:
    remove_field(project)
    assert run(project, "baseline").returncode == 0
    result = run(project, "check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_format_mends_what_check_complains_of(project: Path) -> None:
    misindent(project)
    assert run(project, "format").returncode == 0
    assert run(project, "check").returncode == 0


def test_generating_replaces_what_was_there_and_leaves_nothing_else(project: Path) -> None:
    (project / "generated").mkdir()
    (project / "generated" / "stale.py").touch()
    assert run(project, "generate").returncode == 0
    generated = project / "generated"
    assert not (generated / "stale.py").exists()
    assert (generated / "studio" / "redis" / "v1" / "redis_service_pb2_grpc.pyi").exists()
    assert not (generated / "studio" / "registry" / "v1" / "database_pb2_grpc.py").exists(), (
        "it has no service"
    )
    assert sorted(path.name for path in project.iterdir()) == ["buf.yaml", "generated", "protos", "tools"]


def test_what_is_generated_here_is_of_the_contract_as_it_is(project: Path) -> None:
    assert run(project, "generate").returncode == 0
    assert (project / "generated" / "descriptors.binpb").read_bytes() == DESCRIPTORS.read_bytes(), (
        "run `make protos`"
    )
