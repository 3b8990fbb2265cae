"""Asks whether the gateway on this host serves: `python -m gateway.probe`, the health check of its image."""

from __future__ import annotations

import os
import sys

from services.runtime.probe import ask

DEFAULT_PORT = 8000


def main() -> int:
    """Asks where the environment has the gateway listen, and says what is wrong; returns the exit code."""
    wrong = ask(
        os.environ.get("GATEWAY_HOST", ""),
        int(os.environ.get("GATEWAY_PORT") or os.environ.get("PORT") or DEFAULT_PORT),
        tls=bool(os.environ.get("GATEWAY_TLS_CERTIFICATE")),
    )
    if wrong is not None:
        sys.stderr.write(f"{wrong}\n")
    return int(wrong is not None)


if __name__ == "__main__":
    sys.exit(main())
