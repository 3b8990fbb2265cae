"""`python -m gateway` runs the gateway; `python -m gateway render` prints its configuration without secrets."""

from __future__ import annotations

import argparse
import sys
import tempfile
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
        sys.stdout.write(rendered(settings) + "\n")
        return 0
    logs.configure("gateway", settings.log_level)
    return run.run(settings)


def rendered(settings: GatewaySettings) -> str:
    """The configuration without secrets. The paths in it are those of the state directory, where nothing is written."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as scratch:
        # Compressed pages are written on the way.
        config = render.bootstrap(load_contract(), settings, render.Files(Path(scratch)))
        return render.masked(config, settings).replace(
            scratch, str(settings.gateway_state_dir or "gateway-state")
        )


if __name__ == "__main__":
    sys.exit(main())
