"""The way through the gateway: what reaches pg-meta, what does not, and what users see when a part is away."""

from __future__ import annotations

import json
import time
from pathlib import Path

import grpc
import httpx
import pytest
from pydantic import SecretStr

from gateway import pg_meta
from gateway.service_token import TokenFile
from gateway.settings import GatewaySettings
from services.registry.crypto_js import seal_legacy
from services.registry.pg_meta.access import PLATFORM_ID
from services.runtime.auth import service_tokens
from studio.envoy.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from studio.envoy.auth.v3.external_auth_pb2_grpc import AuthorizationStub
from tests.gateway.harness import Gateway, running_gateway, until
from tests.pg_meta.harness import Caller, Stack, capturing, gateway_variables, refusal
from tests.registry.harness import (
    CANARY,
    JWT_SECRET,
    SERVICE_SECRET,
    failing,
    running_registry,
    settings,
    user_token,
)
from tests.support.engines import PgMetaServer


async def test_pg_meta_answers_about_the_registered_database(developer: Caller) -> None:
    assert (await developer.sql("SELECT current_database() AS name")).json() == [{"name": "pg_meta_shop"}]


async def test_what_pg_meta_answers_stays_as_it_is(developer: Caller) -> None:
    failed = await developer.sql("SELECT nosuch")
    assert (failed.status_code, failed.json()["code"]) == (400, "42703")
    assert failed.json()["formattedError"].startswith("ERROR:  42703")
    # Studio reads `message`; where pg-meta has none, it is the text of `error`.
    missing = await developer.ask("GET", "/tables/999999")
    assert missing.status_code == 404
    assert missing.json() == dict.fromkeys(("message", "error"), "Cannot find a table with ID 999999")


