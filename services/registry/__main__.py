"""`python -m services.registry serve` runs the registry; `… migrate` prepares its database."""

from __future__ import annotations

import argparse
import sys

from pydantic import SecretStr, field_validator

from services.registry.app import open_app
from services.registry.migrations import MigrationError, migrate
from services.registry.settings import Settings, check_database_url
from services.runtime import settings as runtime_settings
from services.runtime.server import run


class MigrationSettings(runtime_settings.Settings):
    """What `migrate` reads: the other settings may not be there yet."""

    database_url: SecretStr
    """The platform database."""

    @field_validator("database_url")
    @classmethod
    def _is_a_url_of_postgres(cls, value: SecretStr) -> SecretStr:
        check_database_url(value.get_secret_value())
        return value


def main(arguments: list[str] | None = None) -> None:
    """Does what the command line says.

    Raises:
        SystemExit: a setting is missing or wrong, or a migration did not apply; with a sentence.
    """
    parser = argparse.ArgumentParser(prog="python -m services.registry", description=__doc__)
    parser.add_argument("command", choices=("serve", "migrate"), nargs="?", default="serve")
    if parser.parse_args(arguments).command == "serve":
        run("registry", Settings, open_app)
        return
    settings = runtime_settings.load(MigrationSettings)
    try:
        lines = migrate(settings.database_url.get_secret_value())
    except MigrationError as error:
        raise SystemExit(f"migrate: {error}") from None
    sys.stdout.write("".join(f"migrate: {line}\n" for line in lines))


if __name__ == "__main__":
    main()
