"""`python -m gateway` runs the gateway; `python -m gateway render` prints its configuration without secrets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway import render, run
from gateway.settings import GatewaySettings
from services.runtime import logs
from services.runtime.contract import load_contract
from services.runtime.settings import load


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="gateway", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("run", "render"), default="run")
    command = parser.parse_args(arguments).command
    settings = load(GatewaySettings)
    if command == "render":
        files = render.Files(settings.gateway_state_dir or Path("gateway-state"))
        sys.stdout.write(render.masked(render.bootstrap(load_contract(), settings, files), settings) + "\n")
        return 0
    logs.configure("gateway", settings.log_level)
    return run.run(settings)


if __name__ == "__main__":
    sys.exit(main())