@pytest.mark.parametrize(
    ("method", "path", "content", "why"),
    [
        ("POST", "/query", b'{"query": 5}', "query: must be text."),
        ("POST", "/query", b'{"query": "SELECT 1"', "body: must be a JSON object in UTF-8."),
        ("POST", "/query", b'{"query": "SELECT \xff"}', "body: must be a JSON object in UTF-8."),
        ("POST", "/query", b"", "body: must be a JSON object in UTF-8."),
        ("POST", "/tables", b"{}", "body must have required property 'name'"),
        ("POST", "/tables", b"{", "Expected property name or '}' in JSON at position 1 (line 1 column 2)"),
        ("POST", "/tables", b'{"name": "\xff"}', "Request body size did not match Content-Length"),
        ("PATCH", "/tables/1", b"null", "body must be object"),
        ("POST", "/functions", b"{}", "SQL identifier cannot be null or undefined"),
        ("GET", "/tables?limit=many", b"", "querystring/limit must be integer"),
        ("GET", "/tables?limit=-1", b"", "LIMIT must not be negative"),
    ],
)
async def test_a_mistake_of_the_caller_is_no_failure(
    developer: Caller, method: str, path: str, content: bytes, why: str
) -> None:
    """pg-meta itself answers all of these with 500, which Studio would send again."""
    headers = {"content-type": "application/json"} if method != "GET" else {}
    answer = await developer.ask(method, path, content=content or None, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (400, why)


async def test_a_body_of_another_type_is_a_mistake_too(developer: Caller) -> None:
    for path, why in {
        "/query": "content-type: must be application/json.",
        "/tables": "Unsupported Media Type: application/x-www-form-urlencoded",
    }.items():
        answer = await developer.ask("POST", path, data={"name": "x"})
        assert (answer.status_code, answer.json()["message"]) == (400, why)


async def test_a_database_that_can_not_be_reached_is_an_outage(developer: Caller, stack: Stack) -> None:
    await stack.register("gone", "postgresql://shopkeeper@127.0.0.1:1/x")
    for answer in (
        await developer.ask("GET", "/tables", database="gone"),
        await developer.sql("SELECT 1", database="gone"),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["message"] == "connect ECONNREFUSED 127.0.0.1:1"


async def test_a_login_that_is_refused_is_no_outage(developer: Caller, stack: Stack, shop_url: str) -> None:
    await stack.register(
        "locked", str(httpx.URL(shop_url).copy_with(username="shopkeeper", password="wrong"))
    )
    answer = await developer.ask("GET", "/tables", database="locked")
    assert (answer.status_code, "retry-after" in answer.headers) == (400, False)
    assert answer.json()["message"] == 'password authentication failed for user "shopkeeper"'


async def test_sql_that_was_cut_off_is_not_to_be_sent_again(developer: Caller) -> None:
    """Nobody knows what it has done."""
    answer = await developer.sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert (answer.status_code, "retry-after" in answer.headers) == (400, False)


async def test_nothing_a_client_says_chooses_the_connection_or_its_name(
    developer: Caller, stack: Stack, pg_meta_server: PgMetaServer
) -> None:
    elsewhere = seal_legacy(stack.settings.database_url.get_secret_value(), pg_meta_server.crypto_key)  # type: ignore[union-attr]  # it is set
    answer = await developer.ask(
        "POST",
        "/query",
        json={"query": "SELECT current_database() AS db, current_setting('application_name') AS name"},
        headers={
            "X-Connection-Encrypted": elsewhere,
            "PG": "postgresql://x",
            "x-pg-application-name": "psql",
        },
    )
    (row,) = answer.json()
    assert row["db"] == "pg_meta_shop"
    assert row["name"].startswith("postgres-meta ")


async def test_pg_meta_gets_neither_tokens_nor_cookies_and_pages_read_as_the_gateway_says(
    stack: Stack, tmp_path: Path
) -> None:
    headers = "access-control-allow-origin: *\r\nset-cookie: a=b\r\n"
    async with capturing(headers) as capture:
        variables = gateway_variables(stack.registry, capture.url)
        async with (
            running_gateway(tmp_path, **variables) as gateway,
            gateway.client(with_token=False) as http,
        ):
            caller = Caller(stack, http, "developer")
            answer = await caller.ask(
                "GET",
                "/tables?limit=1&x=%2e",
                headers={"cookie": "s=1", "x-supabase-info": "x", "origin": "https://x"},
            )
            logged = f"/api/platform/pg-meta/{stack.ids['shop']}/tables"
            await until(lambda: any(line["path"] == logged for line in gateway.access_log()))
    (line, sent) = next(each for each in capture.requests if "/health" not in each[0])
    assert line == "GET /tables?limit=1&x=%2e HTTP/1.1"
    assert not sent.keys() & {"authorization", "cookie", "pg", "x-pg-application-name", "x-supabase-info"}
    assert not [name for name in sent if name.startswith("x-studio-")]
    assert sent["x-connection-encrypted"].startswith("U2FsdGVkX1")
    assert not answer.headers.keys() & {"access-control-allow-origin", "set-cookie"}


async def test_a_token_is_needed_and_its_role_counts(stack: Stack, http: httpx.AsyncClient) -> None:
    target = f"/api/platform/pg-meta/{stack.ids['shop']}/tables"
    assert refusal(await http.get(target)) == (401, "AUTH_REQUIRED")
    for role in ("anon", "authenticated"):
        answer = await http.get(target, headers={"authorization": f"Bearer {user_token(role)}"})
        assert refusal(answer) == (404, "DB_NOT_FOUND"), "as if it did not exist"


async def test_a_grant_counts_as_much_as_a_role(stack: Stack, http: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {user_token('authenticated', sub='ada')}"}
    target = f"/api/platform/pg-meta/{stack.ids['shop']}"
    table = {"name": "by_grant"}
    await stack.registry.grant(stack.ids["shop"], "ada", "read")
    assert (await http.get(f"{target}/tables", headers=headers)).status_code == 200
    answer = await http.post(f"{target}/tables", headers=headers, json=table)
    assert refusal(answer) == (403, "PERMISSION_DENIED")
    given = await stack.registry.grant(stack.ids["shop"], "ada", "write")
    assert (await http.post(f"{target}/tables", headers=headers, json=table)).status_code == 200
    await stack.registry.revoke(given)
    assert refusal(await http.get(f"{target}/tables", headers=headers)) == (404, "DB_NOT_FOUND")


async def test_only_active_postgres_databases_are_there(
    stack: Stack, developer: Caller, shop_url: str
) -> None:
    cache = await stack.registry.create(name="cache")
    assert refusal(await developer.ask("GET", "/tables", database=cache.id)) == (404, "DB_NOT_FOUND")
    nobody = "00000000-0000-0000-0000-000000000000"
    assert refusal(await developer.ask("GET", "/tables", database=nobody)) == (404, "DB_NOT_FOUND")
    asleep = await stack.register("asleep", shop_url)
    await stack.registry.update(asleep, status="inactive", skip_test=True)
    assert refusal(await developer.ask("GET", "/tables", database=asleep)) == (400, "DB_INACTIVE")


async def test_the_platforms_own_database_takes_sql_of_administrators_only(
    developer: Caller, reader: Caller, administrator: Caller
) -> None:
    for caller in (developer, reader):
        assert refusal(await caller.sql("SELECT 1", database=PLATFORM_ID)) == (403, "PERMISSION_DENIED")
    assert (await reader.ask("GET", "/schemas", database=PLATFORM_ID)).status_code == 200
    assert (await administrator.sql("SELECT 1 AS one", database=PLATFORM_ID)).json() == [{"one": 1}]


async def test_a_body_has_a_bound(developer: Caller) -> None:
    answer = await developer.sql("SELECT 1 --" + "x" * (3 << 20))
    assert refusal(answer) == (413, "PAYLOAD_TOO_LARGE")
    almost = await developer.sql("SELECT 1 AS one --" + "x" * ((3 << 20) - 100))
    assert almost.json() == [{"one": 1}]


async def test_pg_meta_away_is_503_and_says_so(developer: Caller, pg_meta_server: PgMetaServer) -> None:
    pg_meta_server.kill()
    try:
        answer = await developer.ask("GET", "/tables")
        assert refusal(answer) == (503, "SERVICE_UNAVAILABLE")
        assert "pg-meta" in answer.json()["message"]
        assert int(answer.headers["retry-after"]) > 0
    finally:
        pg_meta_server.start()


async def test_the_registry_away_lets_nothing_pass(stack: Stack, tmp_path: Path) -> None:
    async with capturing() as capture:
        variables = gateway_variables(stack.registry, capture.url) | {"REGISTRY_ADDRESS": "127.0.0.1:1"}
        async with (
            running_gateway(tmp_path, **variables) as gateway,
            gateway.client(with_token=False) as http,
        ):
            answer = await Caller(stack, http, "owner").ask("GET", "/tables")
    assert refusal(answer) == (503, "REGISTRY_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert all("/health" in line for line, _ in capture.requests)


async def test_without_pg_meta_the_paths_say_what_switches_it_on(stack: Stack, tmp_path: Path) -> None:
    variables = {"REGISTRY_ADDRESS": stack.registry.address, "JWT_SECRET": JWT_SECRET}
    async with running_gateway(tmp_path, **variables) as gateway, gateway.client(with_token=False) as http:
        answer = await Caller(stack, http, "owner").ask("GET", "/tables")
    assert refusal(answer) == (404, "ENGINE_DISABLED")
    assert "PG_META_URL" in answer.json()["message"]


async def test_a_registry_without_pg_meta_says_so_too(stack: Stack, tmp_path: Path) -> None:
    async with capturing() as capture, running_registry(settings(None)) as registry:
        variables = gateway_variables(registry, capture.url)
        async with (
            running_gateway(tmp_path, **variables) as gateway,
            gateway.client(with_token=False) as http,
        ):
            answer = await Caller(stack, http, "owner").ask("GET", "/tables")
    assert refusal(answer) == (404, "ENGINE_DISABLED")


async def test_users_cannot_ask_for_decisions(stack: Stack) -> None:
    async with grpc.aio.insecure_channel(stack.registry.address) as channel:
        stub = AuthorizationStub(channel)
        request = CheckRequest()
        request.attributes.request.http.method = "GET"
        request.attributes.request.http.path = f"/api/platform/pg-meta/{stack.ids['shop']}/tables"
        request.attributes.request.http.headers["authorization"] = f"Bearer {user_token()}"
        async with failing("AUTH_REQUIRED", grpc.StatusCode.UNAUTHENTICATED):
            await stub.Check(request, timeout=20)
        async with failing("PERMISSION_DENIED", grpc.StatusCode.PERMISSION_DENIED):
            await stub.Check(request, metadata=stack.registry.as_user, timeout=20)
        passed: CheckResponse = await stub.Check(request, metadata=stack.registry.as_service, timeout=20)
        assert [each.header.key for each in passed.ok_response.headers] == ["x-connection-encrypted"]
        # A service is no user, either.
        (_, bearer), *_ = stack.registry.as_service
        request.attributes.request.http.headers["authorization"] = bearer
        denied: CheckResponse = await stub.Check(request, metadata=stack.registry.as_service, timeout=20)
        assert denied.denied_response.status.code == 403


async def test_the_gateway_has_no_route_to_decisions(gateway: Gateway) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await AuthorizationStub(channel).Check(
                CheckRequest(), metadata=(("authorization", f"Bearer {user_token()}"),), timeout=20
            )
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_envoy_takes_a_renewed_token_while_it_runs(gateway: Gateway, developer: Caller) -> None:
    path = gateway.state / "service_token.json"
    good = path.read_text()

    async def replaced(text: str, status: int) -> None:
        new = path.with_suffix(".test")
        new.write_text(text)
        new.replace(path)
        for _ in range(500):
            if (await developer.ask("GET", "/schemas")).status_code == status:
                return
        raise AssertionError(status)

    await replaced(good.replace("Bearer ", "Bearer x"), 503)
    await replaced(good, 200)


def test_a_token_is_renewed_before_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    path = tmp_path / "token.json"
    token = TokenFile(path, SecretStr(SERVICE_SECRET))

    def written() -> str:
        token.renew()
        return str(json.loads(path.read_text())["resources"][0]["generic_secret"]["secret"]["inline_string"])

    first = written()
    assert written() == first
    assert path.stat().st_mode & 0o777 == 0o600
    now += service_tokens.LIFETIME_S - service_tokens.RENEW_BEFORE_S
    assert written() != first


def test_pg_meta_needs_the_secret_of_services() -> None:
    with pytest.raises(ValueError, match="SERVICE_TOKEN_SECRET"):
        GatewaySettings(jwt_secret=SecretStr(JWT_SECRET), pg_meta_url="http://meta:1337")
    for url in (
        "meta:1337",
        "ftp://meta",
        "http://u:p@meta",
        "http://meta/base",
        "http://meta?x",
        "http://meta:0",
    ):
        with pytest.raises(ValueError, match="http://host:port"):
            GatewaySettings(
                jwt_secret=SecretStr(JWT_SECRET),
                service_token_secret=SecretStr(SERVICE_SECRET),
                pg_meta_url=url,
            )


async def test_no_secret_is_in_what_the_parts_say(
    stack: Stack, developer: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = await stack.register("broken", f"postgresql://shopkeeper:{CANARY}@127.0.0.1:1/x")
    answers = [
        await developer.ask("GET", "/tables", database=broken),
        await developer.ask("GET", f"/tables?x={CANARY}", database=broken, headers={"content-type": "x"}),
    ]
    said = "".join(answer.text for answer in answers) + "".join(capfd.readouterr())
    assert CANARY not in said
    assert CANARY not in stack.gateway.output.read_text()
    assert pg_meta.TOKEN_NAME not in stack.gateway.output.read_text()
