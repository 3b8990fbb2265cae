"""What the way through the gateway adds to pg-meta's own time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.http_load import Target, closed_loop, connect
from benchmarks.stack import Stack
from benchmarks.table import Figure, ratio
from deploy.local.engines.pg_meta import KEY
from deploy.local.sample_tables import url_of_the_database
from deploy.local.samples import SHOP_KEY
from services.registry import crypto_js

CONNECTIONS = 4
ROUTES = {"query": ("POST", "/query", b'{"query":"select 1"}'), "tables": ("GET", "/tables", b"")}


async def measure(stack: Stack, rounds: int, seconds: float) -> AsyncIterator[Figure]:
    """The figures of pg-meta, asked as an owner."""
    target = stack.target
    client = await connect(target)
    listed = await client.ask(target.get("/api/platform/databases?type=postgres&search=sample"))
    client.close()
    (database,) = json.loads(listed.partition(b"\r\n\r\n")[2])
    base = f"/api/platform/pg-meta/{database['id']}"
    alone = _alone(stack)
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, (verb, path, body) in ROUTES.items():
            for where, request in (
                (alone, alone.request(verb, path, body)),
                (target, target.request(verb, f"{base}{path}", body)),
            ):
                kind = f"{name} alone" if where is alone else name
                samples[kind].append(
                    await closed_loop(where, request, connections=CONNECTIONS, seconds=seconds)
                )
    for name in ROUTES:
        bare = Figure(
            f"pg-meta alone: {name}, {CONNECTIONS} connections", samples[f"{name} alone"], "calls/s"
        )
        through = Figure(f"pg-meta through the gateway: {name}", samples[name], "calls/s")
        yield bare
        yield through
        yield ratio("  through the gateway / alone", through, bare, ">= 0.80")


def _alone(stack: Stack) -> _PgMeta:
    state = stack.system.state
    parts = urlsplit(stack.engines["pg_meta"])
    text = url_of_the_database(stack.engines["postgres"], state.secret(SHOP_KEY))
    sealed = crypto_js.seal_legacy(text, state.secret(KEY))
    return _PgMeta(parts.hostname or "", parts.port or 0, "", sealed)


@dataclass(frozen=True)
class _PgMeta(Target):
    """pg-meta itself, told of the same database in the header that the gateway would set."""

    sealed: str

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A request with the header."""
        plain = super().request(method, path, body)
        return plain.replace(b"\r\n\r\n", f"\r\nx-connection-encrypted: {self.sealed}\r\n\r\n".encode(), 1)
