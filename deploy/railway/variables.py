"""Sets the variables of the services on Railway: `python3 -m deploy.railway.variables`.

Secrets are made up here and set on `registry`, where it has none yet: one that is there is never replaced. Everything
else is a setting, or refers to another service (`${{registry.JWT_SECRET}}`), so that nothing is written twice. With
`--secrets` only the secrets: what `.railway/railway.ts` leaves to this script. `JWT_SECRET` and `CORS_ALLOW_ORIGINS` in
the environment, Studio's own, are used. Needs Python and Railway's CLI, linked to a project, and no package.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence

HOLDER = "registry"
"""The service that holds the secrets; it needs all of them."""
SECRETS = (
    "JWT_SECRET",
    "SERVICE_TOKEN_SECRET",
    "AUDIT_CHAIN_SECRET",
    "REDIS_CRYPTO_KEY",
    "MONGODB_CRYPTO_KEY",
    "BUN_CRYPTO_KEY",
    "PG_META_CRYPTO_KEY",
)
SECRET_BYTES = 32
MIN_JWT_SECRET = 32
"""Characters, as the services demand."""
TIMEOUT_S = 120
"""For one command of Railway's CLI."""


def of(service: str, variable: str) -> str:
    """A reference to another service's variable: https://docs.railway.com/variables/reference#template-syntax."""
    return f"${{{{{service}.{variable}}}}}"


def at(service: str, port: int) -> str:
    """Where a service is on the private network."""
    return f"{of(service, 'RAILWAY_PRIVATE_DOMAIN')}:{port}"


KNOWN = {name: of(HOLDER, name) for name in ("JWT_SECRET", "SERVICE_TOKEN_SECRET")}
ENGINES = {
    "REDIS_SVC_ADDRESS": at("redis_svc", 50052),
    "MONGO_SVC_ADDRESS": at("mongo_svc", 50053),
    "BUN_PROXY_ADDRESS": at("bun_proxy", 50054),
    "PG_META_URL": f"http://{at('pg-meta', 8080)}",
}
TO_REGISTRY = {"REGISTRY_ADDRESS": at("registry", 50051)}

VARIABLES: dict[str, dict[str, str]] = {
    "registry": {
        "STUDIO_TARGET": "registry",
        "PORT": "9051",
        "DATABASE_URL": of("Postgres", "DATABASE_URL"),
        "REGISTRY_CACHE_URL": of("Redis", "REDIS_URL"),
        "ENVIRONMENT_CONNECTIONS": "false",
        **ENGINES,
    },
    "redis_svc": {
        "STUDIO_TARGET": "redis_svc",
        "PORT": "9052",
        **KNOWN,
        **TO_REGISTRY,
        "REDIS_CRYPTO_KEY": of(HOLDER, "REDIS_CRYPTO_KEY"),
    },
    "mongo_svc": {
        "STUDIO_TARGET": "mongo_svc",
        "PORT": "9053",
        **KNOWN,
        **TO_REGISTRY,
        "MONGODB_CRYPTO_KEY": of(HOLDER, "MONGODB_CRYPTO_KEY"),
    },
    "bun_proxy": {
        "STUDIO_TARGET": "bun_proxy",
        "PORT": "9054",
        **KNOWN,
        **TO_REGISTRY,
        "BUN_CRYPTO_KEY": of(HOLDER, "BUN_CRYPTO_KEY"),
    },
    "pg-meta": {
        "PORT": "8080",
        "PG_META_HOST": "::",
        "PG_META_PORT": "8080",
        "PG_META_DB_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "CRYPTO_KEY": of(HOLDER, "PG_META_CRYPTO_KEY"),
    },
    "gateway": {
        "STUDIO_TARGET": "gateway",
        "PORT": "8000",
        **KNOWN,
        "GATEWAY_TRUSTED_HOPS": "1",
        "GATEWAY_METRICS_ADDRESS": "[::]:9050",
        **TO_REGISTRY,
        **ENGINES,
        "BUN_PROXY_HTTP_ADDRESS": at("bun_proxy", 8054),
    },
}
"""What each service is told beside its secrets; `.railway/railway.ts` says why."""


def railway(arguments: Sequence[str], *, stdin: str = "") -> str:
    """Runs Railway's CLI; returns what it printed.

    Raises:
        SystemExit: it is missing or failed; with its own words, which name variables and no values of ours.
    """
    try:
        done = subprocess.run(  # noqa: S603  fixed words and names
            ["railway", *arguments],  # noqa: S607  wherever it was installed
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except FileNotFoundError:
        raise SystemExit("railway: Railway's CLI is not on PATH: https://docs.railway.com/cli") from None
    except subprocess.TimeoutExpired:
        raise SystemExit(f"railway {arguments[0]} did not end within {TIMEOUT_S} s") from None
    if done.returncode != 0:
        raise SystemExit(f"railway {' '.join(arguments[:2])} failed: {done.stderr.strip()}")
    return done.stdout


def set_secrets(environment: Mapping[str, str], where: Sequence[str]) -> list[str]:
    """Sets the secrets that the registry has not yet; returns their names.

    Raises:
        SystemExit: as `railway`, or JWT_SECRET is too short.
    """
    given = environment.get("JWT_SECRET", "")
    if 0 < len(given) < MIN_JWT_SECRET:
        raise SystemExit(f"JWT_SECRET must have at least {MIN_JWT_SECRET} characters")
    present = json.loads(railway(["variable", "list", "--service", HOLDER, "--json", *where]))
    missing = [name for name in SECRETS if not present.get(name)]
    for name in missing:
        value = given if name == "JWT_SECRET" and given else secrets.token_urlsafe(SECRET_BYTES)
        # By standard input: a command line can be read by others on this machine.
        railway(
            ["variable", "set", "--service", HOLDER, "--skip-deploys", "--stdin", *where, name], stdin=value
        )
    return missing


def set_variables(environment: Mapping[str, str], where: Sequence[str]) -> None:
    """Sets everything that is no secret, on all services.

    Raises:
        SystemExit: as `railway`.
    """
    origins = {"CORS_ALLOW_ORIGINS": environment.get("CORS_ALLOW_ORIGINS", "")}
    for service, variables in VARIABLES.items():
        chosen = {**variables, **(origins if service == "gateway" and any(origins.values()) else {})}
        pairs = [f"{name}={value}" for name, value in chosen.items()]
        railway(["variable", "set", "--service", service, "--skip-deploys", *where, *pairs])


def main(arguments: Sequence[str] | None = None) -> None:
    """Sets them, and says which secrets are new; never what they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--secrets", action="store_true", help="only the secrets, on `registry`")
    parser.add_argument("--environment", help="of the project on Railway; the linked one by default")
    options = parser.parse_args(arguments)
    where = ["--environment", options.environment] if options.environment else []
    made = set_secrets(os.environ, where)
    sys.stdout.write(
        f"secrets of {HOLDER}: {', '.join(made) if made else 'all were there, none was touched'}\n"
    )
    if not options.secrets:
        set_variables(os.environ, where)
        sys.stdout.write(
            f"variables of {', '.join(VARIABLES)}: set; they count from the next deployment on\n"
        )


if __name__ == "__main__":
    main()
