"""Makes the secrets that `deploy/compose.yaml` mounts: `python3 -m deploy.docker.secrets [DIRECTORY]`.

Fresh random values; a file that is there already is left alone, so running it again replaces nothing. `JWT_SECRET` in
the environment, Studio's own, becomes the secret of user tokens. Needs Python and nothing else.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

DEFAULT = Path(__file__).resolve().parent.parent / "secrets"
SECRET_BYTES = 32
MIN_JWT_SECRET = 32
"""Characters, as the services demand."""

KEYS = (
    "jwt_secret",
    "service_token_secret",
    "audit_chain_secret",
    "redis_crypto_key",
    "mongodb_crypto_key",
    "bun_crypto_key",
    "pg_meta_crypto_key",
    "postgres_password",
    "redis_password",
    "mongodb_password",
)
"""Random text of its own each; a file has the name and `.txt`."""

MADE_OF: dict[str, tuple[str, Callable[[str], str]]] = {
    "database_url": ("postgres_password", lambda value: f"postgresql://studio:{value}@postgres:5432/studio"),
    "redis_url": ("redis_password", lambda value: f"redis://:{value}@redis:6379/0"),
    "redis_conf": ("redis_password", lambda value: f"requirepass {value}"),
    "mongodb_url": (
        "mongodb_password",
        lambda value: f"mongodb://studio:{value}@mongodb:27017/?authSource=admin",
    ),
}
"""What holds one of them: which, and how."""


def make(directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Writes the files that are missing; returns their names.

    The directory is its owner's alone. The files in it may be read by anybody who gets there: a container sees the file
    as it lies on the host, and runs as another user than the one who made it.

    Raises:
        SystemExit: JWT_SECRET is too short; with a sentence.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    given = {"jwt_secret": environment.get("JWT_SECRET", "")}
    if 0 < len(given["jwt_secret"]) < MIN_JWT_SECRET:
        raise SystemExit(f"JWT_SECRET must have at least {MIN_JWT_SECRET} characters")
    made = [
        name
        for name in KEYS
        if _write(directory, name, given.get(name) or secrets.token_urlsafe(SECRET_BYTES))
    ]
    for name, (source, form) in MADE_OF.items():
        value = quote((directory / f"{source}.txt").read_text().strip(), safe="")
        if _write(directory, name, form(value)):
            made.append(name)
    return made


def _write(directory: Path, name: str, value: str) -> bool:
    path = directory / f"{name}.txt"
    try:
        with path.open("x") as file:
            file.write(f"{value}\n")
    except FileExistsError:
        return False
    path.chmod(0o444)
    return True


def main() -> None:
    """Makes them, and says which; never what."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", nargs="?", type=Path, default=DEFAULT)
    directory = parser.parse_args().directory
    made = make(directory, os.environ)
    sys.stdout.write(f"{directory}: made {', '.join(made) if made else 'nothing, all were there'}\n")


if __name__ == "__main__":
    main()
