"""What the tests of pg-meta share: the database behind it, callers, and scripts on Node.js."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
import psycopg
from google.protobuf.struct_pb2 import Struct
from psycopg.rows import TupleRow

from deploy.local.bootstrap import NODE_MODULES
from deploy.local.engines.pg_meta import node
from services.registry.settings import Settings
from tests.gateway.harness import Gateway
from tests.registry.harness import JWT_SECRET, SERVICE_SECRET, Registry, user_token

PASSWORD = "p@ss:w/rd#?%&= ünï"


class SHOP:
    """The database."""

    name: ClassVar = "pg_meta_shop"
    user: ClassVar = "shopkeeper"
    dropping: ClassVar = ("DROP DATABASE pg_meta_shop WITH (FORCE)", "DROP ROLE shopkeeper")


def fill(admin: psycopg.Connection[TupleRow], server_url: str) -> str:
    """Makes the database; returns its URL for `shopkeeper`."""
    admin.execute(f"CREATE ROLE {SHOP.user} LOGIN PASSWORD '{PASSWORD}'")
    admin.execute(f"CREATE DATABASE {SHOP.name} OWNER {SHOP.user}")
    where = urlsplit(server_url).netloc.rpartition("@")[2]
    url = f"postgresql://{SHOP.user}:{encoded(PASSWORD)}@{where}/{SHOP.name}"
    with psycopg.connect(url, autocommit=True) as shop:
        shop.execute("CREATE TABLE books (id int PRIMARY KEY, title text NOT NULL)")
        shop.execute("INSERT INTO books VALUES (1, 'Emma'), (2, 'Ulysses')")
        shop.execute("CREATE SEQUENCE counter")
        shop.execute("CREATE VIEW titles AS SELECT title FROM books")
        shop.execute(
            "CREATE FUNCTION tidy() RETURNS int LANGUAGE plpgsql AS "
            "$$ BEGIN DELETE FROM books; RETURN 1; END $$"
        )
    return url


def encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def gateway_variables(registry: Registry, pg_meta_url: str) -> dict[str, str]:
    """The gateway's environment."""
    return {
        "REGISTRY_ADDRESS": registry.address,
        "PG_META_URL": pg_meta_url,
        "SERVICE_TOKEN_SECRET": SERVICE_SECRET,
        "JWT_SECRET": JWT_SECRET,
    }


@dataclass
class Stack:
    """What runs."""

    registry: Registry
    gateway: Gateway
    settings: Settings
    ids: dict[str, str] = field(default_factory=dict)

    async def register(self, name: str, url: str, config: dict[str, Any] | None = None) -> str:
        """Registers a database; returns its id."""
        more = {}
        if config:
            more["config"] = Struct()
            more["config"].update(config)
        row = await self.registry.create(name=name, type="postgres", connection_string=url, **more)
        self.ids[name] = row.id
        return row.id


@dataclass
class Caller:
    """Someone with a role."""

    stack: Stack
    http: httpx.AsyncClient
    role: str

    async def ask(
        self,
        method: str,
        path: str,
        *,
        database: str = "shop",
        **options: Any,  # noqa: ANN401  httpx's own
    ) -> httpx.Response:
        """A request to a path of pg-meta; `path` begins with a slash."""
        headers = {"authorization": f"Bearer {user_token(self.role)}", **options.pop("headers", {})}
        target = f"/api/platform/pg-meta/{self.stack.ids.get(database, database)}{path}"
        return await self.http.request(method, target, headers=headers, **options)

    async def sql(self, query: str, *parameters: object, database: str = "shop") -> httpx.Response:
        """Runs SQL."""
        body = {"query": query, **({"parameters": parameters} if parameters else {})}
        return await self.ask("POST", "/query", database=database, json=body)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and reason of an answer that this system gave in place of pg-meta."""
    body = answer.json()
    assert body["message"] == body["error"]["message"]
    assert body["details"][0]["reason"] == body["error_code"]
    return answer.status_code, body["error_code"]


def run_node(script: str, value: object) -> Any:  # noqa: ANN401  what JSON holds
    """What a script on Node.js makes of a value: `input` to `output`, with the packages of the local system."""
    code = f"""
        const input = JSON.parse(require('fs').readFileSync(0));
        let output;
        {script};
        console.log(JSON.stringify(output));
    """
    done = subprocess.run(
        [str(node()), "--disable-warning=ExperimentalWarning", "--no-deprecation", "-e", code],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=False,
        cwd=NODE_MODULES.parent,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass
class Capture:
    """An HTTP server that keeps what it was sent; stands for pg-meta where its own view is what counts."""

    url: str
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@asynccontextmanager
async def capturing(answer_headers: str = "") -> AsyncIterator[Capture]:
    """Runs one; every answer is 200, `{}` and these headers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            line, *fields = head
            headers = {
                name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)
            }
            await reader.readexactly(int(headers.get("content-length", "0")))
            found.requests.append((line, headers))
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{answer_headers}\r\n{{}}".encode())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found = Capture(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield found
    finally:
        server.close()


async def _head(reader: asyncio.StreamReader) -> list[str]:
    try:
        text = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return []
    return text.decode().strip().split("\r\n")
