"""No secret shows anywhere, whatever callers get wrong: passwords, tokens, keys and cookies where they may leak.

Each test makes noise with canaries, and `check_disclosures` searches all that the system has written or tells since it
was started. The same is done once more after the last test of a run.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import grpc
import httpx
import jwt
import pytest

from services.runtime.auth import sessions
from studio.registry.v1 import registry_service_pb2 as registry
from studio.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from tests.support import canaries, disclosures
from tests.support.bun_api import BunApi
from tests.support.canaries import ODD, Search
from tests.support.engine_api import EngineApi
from tests.support.local_system import TIMEOUT_S, LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.redis_api import RedisApi

API = "/api/platform"
DATABASES = f"{API}/databases"
SESSION = f"{API}/session"
KEYS = f"{API}/api-keys"
SECRET = canaries.new(odd=True)
KEY = canaries.new()
"""For what is no part of a URL."""
VALUE = canaries.value()
REFUSED = {400, 401, 403, 404, 409, 422, 429, 503, 504}


@pytest.fixture
async def owner(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    async with system.client("owner") as client:
        yield client


@pytest.fixture
async def stranger(system: LocalSystem) -> AsyncIterator[httpx.AsyncClient]:
    """Sends what the test says; what it gets may repeat what it has sent."""
    async with httpx.AsyncClient(base_url=system.url, trust_env=False, timeout=TIMEOUT_S) as client:
        yield client


class PgMeta(EngineApi):
    TYPE = "postgres"

    @property
    def base(self) -> str:
        return f"{API}/pg-meta/{self.database_id}"


def strings(system: LocalSystem) -> Iterable[tuple[str, str]]:
    """Connection strings that fail, each at another stage, and the types of their databases."""
    raw, encoded = SECRET, quote(SECRET, safe="")
    for type_, scheme, engine in (
        ("redis", "redis", "redis"),
        ("mongodb", "mongodb", "mongodb"),
        ("postgres", "postgres", "postgres"),
        ("bun_api", "http", ""),
    ):
        own = system.engines[engine].rpartition("@")[2].partition("?")[0] if engine else "127.0.0.1:1"
        for where in (own, "nosuch.invalid:6379/x", "127.0.0.1:1/x", "169.254.169.254/x"):
            yield type_, f"{scheme}://someone:{encoded}@{where}"
        yield type_, f"{scheme}://someone:{raw}@{own}"
        yield type_, f"{scheme}://someone:{encoded}@{own}?nosuch={encoded}&tls={encoded}&password={encoded}"
        yield type_, f"{KEY}://{own}"
        yield type_, f"{scheme}://127.0.0.1:{KEY}"
        yield type_, f"rediss://:{encoded}@{own}"
        yield type_, SECRET


async def test_connection_strings_that_fail(system: LocalSystem, owner: httpx.AsyncClient) -> None:
    new = {"projectRef": "default", "name": "", "skipTest": True}
    made: list[tuple[str, str]] = []
    for type_, text in strings(system):
        body = {"type": type_, "connectionString": text}
        tested = await owner.post(f"{DATABASES}/test", json=body)
        assert tested.status_code in REFUSED or tested.json()["success"] is False, tested.text
        created = await owner.post(DATABASES, json={**new, **body, "name": f"test-{secrets.token_hex(6)}"})
        if created.status_code == 201:
            made.append((type_, created.json()["id"]))
        else:
            assert created.status_code in REFUSED, created.text
    assert {type_ for type_, _ in made} == {"redis", "mongodb", "bun_api", "postgres"}
    routes = {
        "redis": "redis/{}/overview",
        "mongodb": "mongodb/{}/databases",
        "bun_api": "bun/{}/health",
        "postgres": "pg-meta/{}/tables",
    }
    for type_, id_ in made:
        for path in (f"{API}/{routes[type_]}".format(id_), f"{DATABASES}/{id_}", f"{DATABASES}/{id_}/health"):
            answer = await owner.get(path)
            # pg-meta answers 500 when PostgreSQL refuses the login.
            allowed = REFUSED | ({500} if "pg-meta" in path else set())
            assert answer.is_success or answer.status_code in allowed, answer.text
        for change in ({"password": SECRET}, {"config": {"password": SECRET}}, {"username": [SECRET]}):
            await owner.patch(f"{DATABASES}/{id_}", json=change)
        assert (await owner.delete(f"{DATABASES}/{id_}")).status_code == 204
    broken = f'{{"connectionString": "redis://:{KEY}@h", "password": "{KEY}", }}'
    assert (await owner.post(DATABASES, content=broken)).status_code == 400
    system.check_disclosures()


async def test_commands_and_values(
    system: LocalSystem,
    owner: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    redis_key: str,
    mongo_database: str,
) -> None:
    redis_id, mongo_id = await RedisApi.sample_id(owner), await MongoApi.sample_id(owner)
    redis, mongo = RedisApi(owner, redis_id), MongoApi(owner, mongo_id)
    for line in (
        f"AUTH {KEY}",
        f'AUTH user "{KEY}',
        f"HELLO 3 AUTH default {KEY}",
        f"CONFIG SET requirepass {KEY}",
        f"ACL SETUSER nobody >{KEY}",
        f"MIGRATE 127.0.0.1 1 {redis_key} 0 1 AUTH {KEY}",
        f"MIGRATE 127.0.0.1 1 {redis_key} 0 1 AUTH2 user {KEY} KEYS a",
    ):
        answer = await redis.send("POST", "console", body={"commands": [{"line": line}]})
        assert answer.is_success or answer.status_code in REFUSED, answer.text
    user: dict[str, object] = {"databaseName": mongo_database, "user": "u", "password": SECRET}
    role = {"role": "read", "databaseName": mongo_database}
    for roles in ([role], [role], [{"role": "nosuch"}], "read"):
        await mongo.send("POST", "users", body={**user, "roles": roles})
    await mongo.send("PATCH", "users", body={**user, "mechanisms": [SECRET]})
    await mongo.send("DELETE", "users", query={"databaseName": mongo_database, "user": "u"})
    # Data: whoever has sent it may see it again, but nobody else.
    stranger.headers.update(system.headers("owner"))
    redis, mongo = RedisApi(stranger, redis_id), MongoApi(stranger, mongo_id)
    for line in (
        f"SET {redis_key} {VALUE}",
        f"INCR {redis_key}",
        f"GETRANGE {redis_key} {VALUE} 1",
        f"EVAL \"return redis.error_reply('{VALUE}')\" 0 {VALUE}",
        f"NOSUCH {VALUE}",
        f"{VALUE} a",
    ):
        await redis.send("POST", "console", body={"commands": [{"line": line}]})
    await redis.send("POST", "set", body={"key": redis_key, "value": VALUE, "ttl_s": VALUE})
    where: dict[str, object] = {"databaseName": mongo_database, "collection": "things"}
    for _ in range(2):  # the second is a duplicate
        await mongo.send("POST", "documents", body={**where, "documents": [{"_id": VALUE, VALUE: VALUE}]})
    for route, fields in (
        ("documents", {"filter": {f"${VALUE}": 1}}),
        ("documents", {"filter": {"a": {"$regex": f"({VALUE}"}}}),
        ("documents", {"filter": f"{{{VALUE}"}),
        ("documents", {"page_token": VALUE}),
    ):
        await mongo.send("GET", route, query={**where, **fields})
    for pipeline in ([{f"${VALUE}": 1}], [{"$project": {"a": {"$toInt": VALUE}}}], VALUE):
        await mongo.send("POST", "aggregate", body={**where, "pipeline": pipeline})
    await mongo.send("PUT", "documents", body={**where, "id": 1, "document": {"_id": VALUE, "$x": VALUE}})
    system.check_disclosures()


async def test_requests_to_apis_and_sql(
    system: LocalSystem, owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = await owner.post(
        DATABASES,
        json={
            "projectRef": "default",
            "name": f"test-{secrets.token_hex(6)}",
            "type": "bun_api",
            "connectionString": f"http://:{KEY}@127.0.0.1:1",
            "skipTest": True,
        },
    )
    assert made.status_code == 201, made.text
    stranger.headers.update(system.headers("owner"))
    carried = {
        "x-api-key": KEY,
        "cookie": f"a={KEY}",
        "x-csrf-token": KEY,
        "proxy-authorization": f"Basic {KEY}",
    }
    for id_ in (await BunApi.sample_id(owner), made.json()["id"]):
        for verb, route in (("POST", "echo"), ("GET", f"echo?token={KEY}"), ("DELETE", "nosuch")):
            answer = await stranger.request(
                verb,
                f"{API}/bun/{id_}/proxy/{route}",
                headers=carried,
                content=None if verb == "GET" else SECRET,
            )
            assert answer.is_success or answer.status_code in REFUSED, answer.text
    await owner.delete(f"{DATABASES}/{made.json()['id']}")
    id_ = await PgMeta.sample_id(owner)
    reader = {**system.headers("read_only")}
    for headers in (system.headers("owner"), reader):
        postgres = PgMeta(stranger, id_)
        stranger.headers.update(headers)
        for query in (
            f"SELECT '{VALUE}' AS text",
            f"SELECT '{VALUE}'::int",
            f"SELECT {VALUE}",
            f"ALTER ROLE shop PASSWORD '{VALUE}' VALID",
            f"DELETE FROM customers WHERE name = '{VALUE}'",
        ):
            await postgres.send("POST", "query", body={"query": query})
        await stranger.get(f"{postgres.base}/tables", headers={"x-connection-encrypted": SECRET})
        await postgres.send("POST", "roles", body={"name": "nosuch", "password": VALUE, "nosuch": VALUE})
    system.check_disclosures()


def forged(token: str) -> Iterable[str]:
    """Tokens that are nearly this one."""
    head, claims, signature = token.split(".")
    yield f"{head}.{claims}.{signature[:-6]}AAAAAA"
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    yield f"{none}.{claims}."
    yield f"{none}.{claims}.{signature}"
    yield f"{token},{token}"
    yield f"{token[:-1]} {token}"


async def test_tokens_keys_and_sessions(
    system: LocalSystem, owner: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    token = system.token("owner")
    for wrong in forged(token):
        system.credentials.add(token)
        for path in (DATABASES, f"{API}/redis/{secrets.token_hex(4)}/overview"):
            answer = await stranger.get(path, headers={"authorization": f"Bearer {wrong}"})
            assert answer.status_code in {401, 429}, answer.text
            system.refusals.setdefault(answer.text, f"GET {path}")
        async with grpc.aio.insecure_channel(system.address("registry")) as channel:
            call = RegistryServiceStub(channel).ListDatabases
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(registry.ListDatabasesRequest(), metadata=(("authorization", f"Bearer {wrong}"),))
            system.refusals.setdefault(str(caught.value), "ListDatabases")
    await stranger.get(f"{DATABASES}?access_token={token}")
    await stranger.get(
        DATABASES, headers={"authorization": f"Basic {base64.b64encode(KEY.encode()).decode()}"}
    )

    made = (await owner.post(KEYS, json={"name": "test", "role": "owner"})).json()
    key = made["key"]
    changed = key[:-1] + ("0" if key[-1] != "0" else "1")
    system.credentials |= {key, changed}
    opened = await stranger.post(SESSION, headers={"authorization": f"Bearer {key}"})
    assert opened.status_code == 201, opened.text
    stranger.cookies.clear()
    cookie = opened.headers["set-cookie"].partition(";")[0]
    csrf = opened.json()["csrf_token"]
    system.credentials |= {csrf, cookie.partition("=")[2]}
    by_cookie = {"cookie": cookie, "x-csrf-token": csrf}
    renewed = await stranger.post(f"{SESSION}/renew", headers=by_cookie, json={})
    assert renewed.status_code == 200, renewed.text
    stranger.cookies.clear()
    system.credentials.add(renewed.headers["set-cookie"].partition(";")[0].partition("=")[2])
    answers = [
        await stranger.get(DATABASES, headers={"authorization": f"Bearer {changed}"}),
        await stranger.delete(f"{DATABASES}/x", headers={"cookie": cookie, "x-csrf-token": csrf[:-1]}),
        await stranger.get(DATABASES, headers={"cookie": cookie[:-3]}),
        await stranger.get(DATABASES, headers={"cookie": f"{cookie}; {cookie}"}),
        await stranger.get(DATABASES, headers={"authorization": f"Bearer {cookie.partition('=')[2]}"}),
        await stranger.get(DATABASES, headers={"authorization": f"Bearer {csrf}"}),
    ]
    assert all(answer.is_client_error for answer in answers), [answer.text for answer in answers]
    assert (await stranger.delete(SESSION, headers=by_cookie)).status_code == 204
    stranger.cookies.clear()
    assert (await owner.delete(f"{KEYS}/{made['api_key']['id']}")).status_code == 204
    answers += [
        await stranger.get(DATABASES, headers=headers)
        for headers in ({"authorization": f"Bearer {key}"}, by_cookie)
    ]
    assert [answer.status_code for answer in answers[-2:]] == [401, 401]
    for answer in answers:
        system.refusals.setdefault(answer.text, f"{answer.request.method} {answer.request.url.path}")
    system.check_disclosures()


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "in lower case": str.lower,
    "in a URL": lambda secret: quote(secret, safe=""),
    "in JSON": json.dumps,
    "in JSON in JSON": lambda secret: json.dumps(json.dumps(secret)),
    "its beginning": lambda secret: secret.partition(ODD[0])[0],
    "its end": lambda secret: secret.rpartition(ODD[-1])[2],
    "in base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "in base64 after a user": lambda secret: base64.b64encode(f"u:{secret}".encode()).decode(),
    "in base64url after a name": lambda secret: base64.urlsafe_b64encode(f"bob:{secret}".encode()).decode(),
    "in hex": lambda secret: secret.encode().hex(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_planted_secret_is_found(tmp_path: Path, form: str) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "registry.log"
    log.write_text('{"event":"fine"}\n' * 1000)
    search = Search()
    assert disclosures.in_files(search, tmp_path) == []
    with log.open("a") as file:
        file.write(f"text {FORMS[form](canaries.new(odd=True))} text\n")
    assert len(disclosures.in_files(search, tmp_path)) >= 1


def test_a_planted_credential_is_found(tmp_path: Path) -> None:
    token = jwt.encode({"sub": "x", "iss": sessions.ISSUER}, "k" * 32, algorithm="HS256")
    csrf, key = secrets.token_urlsafe(32), f"sdb_{'a' * 16}_{secrets.token_hex(22)}"
    file = tmp_path / "notes.txt"
    for text, known in (
        (token, set()),
        (token.rpartition(".")[2], {token}),
        (csrf, {csrf}),
        (base64.b64encode(csrf.encode()).decode(), {csrf}),
        (key, set()),
        (key.rpartition("_")[2], {key}),
    ):
        file.write_text(f"x{text}")
        assert disclosures.in_files(Search(known), tmp_path), text
        file.write_text(f"x{text[:10]}")
        assert not disclosures.in_files(Search(known), tmp_path), text


def test_a_private_file_that_others_may_read_is_found(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(SECRET)
    file.chmod(0o600)
    assert disclosures.in_files(Search(), tmp_path) == []
    file.chmod(0o640)
    assert len(disclosures.in_files(Search(), tmp_path)) == 1
