"""`python -m services.registry serve` runs the registry; its other commands look after its database."""

from __future__ import annotations

import argparse

from services.registry.app import open_app
from services.registry.commands import add_commands, run_command
from services.registry.settings import Settings
from services.runtime.server import run


def main(arguments: list[str] | None = None) -> None:
    """Does what the command line says.

    Raises:
        SystemExit: a setting is missing or wrong, or a command failed; with a sentence, or a code other than 0.
    """
    parser = argparse.ArgumentParser(prog="python -m services.registry", description=__doc__)
    add_commands(parser)
    chosen = parser.parse_args(arguments)
    if chosen.command in (None, "serve"):
        run("registry", Settings, open_app)
    else:
        run_command(chosen)


if __name__ == "__main__":
    main()
