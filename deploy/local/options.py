"""What the user of the local system can choose, read from the environment in one place.

- `STATE_DIR`: where everything lives that outlasts a run (default `.local`)
- `GATEWAY_PORT`: the gateway's port (default 8000, or a free one when that is taken)
- `GATEWAY_HOST`: the address it listens on (default 127.0.0.1)
- `DATABASE_URL`: a PostgreSQL to use instead of the embedded one
- `REDIS_URL`: a Redis to use instead of the embedded one
- `MONGODB_URL`: a MongoDB to use instead of the embedded one
- `BUN_API_URL`, `BUN_API_KEY`: a Bun API to use instead of the sample one
- `SERVICE_TLS_…`, `GATEWAY_TLS_…`: mutual TLS between the processes, TLS at the gateway: see docs/tls.md
- `PG_META_URL`: a pg-meta to use instead of the embedded one; `PG_META_CRYPTO_KEY` is its `CRYPTO_KEY`
- `JWT_SECRET`: signs the tokens of users; kept for later runs (default: made up by the first run)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_GATEWAY_PORT = 8000
DEFAULT_STATE_DIR = ".local"
LOOPBACK = "127.0.0.1"
MAX_PORT = 65535


class LocalError(Exception):
    """Something that keeps the local system from running; the text is a sentence for its user."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The choices of one run."""

    state_dir: Path
    gateway_host: str = LOOPBACK
    gateway_port: int | None = None
    """The port that was asked for; None leaves the choice to us."""
    database_url: str | None = None
    redis_url: str | None = None
    mongodb_url: str | None = None
    bun_api_url: str | None = None
    pg_meta_url: str | None = None
    jwt_secret: str | None = None
    durable: bool = True
    """Whether the engines wait for the disk. The tests, which keep nothing, turn it off."""

    def own_engine(self, name: str) -> str | None:
        """The URL of the user's engine that replaces the embedded one of that name, if any."""
        urls = {
            "postgres": self.database_url,
            "redis": self.redis_url,
            "mongodb": self.mongodb_url,
            "bun": self.bun_api_url,
            "pg_meta": self.pg_meta_url,
        }
        return urls.get(name)


def state_dir(environment: Mapping[str, str]) -> Path:
    """The absolute path of the state directory; a relative one counts from the repository's root."""
    return (ROOT / (environment.get("STATE_DIR") or DEFAULT_STATE_DIR)).resolve()


def from_environment(environment: Mapping[str, str]) -> Options:
    """Reads the options; an empty variable counts as absent.

    Raises:
        LocalError: GATEWAY_PORT is no port, or GATEWAY_HOST no address.
    """
    port = environment.get("GATEWAY_PORT") or None
    if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port) <= MAX_PORT):
        raise LocalError(f"GATEWAY_PORT must be a number from 1 to {MAX_PORT}, not {port!r}")
    host = environment.get("GATEWAY_HOST") or LOOPBACK
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise LocalError(f"GATEWAY_HOST must be an IP address to listen on, not {host!r}") from None
    return Options(
        state_dir=state_dir(environment),
        gateway_host=host,
        gateway_port=None if port is None else int(port),
        database_url=environment.get("DATABASE_URL") or None,
        redis_url=environment.get("REDIS_URL") or None,
        mongodb_url=environment.get("MONGODB_URL") or None,
        bun_api_url=environment.get("BUN_API_URL") or None,
        pg_meta_url=environment.get("PG_META_URL") or None,
        jwt_secret=environment.get("JWT_SECRET") or None,
    )
