"""What a malicious user tries on the way in: each credential says what it says, and no header makes it say more."""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import jwt
import pytest

from deploy.local.tokens import mint
from services.runtime.auth import sessions
from services.runtime.contract import load_contract
from studio.options.v1.access_pb2 import EFFECT_NONE, EFFECT_READS
from studio.registry.v1 import registry_service_pb2 as registry
from studio.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from tests.support.confirmations import asked_over_http
from tests.support.failures import until
from tests.support.local_system import TIMEOUT_S, LocalSystem

API = "/api/platform"
DATABASES = f"{API}/databases"
SESSION = f"{API}/session"
KEYS = f"{API}/api-keys"
NOBODY = uuid.UUID(int=7)
"""The id of no database."""
ELSEWHERE = "http://elsewhere.example"


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as client:
        yield client


@pytest.fixture
async def attacker(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    """Sends what the test says and nothing else."""
    async with httpx.AsyncClient(base_url=system.url, trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def signed(system: LocalSystem, headers: dict[str, Any] | None = None, **claims: object) -> str:
    """A token that this system has signed."""
    given = {"sub": "mallory", "exp": int(time.time()) + 4 * 3600, **claims}
    return jwt.encode(given, system.secret("JWT_SECRET"), algorithm="HS256", headers=headers)


async def opened(attacker: httpx.AsyncClient, headers: dict[str, str]) -> tuple[str, str]:
    """A session's cookie and CSRF token."""
    answer = await attacker.post(SESSION, headers=headers)
    assert answer.status_code == 201, answer.text
    attacker.cookies.clear()
    return answer.headers["set-cookie"].partition(";")[0], answer.json()["csrf_token"]


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error_code"]


def test_no_get_changes_anything() -> None:
    for method in load_contract().methods.values():
        if any(rule.verb == "GET" for rule in method.http):
            assert method.effect in (EFFECT_NONE, EFFECT_READS), method.path


async def test_a_cookie_adds_nothing_to_a_token(system: LocalSystem, attacker: httpx.AsyncClient) -> None:
    cookie, csrf = await opened(attacker, system.headers("owner"))
    path = f"{DATABASES}/{NOBODY}"
    stolen = {"cookie": cookie, "x-csrf-token": csrf}
    assert (await attacker.delete(path, headers=stolen)).status_code == 404
    for headers, status in (
        (system.headers("read_only"), 403),
        (bearer("x.y.z"), 401),
        ({"authorization": ""}, 401),
        ({"authorization": "Basic eA=="}, 401),
        ({"authorization": "Bearer"}, 401),
    ):
        answer = await attacker.delete(path, headers={**stolen, **headers})
        # Who may not delete anything is not told what there is.
        assert answer.status_code in {status, 404 if status == 403 else status}, (headers, answer.text)


@pytest.mark.parametrize(
    "forged",
    [
        {"x-envoy-original-method": "GET"},
        {"X-Envoy-Original-Method": "GET", "x-http-method-override": "GET"},
        {"origin": ELSEWHERE, "x-studio-authority": "elsewhere.example", "x-csrf-token": "{csrf}"},
        {"origin": ELSEWHERE, "x-forwarded-host": "elsewhere.example", "x-csrf-token": "{csrf}"},
        {"origin": "http://{host}@elsewhere.example", "x-csrf-token": "{csrf}"},
        {"origin": "http://{host}.elsewhere.example", "x-csrf-token": "{csrf}"},
        {"origin": "http://elsewhere.example#{host}", "x-csrf-token": "{csrf}"},
        {"origin": "http://[{host}", "x-csrf-token": "{csrf}"},
        {"origin": "null", "x-csrf-token": "{csrf}"},
        {"sec-fetch-site": "cross-site", "x-csrf-token": "{csrf}"},
        {"x-studio-session": "1"},
    ],
)
async def test_no_header_replaces_what_shows_that_a_page_is_ours(
    system: LocalSystem, attacker: httpx.AsyncClient, forged: dict[str, str]
) -> None:
    cookie, csrf = await opened(attacker, system.headers("owner"))
    host = httpx.URL(system.url).netloc.decode()
    headers = {name: value.format(csrf=csrf, host=host) for name, value in forged.items()}
    for path in (
        f"{DATABASES}/{NOBODY}",
        f"{API}/bun/{NOBODY}/proxy/x",
        f"{API}/pg-meta/{NOBODY}/tables/1",
        SESSION,
    ):
        answer = await attacker.delete(path, headers={"cookie": cookie, **headers})
        assert code_of(answer) == (403, "CSRF_REJECTED"), path
    assert (await attacker.get(DATABASES, headers={"cookie": cookie})).is_success, "nobody has signed it out"


async def test_a_session_is_never_one_that_the_browser_brought_along(
    system: LocalSystem, attacker: httpx.AsyncClient
) -> None:
    planted, csrf = await opened(attacker, system.headers("read_only"))
    mine, my_csrf = await opened(attacker, {**system.headers("owner"), "cookie": planted})
    assert mine != planted
    assert my_csrf != csrf
    seen = (await attacker.get(SESSION, headers={"cookie": planted})).json()
    assert seen["role"] == "read_only"
    # Over http a neighbour can plant the plain name; the one that only https can set counts.
    both = f"{planted}; {mine.replace(sessions.COOKIE, sessions.SECURE_COOKIE)}"
    assert (await attacker.get(SESSION, headers={"cookie": both})).json()["role"] == "owner"


async def test_cookies_are_for_rest_alone(system: LocalSystem, attacker: httpx.AsyncClient) -> None:
    cookie, csrf = await opened(attacker, system.headers("owner"))
    metadata = (
        ("cookie", cookie),
        ("x-csrf-token", csrf),
        ("x-envoy-original-method", "GET"),
        ("x-studio-authority", "a"),
    )
    address = httpx.URL(system.url).netloc.decode()
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await RegistryServiceStub(channel).ListDatabases(
                registry.ListDatabasesRequest(), metadata=metadata
            )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    answer = await attacker.get(DATABASES, headers=bearer(cookie.partition("=")[2]))
    assert code_of(answer) == (401, "AUTH_INVALID_TOKEN")


async def test_only_a_users_own_token_or_key_opens_a_session(
    system: LocalSystem, attacker: httpx.AsyncClient
) -> None:
    for token in (
        signed(system, role="anon"),
        signed(system, role="anon", app_metadata={"studio_role": "owner"}),
    ):
        assert (await attacker.post(SESSION, headers=bearer(token))).status_code == 403


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        ({"role": "authenticated", "user_metadata": {"studio_role": "owner"}}, {}),
        ({"role": "authenticated", "studio_role": "owner"}, {}),
        ({"role": "anon", "app_metadata": {"studio_role": "owner"}}, {}),
        ({"role": "Owner"}, {}),
        ({"role": ["owner"]}, {}),
        ({"role": "internal"}, {}),
        ({"role": "service"}, {}),
        ({"role": "authenticated", "app_metadata": {"studio_role": "service_role"}}, {}),
        ({"role": "anon", "iss": sessions.ISSUER, "sid": "x", "end": 2e9}, {}),
        ({"role": "anon"}, {"kid": "../../../../dev/null"}),
        ({"role": "anon"}, {"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/keys"}),
    ],
)
async def test_no_claim_but_those_that_count_gives_a_role(
    system: LocalSystem, attacker: httpx.AsyncClient, claims: dict[str, Any], headers: dict[str, Any]
) -> None:
    token = signed(system, headers, **claims)
    for path in (DATABASES, KEYS, f"{API}/audit-log"):
        answer = await attacker.get(path, headers=bearer(token))
        # Without a role, lists hold what there are grants on: nothing.
        assert answer.status_code in {401, 403} or answer.json() == [], answer.text
    assert (
        await attacker.post(KEYS, headers=bearer(token), json={"name": "x", "role": "owner"})
    ).is_client_error


