"""PostgreSQL through the gateway and pg-meta: who may do what, and what is seen when a part is away."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from deploy.local.register import name_of
from deploy.local.sample_tables import url_of_the_database
from services.registry.pg_meta.routes import TABLE
from studio.options.v1.access_pb2 import ROLE_READ_ONLY
from tests.support.engine_api import EngineApi, Json
from tests.support.failures import passing, until
from tests.support.local_system import LocalSystem

DATABASES = "/api/platform/databases"
READING_POSTS = {"/query", "/query/deparse", "/query/format", "/query/parse"}
FORBIDDEN = (403, "PERMISSION_DENIED")
SECRETS = ("POSTGRES_SHOP_PASSWORD", "PG_META_CRYPTO_KEY", "BUN_SAMPLE_KEY", "SERVICE_TOKEN_SECRET")


class PgMeta(EngineApi):
    """pg-meta's routes for one database."""

    TYPE = "postgres"

    @property
    def base(self) -> str:
        """The path before every route."""
        return f"/api/platform/pg-meta/{self.database_id}"

    async def sql(self, query: str) -> httpx.Response:
        """Runs SQL."""
        return await self.send("POST", "query", body={"query": query})


@pytest.fixture
async def by_role(system: LocalSystem) -> AsyncIterator[Mapping[str, PgMeta]]:
    """The sample PostgreSQL for a caller of each role."""
    roles = ("read_only", "developer", "administrator")
    clients = {role: system.client(role) for role in roles}
    id_ = await PgMeta.sample_id(clients["developer"])
    yield {role: PgMeta(client, id_) for role, client in clients.items()}
    for client in clients.values():
        await client.aclose()


@pytest.fixture
async def owned(system: LocalSystem) -> AsyncIterator[PgMeta]:
    """The sample PostgreSQL, registered once more for the test alone."""
    url = url_of_the_database(system.engines["postgres"], system.secret("POSTGRES_SHOP_PASSWORD"))
    async with system.client("owner") as http:
        body = {"projectRef": "default", "name": f"test-{secrets.token_hex(8)}", "type": "postgres"}
        created = await http.post(DATABASES, json={**body, "connectionString": url})
        assert created.status_code == 201, created.text
        api = PgMeta(http, created.json()["id"])
        yield api
        await http.delete(f"{DATABASES}/{api.database_id}")


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


async def test_each_role_may_do_what_is_its_own(by_role: Mapping[str, PgMeta]) -> None:
    name = f"test_{secrets.token_hex(8)}"
    made = await by_role["developer"].post("tables", name=name, schema="public")
    try:
        tables = await by_role["read_only"].get("tables", included_schemas="public")
        assert name in {each["name"] for each in tables}
        assert code_of(await by_role["read_only"].send("DELETE", f"tables/{made['id']}")) == FORBIDDEN
    finally:
        assert (await by_role["developer"].send("DELETE", f"tables/{made['id']}")).is_success
    assert code_of(await by_role["developer"].send("POST", "roles", body={"name": name})) == FORBIDDEN
    # The right is there; that the sample's user may not make roles is PostgreSQL's answer.
    made_not = await by_role["administrator"].send("POST", "roles", body={"name": name})
    assert "permission denied" in made_not.json()["message"]


async def test_who_may_only_read_changes_nothing_by_any_route(by_role: Mapping[str, PgMeta]) -> None:
    reader = by_role["read_only"]
    asked = 0
    for template, methods in TABLE.items():
        path = template.lstrip("/").replace("{id}", "1").replace("{column}", "1.1").replace("{name}", "x")
        for method in methods:
            if method != "GET" and template not in READING_POSTS:
                assert methods[method] > ROLE_READ_ONLY
                assert code_of(await reader.send(method, path, body={})) == FORBIDDEN, (method, path)
                asked += 1
    assert asked > 30
    assert (await reader.sql("SELECT count(*)::int AS n FROM customers")).json() == [{"n": 500}]
    for written in (
        "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone",
        "SELECT id INTO copied FROM customers",
        "EXPLAIN ANALYZE DELETE FROM orders",
    ):
        answer = await reader.sql(written)
        assert (answer.status_code, answer.json()["code"]) == (400, "25006"), written
    for refused in (
        "DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
        "SELECT set_config('transaction_read_only', 'off', false)",
    ):
        assert code_of(await reader.sql(refused)) == (400, "COMMAND_REFUSED"), refused
    (row,) = (await by_role["developer"].sql("SELECT count(*)::int AS n FROM orders")).json()
    assert row["n"] > 0


async def test_a_connection_counts_as_it_is_now(owned: PgMeta, system: LocalSystem) -> None:
    change = "CREATE TEMPORARY TABLE t (a int)"
    target = f"{DATABASES}/{owned.database_id}"
    assert (await owned.sql(change)).is_success
    assert (await owned.http.patch(target, json={"config": {"read_only": True}})).is_success
    assert code_of(await owned.sql(change)) == (400, "COMMAND_REFUSED")
    assert code_of(await owned.send("POST", "tables", body={"name": "t"})) == (403, "CONNECTION_READ_ONLY")
    other = {"connectionString": system.engines["postgres"], "config": {}}
    assert (await owned.http.patch(target, json=other)).is_success
    assert (await owned.sql("SELECT current_user AS name")).json() == [{"name": "postgres"}]
    assert (await owned.http.delete(target)).is_success
    assert code_of(await owned.sql("SELECT 1")) == (404, "DB_NOT_FOUND")


async def test_a_database_of_another_type_is_not_found(owned: PgMeta) -> None:
    listed: Json = (await owned.http.get(DATABASES, params={"projectRef": "default"})).json()
    others = {each["name"]: each["id"] for each in listed if each["type"] != "postgres"}
    for type_ in ("redis", "mongodb", "bun_api"):
        other = PgMeta(owned.http, others[name_of(type_)])
        assert code_of(await other.send("GET", "tables")) == (404, "DB_NOT_FOUND")


async def test_pg_meta_that_is_down_is_said_so_and_used_again(
    system: LocalSystem, by_role: Mapping[str, PgMeta], owned: PgMeta
) -> None:
    developer = by_role["developer"]
    await asyncio.to_thread(system.crash, "pg_meta")
    try:
        for answer in (await developer.send("GET", "tables"), await developer.sql("SELECT 1")):
            assert passing(answer) == (503, "SERVICE_UNAVAILABLE")
            assert "pg-meta" in answer.json()["message"]
        tested = (await owned.http.post(f"{DATABASES}/{owned.database_id}/test")).json()
        assert (tested["success"], tested["stage"]) == (False, "service")
    finally:
        await asyncio.to_thread(system.start, "pg_meta")

    async def is_back() -> bool:
        answer = await developer.sql("SELECT 1 AS one")
        return answer.is_success or passing(answer) != (503, "SERVICE_UNAVAILABLE")

    await until(is_back)
    assert (await developer.sql("SELECT 1 AS one")).json() == [{"one": 1}]


async def test_secrets_of_both_are_in_no_log_and_no_metric(
    system: LocalSystem, by_role: Mapping[str, PgMeta]
) -> None:
    assert (await by_role["developer"].sql("SELECT nosuch")).status_code == 400
    shown = "".join(
        [system.log(name) for name in ("registry", "bun_proxy", "gateway", "pg_meta", "bun")]
        + [str(system.metrics(name)) for name in ("registry", "bun_proxy")]
    )
    assert "bun_proxy" in shown
    for name in SECRETS:
        assert system.secret(name) not in shown, name
