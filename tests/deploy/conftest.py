"""What `deploy/compose.yaml` comes to, by Docker Compose itself, which needs no engine for that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.docker import secrets
from deploy.local.environment import inherited
from deploy.local.options import ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"

Json = dict[str, Any]


@pytest.fixture(scope="session")
def secrets_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Secrets as `python3 -m deploy.docker.secrets` makes them."""
    directory = tmp_path_factory.mktemp("secrets")
    secrets.make(directory, {})
    return directory


@pytest.fixture(scope="session")
def compose(secrets_directory: Path) -> Json:
    """The project: everything merged, interpolated, and checked against the schema of the Compose specification."""
    done = subprocess.run(
        [Path(sys.executable).parent / "docker-compose", "--file", COMPOSE, "config", "--format", "json"],
        env=inherited({}) | {"STUDIO_SECRETS": str(secrets_directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Compose warns, for one, of variables that are not set"
    found: Json = json.loads(done.stdout)
    return found