def odd_tokens(good: str) -> dict[str, str]:
    head, claims, signature = good.split(".")

    def header(**fields: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()

    return {
        "no algorithm": f"{header(alg='none', typ='JWT')}.{claims}.",
        "no algorithm, in another case": f"{header(alg='nOnE')}.{claims}.{signature}",
        "another algorithm": f"{header(alg='RS256', kid='x')}.{claims}.{signature}",
        "a longer hash": f"{header(alg='HS512')}.{claims}.{signature}",
        "a key that is no text": f"{header(alg='HS256', kid={'a': 1})}.{claims}.{signature}",
        "a critical extension": f"{header(alg='HS256', crit=['exp'], exp=1)}.{claims}.{signature}",
        "an own key": f"{header(alg='HS256', jwk={'kty': 'oct', 'k': 'YQ'})}.{claims}.{signature}",
        "another signature": f"{head}.{claims}.{'A' * len(signature)}",
        "four parts": f"{good}.x",
        "20 KB": f"{head}.{claims}{'A' * 20_000}.{signature}",
        "2,000 levels": f"{head}.{base64.urlsafe_b64encode(b'[' * 2000).decode()}.{signature}",
    }


@pytest.mark.parametrize("odd", odd_tokens("a.b.c"))
async def test_odd_tokens_are_refused(system: LocalSystem, attacker: httpx.AsyncClient, odd: str) -> None:
    token = odd_tokens(system.token("owner"))[odd]
    answer = await attacker.get(DATABASES, headers=bearer(token))
    assert answer.status_code in {401, 431}, answer.text
    answer = await attacker.get(DATABASES, headers={"cookie": f"{sessions.COOKIE}={token}"})
    assert answer.status_code in {401, 431}, answer.text
    async with grpc.aio.insecure_channel(system.address("registry")) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await RegistryServiceStub(channel).ListDatabases(
                registry.ListDatabasesRequest(), metadata=(("authorization", f"Bearer {token}"),)
            )
    # A header that is too long ends the call before it is read.
    assert caught.value.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize(
    "refs", [["Default"], ["DEFAULT"], ["default "], ["default\x00"], ["def%61ult"], ["*"], [""], []]
)
async def test_a_project_has_one_spelling(
    system: LocalSystem, attacker: httpx.AsyncClient, refs: list[str]
) -> None:
    limited = bearer(signed(system, role="owner", projects=refs))
    listed = await attacker.get(DATABASES, headers=limited)
    assert listed.is_client_error or listed.json() == [], listed.text
    for ref in ("default", *refs):
        body = {"projectRef": ref, "name": f"test-{secrets.token_hex(6)}", "type": "redis", "skipTest": True}
        created = await attacker.post(
            DATABASES, headers=limited, json={**body, "connectionString": "redis://127.0.0.1:1"}
        )
        assert created.is_client_error, created.text
    for project_refs in ([], ["default"], [*refs, "default"]):
        made = await attacker.post(
            KEYS, headers=limited, json={"name": "x", "role": "owner", "projectRefs": project_refs}
        )
        assert made.is_client_error, made.text


async def test_keys_that_a_key_has_issued_end_with_it(
    owner: httpx.AsyncClient, attacker: httpx.AsyncClient
) -> None:
    stolen = (await owner.post(KEYS, json={"name": "stolen", "role": "owner"})).json()
    cookie, csrf = await opened(attacker, bearer(stolen["key"]))
    wanted = {"name": "kept", "role": "owner"}
    by_key = (await attacker.post(KEYS, headers=bearer(stolen["key"]), json=wanted)).json()
    by_session = await attacker.post(KEYS, headers={"cookie": cookie, "x-csrf-token": csrf}, json=wanted)
    grandchild = (await attacker.post(KEYS, headers=bearer(by_key["key"]), json=wanted)).json()
    issued = [by_key["key"], by_session.json()["key"], grandchild["key"]]
    for key in issued:
        assert (await attacker.get(DATABASES, headers=bearer(key))).is_success
    assert (await owner.delete(f"{KEYS}/{stolen['api_key']['id']}")).status_code == 204
    for key in (stolen["key"], *issued):

        async def is_refused(key: str = key) -> bool:
            return (await attacker.get(DATABASES, headers=bearer(key))).status_code == 401

        await until(is_refused)


async def test_the_record_names_the_address_that_the_gateway_sees(
    system: LocalSystem, owner: httpx.AsyncClient, attacker: httpx.AsyncClient
) -> None:
    forged = {
        "x-studio-client-address": "198.51.100.7",
        "X-Studio-Client-Address": "198.51.100.7",
        "x-forwarded-for": "198.51.100.7",
        "x-real-ip": "198.51.100.7",
        "forwarded": "for=198.51.100.7",
        "x-envoy-external-address": "198.51.100.7",
    }
    for path in (f"{DATABASES}/{NOBODY}", f"{API}/bun/{NOBODY}/proxy/x", f"{API}/pg-meta/{NOBODY}/tables/1"):
        answer = await attacker.delete(path, headers={**system.headers("owner"), **forged})
        request_id = answer.headers["x-request-id"]

        async def seen(request_id: str = request_id) -> list[str]:
            page = await owner.get(f"{API}/audit-log", params={"request_id": request_id})
            return [each["client_address"] for each in page.json()["events"]]

        async def is_recorded() -> bool:
            return bool(await seen())

        await until(is_recorded)
        assert await seen() == ["127.0.0.1"], path
    underscored = {**system.headers("owner"), "x_studio_client_address": "198.51.100.7"}
    assert (await attacker.get(DATABASES, headers=underscored)).status_code == 400


async def test_a_confirmation_is_for_one_request_of_one_caller(
    system: LocalSystem, owner: httpx.AsyncClient
) -> None:
    ids = []
    for _ in range(2):
        body = {"projectRef": "default", "name": f"test-{secrets.token_hex(6)}", "type": "redis"}
        more = {"connectionString": system.engines["redis"], "config": {"production": True}}
        made = await owner.post(DATABASES, json={**body, **more})
        assert made.status_code == 201, made.text
        ids.append(made.json()["id"])
    mine, other = (f"{DATABASES}/{id_}" for id_ in ids)
    confirmed = asked_over_http(await owner.delete(mine))
    token = confirmed["x-confirmation"]
    second_owner = bearer(mint("owner", system.secret("JWT_SECRET"), subject="another"))
    later = f"{int(token.partition('.')[0]) + 1}.{token.partition('.')[2]}"
    for path, headers in (
        (other, confirmed),
        (mine, {"x-confirmation": later}),
        (mine, {"x-confirmation": token[:-1]}),
        (mine, {"x-confirmation": f"{token},{token}"}),
        (mine, {"x-confirmation": ""}),
        (mine, {**confirmed, **second_owner}),
    ):
        asked_over_http(await owner.delete(path, headers=headers))
    assert (await owner.delete(mine, headers=confirmed)).status_code == 204
    assert (await owner.delete(other, headers=asked_over_http(await owner.delete(other)))).status_code == 204
