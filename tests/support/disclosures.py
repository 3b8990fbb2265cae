"""Everything that a running system writes or tells, searched for secrets.

Left out is what holds secrets on purpose: the data of the engines, and files for one user's eyes, whose modes are
checked instead.
"""

from __future__ import annotations

import http.client
import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from tests.support.canaries import Search

DATA = frozenset({"postgres", "redis", "mongodb", "bun", "pg_meta"})
"""Folders in the state directory that are an engine's own."""
PRIVATE = (
    "secrets.json",
    "engines.json",
    "run/*",
    "gateway/envoy.json",
    "gateway/*token*.json",
    "gateway/*.pem*",
)
"""Files that have to hold secrets, and are for their owner alone."""
ENGINES_LOGS = frozenset({"postgres", "initdb", "redis", "mongodb", "mongodb-setup", "bun", "pg_meta"})
"""What engines log is their own choice: PostgreSQL and pg-meta show the statement that failed. No secret of ours may be
in there, but data of users may."""
API = "/api/platform"
ANSWERS = (
    f"{API}/databases?page_size=200",
    f"{API}/api-keys",
    f"{API}/audit-log?page_size=200",
    f"{API}/audit-log/export",
    f"{API}/databases/stats",
)
"""What an owner reads of everything."""
STATS = ("/stats?format=prometheus", "/clusters", "/listeners", "/server_info", "/runtime")
"""What Envoy tells at its admin interface; the dump of its configuration holds secrets, behind a private socket."""
TIMEOUT_S = 30.0


def in_files(search: Search, state_dir: Path) -> list[str]:
    """Logs, spools, and whatever else lies in a system's directory."""
    found = []
    for path in _files(state_dir):
        name = path.relative_to(state_dir)
        values = not (name.parts[0] == "logs" and name.name.partition(".")[0] in ENGINES_LOGS)
        sightings = search(str(name), path.read_bytes(), values=values)
        if not any(name.match(pattern) for pattern in PRIVATE):
            found += sightings
        elif sightings and path.stat().st_mode & 0o077:
            found.append(
                f"{name}: holds secrets, and others may read it: {stat.filemode(path.stat().st_mode)}"
            )
    return found


def _files(state_dir: Path) -> Iterator[Path]:
    for entry in sorted(state_dir.iterdir()):
        if entry.is_dir() and entry.name not in DATA:
            yield from (path for path in sorted(entry.rglob("*")) if path.is_file())
        elif entry.is_file():
            yield entry


def in_tables(search: Search, database_url: str) -> list[str]:
    """Every row of the platform's tables: ciphertext and hashes may be there, nothing else that is secret."""
    found = []
    with psycopg.connect(database_url) as connection:
        tables = connection.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'platform'::regnamespace AND c.relkind = 'r'"
        ).fetchall()
        assert len(tables) > 5, "the platform has tables"
        for (table,) in tables:
            with connection.cursor(f"search-{table}") as rows:
                text = sql.SQL("SELECT to_json(t)::text FROM platform.{} t").format(sql.Identifier(table))
                rows.execute(text)
                for batch in iter(lambda: rows.fetchmany(1000), []):
                    found += search(f"table {table}", "\n".join(row for (row,) in batch), values=True)
    return found


def in_metrics(search: Search, addresses: dict[str, str]) -> list[str]:
    """What services tell to whoever scrapes and probes them; `addresses` by the services' names."""
    found = []
    for name, address in addresses.items():
        for path in ("metrics", "healthz"):
            answer = httpx.get(f"http://{address}/{path}", trust_env=False, timeout=TIMEOUT_S)
            found += search(f"{name} /{path}", answer.content, values=True)
    return found


def in_gateway(search: Search, admin_socket: Path) -> list[str]:
    """Envoy's statistics and what it knows of its upstreams."""
    found = []
    for path in STATS:
        connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(admin_socket))
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == httpx.codes.OK, path
        found += search(f"Envoy {path}", answer.read(), values=True)
        connection.close()
    return found


def in_answers(search: Search, owner: httpx.Client) -> list[str]:
    """What an owner is told of databases, keys, and who did what."""
    found = []
    for path in ANSWERS:
        answer = owner.get(path)
        assert answer.is_success, f"{path}: {answer.text}"
        found += search(
            f"GET {path}", answer.content + json.dumps(dict(answer.headers)).encode(), values=True
        )
    return found
