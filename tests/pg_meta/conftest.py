"""A registry and a gateway in front of a real pg-meta, and a database of the tests' own behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import psycopg
import pytest
from psycopg.rows import TupleRow

from services.registry.migrations import migrate
from tests.gateway.harness import Gateway, running_gateway
from tests.pg_meta.harness import SHOP, Caller, Stack, fill, gateway_variables
from tests.registry.harness import running_registry, settings
from tests.support.engines import PgMetaServer, PostgresServer


@pytest.fixture(scope="session")
def shop_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with a table, for the user `shopkeeper`, who is no superuser."""
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        url = fill(admin, postgres_server.url)
        yield url
        for statement in SHOP.dropping:
            admin.execute(statement)


@pytest.fixture
def shop(shop_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A session in that database, to see what a call has done."""
    with psycopg.connect(shop_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
async def stack(
    postgres_server: PostgresServer,
    pg_meta_server: PgMetaServer,
    shop_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stack]:
    """All of it, with the shop registered in three ways."""
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE pg_meta_platform")
    platform = postgres_server.url.removesuffix("/postgres") + "/pg_meta_platform"
    migrate(platform)
    configuration = settings(
        platform,
        pg_meta_url=pg_meta_server.url,
        pg_meta_crypto_key=pg_meta_server.crypto_key,
        environment_connections=True,
        health_interval_s=0,
    )
    async with running_registry(configuration) as registry:
        variables = gateway_variables(registry, pg_meta_server.url)
        async with running_gateway(tmp_path_factory.mktemp("gateway"), **variables) as gateway:
            await gateway.wait_ready("/readyz")
            superuser = postgres_server.url.removesuffix("/postgres") + f"/{SHOP.name}"
            found = Stack(registry, gateway, configuration)
            await found.register("shop", shop_url)
            await found.register("frozen", shop_url, {"read_only": True})
            await found.register("super", superuser)
            await found.register("live", shop_url, {"production": True})
            await found.register("live-super", superuser, {"production": True})
            yield found
    with psycopg.connect(postgres_server.url, autocommit=True) as admin:
        admin.execute("DROP DATABASE pg_meta_platform WITH (FORCE)")


@pytest.fixture
def gateway(stack: Stack) -> Gateway:
    return stack.gateway


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client(with_token=False) as client:
        yield client


@pytest.fixture
def reader(stack: Stack, http: httpx.AsyncClient) -> Caller:
    return Caller(stack, http, "read_only")


@pytest.fixture
def developer(stack: Stack, http: httpx.AsyncClient) -> Caller:
    return Caller(stack, http, "developer")


@pytest.fixture
def administrator(stack: Stack, http: httpx.AsyncClient) -> Caller:
    return Caller(stack, http, "administrator")
