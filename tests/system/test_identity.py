"""API keys and sessions through the gateway: what they open everywhere, and how soon they no longer do."""

from __future__ import annotations

import asyncio
import contextlib
import http.cookies
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from services.runtime.auth import api_keys, sessions
from tests.support.local_system import READS, TIMEOUT_S, LocalSystem

KEYS = "/api/platform/api-keys"
SESSION = "/api/platform/session"
LIST = "/api/platform/databases"
BOUND_S = 10.0
"""A second in operation; a machine that is busy with tests may need more."""


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as client:
        yield client


@pytest.fixture
async def browser(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    """Sends what the test says and nothing else."""
    async with httpx.AsyncClient(base_url=system.url, trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture
async def paths(owner: httpx.AsyncClient) -> list[str]:
    """A path for each service, and one that bun_proxy forwards."""
    samples = {
        each["type"]: each["id"] for each in (await owner.get(LIST, params={"search": "sample"})).json()
    }
    return [
        LIST,
        *(path.format(samples[type_]) for path, type_ in READS.items()),
        f"/api/platform/bun/{samples['bun_api']}/proxy/health",
    ]


def bearer(credential: str) -> dict[str, str]:
    return {"authorization": f"Bearer {credential}"}


async def issue(owner: httpx.AsyncClient, **fields: object) -> Any:  # noqa: ANN401  JSON
    made = await owner.post(KEYS, json={"name": "test", "role": "read_only", **fields})
    assert made.status_code == 201, made.text
    return made.json()


async def refused_everywhere(browser: httpx.AsyncClient, paths: list[str], headers: dict[str, str]) -> None:
    async with asyncio.timeout(BOUND_S):
        for path in paths:
            while (answer := await browser.get(path, headers=headers)).status_code != 401:
                assert answer.is_success, answer.text
            assert answer.json()["error_code"] == "AUTH_INVALID_TOKEN"


async def test_a_key_opens_every_service_until_it_is_revoked(
    owner: httpx.AsyncClient, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    made = await issue(owner)
    for path in paths:
        answer = await browser.get(path, headers=bearer(made["key"]))
        assert answer.is_success, f"{path}: {answer.text}"
    assert made["key"] not in (await owner.get(KEYS)).text
    assert (await owner.get(f"{KEYS}/{made['api_key']['id']}")).json() == made["api_key"]
    deleted = await owner.delete(f"{KEYS}/{made['api_key']['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    await refused_everywhere(browser, paths, bearer(made["key"]))


@pytest.mark.parametrize(
    "credential",
    [
        api_keys.generate().text,
        api_keys.generate().text[:-1],
        api_keys.generate().text + "0",
        f"{api_keys.generate().text},Bearer x",
        "sdb_",
        "sdb_x_y",
    ],
    # Each worker makes up keys of its own, and all must collect the same tests.
    ids=["unknown", "cut", "longer", "two values", "prefix alone", "no key"],
)
async def test_forged_keys_are_refused(browser: httpx.AsyncClient, credential: str) -> None:
    answer = await browser.get(LIST, headers=bearer(credential))
    assert (answer.status_code, answer.json()["error_code"]) == (401, "AUTH_INVALID_TOKEN")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert credential not in answer.text


async def test_two_services_go_on_with_a_known_key_while_the_registry_is_down(
    system: LocalSystem, owner: httpx.AsyncClient, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    known, unknown = await issue(owner), await issue(owner)
    redis, mongodb = paths[1:3]
    for path in (redis, mongodb):
        assert (await browser.get(path, headers=bearer(known["key"]))).is_success
    system.stop("registry")
    try:
        for path in (redis, mongodb):
            answer = await browser.get(path, headers=bearer(known["key"]))
            assert answer.is_success, answer.text
            answer = await browser.get(path, headers=bearer(unknown["key"]))
            assert (answer.status_code, answer.json()["error_code"]) == (503, "REGISTRY_UNAVAILABLE")
    finally:
        system.start("registry")
        system.wait_reached()
    await owner.delete(f"{KEYS}/{known['api_key']['id']}")
    await refused_everywhere(browser, [redis, mongodb], bearer(known["key"]))


async def sign_in(browser: httpx.AsyncClient, headers: dict[str, str]) -> tuple[str, Any]:
    """Opens a session; returns its cookie as browsers send it, and the answer."""
    answer = await browser.post(SESSION, headers=headers)
    assert answer.status_code == 201, answer.text
    browser.cookies.clear()  # what is sent, the test says
    return cookie_of(answer), answer.json()


def cookie_of(answer: httpx.Response) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


async def test_a_session_from_sign_in_to_sign_out(
    system: LocalSystem, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    cookie, session = await sign_in(browser, system.headers("developer"))
    assert (session["subject"], session["role"], session["all_projects"]) == (
        "developer@local",
        "developer",
        True,
    )
    for path in paths:
        answer = await browser.get(path, headers={"cookie": f"other=1; {cookie}"})
        assert answer.is_success, f"{path}: {answer.text}"
    assert (await browser.get(SESSION, headers={"cookie": cookie})).json() == session
    csrf = {"cookie": cookie, "x-csrf-token": session["csrf_token"]}
    renewed = await browser.post(f"{SESSION}/renew", headers=csrf, json={})
    assert renewed.status_code == 200, renewed.text
    assert {**renewed.json(), "expires_at": ""} == {**session, "expires_at": ""}
    browser.cookies.clear()
    ended = await browser.delete(SESSION, headers=csrf)
    assert (ended.status_code, ended.content) == (204, b"")
    assert {each.partition("=")[0] for each in ended.headers.get_list("set-cookie")} == set(sessions.COOKIES)
    browser.cookies.clear()
    # Whoever has a copy: of the first cookie, and of the renewed one.
    for stolen in (cookie, cookie_of(renewed)):
        await refused_everywhere(browser, paths, {"cookie": stolen})


async def test_a_cookie_is_for_this_host_and_no_script(
    system: LocalSystem, browser: httpx.AsyncClient
) -> None:
    host = httpx.URL(system.url).netloc.decode()
    for origin, name in ((f"http://{host}", sessions.COOKIE), (f"https://{host}", sessions.SECURE_COOKIE)):
        answer = await browser.post(SESSION, headers={**system.headers("owner"), "origin": origin})
        (morsel,) = http.cookies.SimpleCookie(answer.headers["set-cookie"]).values()
        assert (morsel.key, morsel["path"], morsel["httponly"], morsel["samesite"], morsel["domain"]) == (
            name,
            "/",
            True,
            "Strict",
            "",
        )
        assert bool(morsel["secure"]) == (name == sessions.SECURE_COOKIE)
        assert 0 < int(morsel["max-age"]) <= sessions.LIFETIME_S


OWN, FOREIGN = "http://{host}", "http://elsewhere.example"
PAGES: dict[str, tuple[dict[str, str], int]] = {
    "our own page": ({"x-csrf-token": "{token}", "origin": OWN, "sec-fetch-site": "same-origin"}, 404),
    "behind a load balancer with TLS": ({"x-csrf-token": "{token}", "origin": "https://{host}"}, 404),
    "no browser": ({"x-csrf-token": "{token}"}, 404),
    "no token": ({"origin": OWN, "sec-fetch-site": "same-origin"}, 403),
    "an empty token": ({"x-csrf-token": ""}, 403),
    "another session's token": ({"x-csrf-token": "{other}"}, 403),
    "a cut token": ({"x-csrf-token": "{token:.20}"}, 403),
    "another site": ({"x-csrf-token": "{token}", "sec-fetch-site": "cross-site"}, 403),
    "another origin": ({"x-csrf-token": "{token}", "origin": FOREIGN}, 403),
    "another port": ({"x-csrf-token": "{token}", "origin": "http://127.0.0.1:1"}, 403),
    "a sandboxed page": ({"x-csrf-token": "{token}", "origin": "null"}, 403),
}


@pytest.mark.parametrize("page", PAGES)
async def test_which_pages_may_change_something(
    system: LocalSystem, browser: httpx.AsyncClient, page: str
) -> None:
    headers, status = PAGES[page]
    cookie, session = await sign_in(browser, system.headers("owner"))
    _, other = await sign_in(browser, system.headers("owner"))
    facts = {
        "host": httpx.URL(system.url).netloc.decode(),
        "token": session["csrf_token"],
        "other": other["csrf_token"],
    }
    sent = {"cookie": cookie, **{name: value.format(**facts) for name, value in headers.items()}}
    bun = f"/api/platform/bun/{uuid.uuid4()}/proxy/x"
    for path in (f"{LIST}/{uuid.uuid4()}", bun, f"/api/platform/pg-meta/{uuid.uuid4()}/tables/1"):
        answer = await browser.delete(path, headers=sent)
        assert answer.status_code == status, f"{path}: {answer.text}"
        if status == 403:
            assert answer.json()["error_code"] == "CSRF_REJECTED"
    # The same with a token in the header, which no page of others can set, needs none of that.
    answer = await browser.delete(bun, headers={**system.headers("owner"), "cookie": cookie})
    assert answer.status_code == 404


def cookies(system: LocalSystem, good: str) -> dict[str, str]:
    """Cookies that are worth nothing."""
    name, _, value = good.partition("=")
    key = sessions.signing_key(SecretStr(system.secret("SERVICE_TOKEN_SECRET")))
    claims = jwt.decode(value, key, algorithms=["HS256"], issuer=sessions.ISSUER)
    changed: dict[str, dict[str, object]] = {
        "expired": {"exp": int(time.time()) - 60},
        "another issuer": {"iss": "x"},
        "no id": {"sid": None},
    }
    forged = {
        why: jwt.encode({k: v for k, v in {**claims, **change}.items() if v is not None}, key)
        for why, change in changed.items()
    }
    forged["a user's token"] = system.token("owner")
    forged["signed by users' secret"] = jwt.encode(claims, system.secret("JWT_SECRET"))
    forged["signed by services' secret"] = jwt.encode(claims, system.secret("SERVICE_TOKEN_SECRET"))
    forged["cut"] = value[:-2]
    forged["no signature"] = jwt.encode(claims, "", algorithm="none")
    found = {why: f"{name}={text}" for why, text in forged.items()}
    return {**found, "twice": f"{good}; {good}", "of another name": f"studio-sessions={value}"}


async def test_cookies_that_are_worth_nothing(system: LocalSystem, browser: httpx.AsyncClient) -> None:
    good, _ = await sign_in(browser, system.headers("owner"))
    for why, cookie in cookies(system, good).items():
        answer = await browser.get(LIST, headers={"cookie": cookie})
        assert answer.status_code == 401, why
    assert (await browser.get(LIST, headers={"cookie": good})).is_success
    # A session counts in its cookie alone, and makes no bad token good.
    for headers in (bearer(good.partition("=")[2]), {**bearer("x"), "cookie": good}):
        assert (await browser.get(LIST, headers=headers)).status_code == 401


async def test_a_session_ends_with_its_api_key(
    owner: httpx.AsyncClient, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    made = await issue(owner)
    cookie, session = await sign_in(browser, bearer(made["key"]))
    assert session["subject"] == made["api_key"]["subject"]
    assert (await browser.get(LIST, headers={"cookie": cookie})).is_success
    await owner.delete(f"{KEYS}/{made['api_key']['id']}")
    await refused_everywhere(browser, paths, {"cookie": cookie})


async def test_a_session_opens_none(system: LocalSystem, browser: httpx.AsyncClient) -> None:
    cookie, session = await sign_in(browser, system.headers("owner"))
    headers = {"cookie": cookie, "x-csrf-token": session["csrf_token"]}
    answer = await browser.post(SESSION, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
    for verb, path in (("GET", SESSION), ("POST", f"{SESSION}/renew"), ("DELETE", SESSION)):
        answer = await browser.request(verb, path, headers=system.headers("owner"))
        assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


async def test_no_api_sees_or_sets_the_sessions_cookie(
    system: LocalSystem, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    cookie, session = await sign_in(browser, system.headers("owner"))
    echo = paths[-1].replace("/health", "/echo")
    sent = {
        "cookie": f"a=1; {cookie}; b=2",
        "x-csrf-token": session["csrf_token"],
        "content-type": "text/plain",
    }
    heard = (await browser.post(echo, headers=sent, content="x")).json()["headers"]
    assert heard["cookie"] == "a=1; b=2"
    assert "x-csrf-token" not in heard
    # Where the caller shows a token, an API's own header of that name is the API's.
    both = {**sent, **system.headers("owner"), "x-csrf-token": "its own"}
    assert (await browser.post(echo, headers=both, content="x")).json()["headers"][
        "x-csrf-token"
    ] == "its own"


async def test_a_stream_ends_when_its_key_is_revoked(
    owner: httpx.AsyncClient, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    made = await issue(owner)
    redis_id = paths[1].split("/")[4]
    async with (
        asyncio.timeout(BOUND_S),
        browser.stream(
            "GET",
            f"/api/platform/redis/{redis_id}/subscribe",
            params={"channels": "test-revoked"},
            headers=bearer(made["key"]),
        ) as stream,
    ):
        assert stream.status_code == 200, await stream.aread()
        await owner.delete(f"{KEYS}/{made['api_key']['id']}")
        with contextlib.suppress(httpx.HTTPError):
            text = "".join([line async for line in stream.aiter_lines()])
            assert "AUTH_INVALID_TOKEN" in text


async def test_a_token_for_one_session_opens_one_and_is_refused_everywhere_from_then_on(
    system: LocalSystem, browser: httpx.AsyncClient, paths: list[str]
) -> None:
    token = system.sign_in_link().partition("#sign-in=")[2]
    system.credentials.add(token)
    assert (await browser.post(SESSION, headers=bearer(token), json={})).status_code == 201
    await refused_everywhere(browser, paths, bearer(token))
    again = await browser.post(SESSION, headers=bearer(token), json={})
    assert (again.status_code, again.json()["error_code"]) == (401, "AUTH_INVALID_TOKEN")
