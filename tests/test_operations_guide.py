"""The operations guide: its commands are run as they stand, and it knows every failure that is not the caller's own."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from deploy.local.options import ROOT
from tests.registry.harness import psql
from tests.support.local_system import LocalSystem

GUIDE = ROOT / "docs" / "operations"
BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"// (?:[^\n]*\n  // )*[^\n]*\b(429|50\d)\b[^\n]*\n  ERROR_REASON_(\w+) =")
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def restored_url(system: LocalSystem) -> Iterator[str]:
    """An empty database beside the system's own."""
    name = f"restored_{secrets.token_hex(8)}"
    with psycopg.connect(system.engines["postgres"], autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield system.engines["postgres"].removesuffix("/postgres") + f"/{name}"
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class Operator:
    """Somebody with a shell, who does what a page says."""

    def __init__(self, system: LocalSystem, folder: Path, **variables: str) -> None:
        self._folder = folder
        self._environment = {
            "PATH": f"{psql().parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C",
            **{name: value for name, value in os.environ.items() if name.startswith("COV")},
            **{
                name: system.secret(name)
                for name in ("MULTI_DB_CRYPTO_KEY", "PG_META_CRYPTO_KEY", "SERVICE_TOKEN_SECRET")
            },
            **variables,
        }

    def follows(self, page: str) -> str:
        """Runs all commands of a page in one shell; returns what they print."""
        blocks = [textwrap.dedent(text) for _, text in BLOCK.findall((GUIDE / page).read_text())]
        assert blocks, f"{page} has no commands"
        done = subprocess.run(
            ("bash", "-euo", "pipefail", "-c", "\n".join(blocks)),
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def test_a_backup_is_restored_and_looked_after(
    system: LocalSystem, restored_url: str, tmp_path: Path
) -> None:
    backup = Operator(system, tmp_path, DATABASE_URL=system.engines["postgres"], RESTORED_URL=restored_url)
    said = backup.follows("backup.md")
    assert said.count("are as they were recorded") == 2
    assert "TABLE DATA platform databases" in said
    count = "SELECT count(*) FROM platform.databases"
    with psycopg.connect(system.engines["postgres"]) as before, psycopg.connect(restored_url) as after:
        rows = after.execute(count).fetchone()
        assert rows == before.execute(count).fetchone()
    assert rows
    assert rows[0] >= 4  # the samples

    operator = Operator(system, tmp_path, DATABASE_URL=restored_url)
    assert "applied 001_platform_schema.sql" in operator.follows("upgrade.md")
    assert "0 failed" in operator.follows("troubleshooting.md")

    said = operator.follows("keys.md")
    assert f"rotate-keys: {rows[0]} sealed anew, 0 can't be read" in said
    assert f"{rows[0]} can't be opened" in said  # with a key that is not the right one
    # The old key opens none of them now, and the new one did without the old.
    assert said.count(f"verify: {rows[0]} open, 0 failed") == 2


def test_every_failure_that_passes_or_is_ours_has_a_line() -> None:
    errors = (ROOT / "protos" / "studio" / "options" / "v1" / "errors.proto").read_text()
    ours = {reason for _, reason in REASON.findall(errors)}
    assert {"RESOURCE_EXHAUSTED", "DB_UNAVAILABLE", "INTERNAL"} <= ours
    page = (GUIDE / "troubleshooting.md").read_text()
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", page))
    # 501 says that an rpc is missing in this version: no operator causes that.
    assert ours - named - {"UNIMPLEMENTED"} == set()
    # And none that does not exist.
    cells = re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)
    answered = {name for cell in cells if cell[0].isdigit() for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert {name for name in answered if f"ERROR_REASON_{name} = " not in errors} == set()


@pytest.mark.parametrize("page", sorted(path.name for path in GUIDE.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (GUIDE / page).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        found = (GUIDE / path).resolve() if path else GUIDE / page
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^a-z0-9 _-]", "", each.lower()).replace(" ", "-") for each in titles
            }, target
