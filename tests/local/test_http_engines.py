"""The sample Bun API and pg-meta by themselves: what they ask for, where they listen, how they end."""

from __future__ import annotations

import httpx
import psutil
import pytest

from deploy.local.engines import Bun, PgMeta
from deploy.local.state import State
from tests.support.engines import BunServer, Foreground, PgMetaServer


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers=headers, trust_env=False, timeout=10)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong"])
def test_the_api_asks_for_its_key(bun_server: BunServer, authorization: str) -> None:
    refused = get(f"{bun_server.url}/books", authorization=authorization)
    assert refused.status_code == 401
    assert get(f"{bun_server.url}/health").json()["status"] == "ok"


def test_the_api_has_books_an_openapi_document_and_a_stream(bun_server: BunServer) -> None:
    key = f"Bearer {bun_server.key}"
    assert len(get(f"{bun_server.url}/books", authorization=key).json()) >= 3
    assert "/books/{id}" in get(f"{bun_server.url}/openapi.json").json()["paths"]
    ticks = get(f"{bun_server.url}/ticks?n=2&interval_ms=1", authorization=key)
    assert ticks.headers["content-type"] == "text/event-stream"
    assert ticks.text.count("data: ") == 2


def test_pg_meta_reaches_nothing_for_whoever_has_no_key(pg_meta_server: PgMetaServer) -> None:
    answer = get(f"{pg_meta_server.url}/schemas")
    assert answer.is_error
    assert "ECONNREFUSED" in answer.text


@pytest.mark.parametrize("kind", [Bun, PgMeta])
def test_it_listens_on_loopback_only_shows_no_secret_and_ends_when_asked(
    kind: type[Bun | PgMeta], state: State
) -> None:
    engine = kind(state)
    secret = engine.key if isinstance(engine, Bun) else engine.crypto_key
    server = Foreground(engine.program(), state)
    server.start()
    process = psutil.Process(server.pid)
    listening = {each.laddr.ip for each in process.net_connections() if each.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    assert secret not in " ".join(process.cmdline())
    server.stop()
    assert not process.is_running()
    assert secret not in state.tail(engine.name, 1000)
