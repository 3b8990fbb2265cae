"""API keys: who may issue which, what is stored, and how soon a revoked one is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import jwt
import psycopg
import pytest

from services.registry.credentials.postgres import MAX_DEPTH, MAX_ISSUED
from services.runtime.auth import api_keys, identity
from studio.registry.v1 import api_key_service_pb2 as messages
from studio.registry.v1 import credential_service_pb2 as credentials
from studio.registry.v1 import registry_service_pb2 as registry_pb
from studio.registry.v1 import session_service_pb2 as session_pb
from studio.registry.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from studio.registry.v1.credential_service_pb2_grpc import CredentialServiceStub
from studio.registry.v1.session_service_pb2_grpc import SessionServiceStub
from tests.registry.harness import JWT_SECRET, Registry, failing, running_registry, settings
from tests.support.failures import until

Code = grpc.StatusCode
Session = psycopg.Connection[tuple[Any, ...]]
Metadata = tuple[tuple[str, str], ...]
VERDICT = credentials.ResolveApiKeyResponse


def as_(**claims: object) -> Metadata:
    """Somebody with a token of these claims; an owner where they don't say otherwise."""
    all_claims = {"role": "owner", "sub": "ann", "exp": int(time.time()) + 4 * 3600, **claims}
    return bearer(jwt.encode(all_claims, JWT_SECRET, algorithm="HS256"))


def bearer(credential: str) -> Metadata:
    return (("authorization", f"Bearer {credential}"),)


OWNER = as_()
LIMITED = as_(projects=["default"])


class Keys:
    """A registry's API keys, as gRPC callers see them."""

    def __init__(self, registry: Registry) -> None:
        channel = grpc.aio.insecure_channel(registry.address)
        self.channel = channel
        self.users = ApiKeyServiceStub(channel)
        self.services = CredentialServiceStub(channel)
        self.registry = registry

    async def create(self, caller: Metadata = OWNER, **fields: Any) -> messages.CreateApiKeyResponse:  # noqa: ANN401  any field
        request = messages.CreateApiKeyRequest(**{"name": "ci", "role": "developer", **fields})
        return await self.users.CreateApiKey(request, metadata=caller, timeout=20)

    async def list(self, caller: Metadata = OWNER, **fields: Any) -> messages.ListApiKeysResponse:  # noqa: ANN401  any field
        return await self.users.ListApiKeys(
            messages.ListApiKeysRequest(**fields), metadata=caller, timeout=20
        )

    async def get(self, key_id: str, caller: Metadata = OWNER) -> messages.ApiKey:
        return await self.users.GetApiKey(messages.GetApiKeyRequest(id=key_id), metadata=caller, timeout=20)

    async def revoke(self, key_id: str, caller: Metadata = OWNER) -> None:
        await self.users.RevokeApiKey(messages.RevokeApiKeyRequest(id=key_id), metadata=caller, timeout=20)

    async def verdict(self, text: str) -> int:
        """What services are told of a key."""
        request = credentials.ResolveApiKeyRequest(
            id=api_keys.id_of(text), secret_digest=api_keys.digest(text)
        )
        found = await self.services.ResolveApiKey(request, metadata=self.registry.as_service, timeout=20)
        return found.verdict

    async def use(self, text: str) -> None:
        """Calls with a key."""
        await self.registry.users.ListDatabases(
            registry_pb.ListDatabasesRequest(), metadata=bearer(text), timeout=20
        )


@pytest.fixture
async def keys(registry: Registry) -> AsyncIterator[Keys]:
    made = Keys(registry)
    yield made
    await made.channel.close()


async def test_a_key_from_its_issue_to_its_end(keys: Keys, db: Session) -> None:
    made = await keys.create(role="read_only")
    await keys.use(made.key)
    shown = await keys.get(made.api_key.id)
    assert (shown.name, shown.role, shown.subject, shown.created_by) == (
        "ci",
        "read_only",
        f"key:{shown.id}",
        "ann",
    )
    assert [each.id for each in (await keys.list()).api_keys] == [shown.id]
    assert not shown.HasField("revoked_at")
    await keys.revoke(shown.id)
    async with failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED):
        await keys.use(made.key)
    await keys.revoke(shown.id)
    assert (await keys.get(shown.id)).HasField("revoked_at")
    (stored,) = db.execute("SELECT to_jsonb(k)::text FROM platform.api_keys k").fetchall()
    assert api_keys.digest(made.key).hex() not in stored[0]
    assert made.key.split("_")[2] not in stored[0]


async def test_a_key_may_do_what_its_role_may(keys: Keys) -> None:
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await keys.list(bearer((await keys.create(role="administrator")).key))
    await keys.list(bearer((await keys.create(role="owner")).key))


@pytest.mark.parametrize("role", ["administrator", "developer", "read_only", "anon", "authenticated"])
async def test_only_owners_issue_keys(keys: Keys, role: str) -> None:
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await keys.create(as_(role=role))


@pytest.mark.parametrize("refs", [[], ["other"], ["default", "other"]])
async def test_a_limited_owner_gives_no_more_than_he_has(keys: Keys, refs: list[str]) -> None:
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await keys.create(LIMITED, project_refs=refs)


async def test_a_limited_owner_sees_the_keys_of_his_projects_alone(keys: Keys) -> None:
    everywhere, own = await keys.create(), await keys.create(LIMITED, project_refs=["default"])
    assert [each.id for each in (await keys.list(LIMITED)).api_keys] == [own.api_key.id]
    for call in (keys.get, keys.revoke):
        async with failing("NOT_FOUND", Code.NOT_FOUND):
            await call(everywhere.api_key.id, LIMITED)
    await keys.revoke(own.api_key.id, LIMITED)
    async with failing("PROJECT_NOT_FOUND", Code.NOT_FOUND):
        await keys.create(project_refs=["nowhere"])


async def test_a_key_issues_none_that_outlasts_it(keys: Keys) -> None:
    now = datetime.now(UTC)
    parent = await keys.create(role="owner", expires_at=now + timedelta(hours=1))
    for later in ({}, {"expires_at": now + timedelta(hours=2)}):
        async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
            await keys.create(bearer(parent.key), **later)
    child = await keys.create(bearer(parent.key), expires_at=now + timedelta(minutes=30))
    assert child.api_key.created_by == parent.api_key.subject


@pytest.mark.parametrize(
    "by_hand",
    [
        b"",
        b"UPDATE platform.api_keys SET revoked_at = now() WHERE id = %s",
        b"DELETE FROM platform.api_keys WHERE id = %s",
    ],
)
async def test_keys_that_a_key_has_issued_end_with_it(keys: Keys, db: Session, by_hand: bytes) -> None:
    another = await keys.create(role="owner")
    first = await keys.create(role="owner")
    chain = [first]
    for _ in range(3):
        chain.append(await keys.create(bearer(chain[-1].key), role="owner"))
    sibling = await keys.create(bearer(first.key))
    if by_hand:
        db.execute(by_hand, [first.api_key.id])
    else:
        await keys.revoke(first.api_key.id)
    for each in (*chain, sibling):
        assert await keys.verdict(each.key) != VERDICT.VERDICT_VALID
        async with asyncio.timeout(10), failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED):
            while True:
                await keys.use(each.key)
    await keys.use(another.key)


async def test_a_key_that_is_being_revoked_leaves_none_behind(keys: Keys, db: Session) -> None:
    parent = await keys.create(role="owner")
    await keys.use(parent.key)
    with db.transaction():
        db.execute("UPDATE platform.api_keys SET revoked_at = now() WHERE id = %s", [parent.api_key.id])
        # The registry knows the key, and nothing of what is not committed.
        issuing = asyncio.create_task(keys.create(bearer(parent.key)))

        async def waits() -> bool:
            (count,) = db.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() or (0,)
            return bool(count) or issuing.done()

        await until(waits)
    async with failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED):
        await issuing


async def test_a_key_issues_so_many_that_all_can_end_with_it(keys: Keys, db: Session) -> None:
    first = await keys.create(role="owner")
    second = await keys.create(bearer(first.key), role="owner")
    db.execute(
        "INSERT INTO platform.api_keys (id, name, secret_hash, role, created_by) "
        "SELECT 'issued' || n, 'x', '', 'owner', %s FROM generate_series(2, %s) n",
        [second.api_key.subject, MAX_ISSUED],
    )
    for issuer in (first, second):
        async with failing("RESOURCE_EXHAUSTED", Code.RESOURCE_EXHAUSTED):
            await keys.create(bearer(issuer.key))
    await keys.revoke(first.api_key.id)
    assert db.execute("SELECT count(*) FROM platform.api_keys WHERE revoked_at IS NULL").fetchone() == (0,)


async def test_a_chain_of_keys_is_bounded(keys: Keys) -> None:
    last = await keys.create(role="owner")
    for _ in range(MAX_DEPTH - 1):
        last = await keys.create(bearer(last.key), role="owner")
    async with failing("PERMISSION_DENIED", Code.PERMISSION_DENIED):
        await keys.create(bearer(last.key), role="owner")


async def test_pages_show_each_key_once_newest_first(keys: Keys) -> None:
    made = [(await keys.create(name=str(number))).api_key.id for number in range(5)]
    seen: list[str] = []
    token, first = "", True
    while token or first:
        page = await keys.list(page_size=2, page_token=token)
        seen += [each.id for each in page.api_keys]
        token, first = page.next_page_token, False
    assert seen == made[::-1]
    async with failing("INVALID_CURSOR", Code.INVALID_ARGUMENT):
        await keys.list(LIMITED, page_token=(await keys.list(page_size=2)).next_page_token)


def other_secret(text: str) -> str:
    """The same id with a secret of its own, and the checksum that goes with it."""
    body = f"{text[:21]}{'A' * api_keys.SECRET_CHARS}"
    return body + api_keys._checksum(body)  # noqa: SLF001  a forger would know it


FORGERIES: dict[str, Callable[[str], str]] = {
    "another secret": other_secret,
    "another id": lambda text: api_keys.generate().text,  # noqa: ARG005
    "cut": lambda text: text[:-1],
    "longer": lambda text: text + "0",
    "another checksum": lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
    "a changed digit": lambda text: text[:30] + ("0" if text[30] != "0" else "1") + text[31:],
    "the id alone": lambda text: text[:21],
    "nothing": lambda text: text[:4],
    "another alphabet": lambda text: text[:-1] + "é",
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_what_is_no_key_is_refused(keys: Keys, forgery: str) -> None:
    made = await keys.create()
    forged = FORGERIES[forgery](made.key)
    for _ in range(2):
        if forged.isascii():  # gRPC itself refuses the others
            async with failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED) as failure:
                await keys.use(forged)
            assert forged[21:] == "" or forged[21:] not in failure.text
    if api_keys.id_of(forged):
        assert await keys.verdict(forged) == VERDICT.VERDICT_UNKNOWN
    await keys.use(made.key)


async def test_an_expired_key_is_refused_also_where_it_is_known(keys: Keys, db: Session) -> None:
    made = await keys.create(expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert await keys.verdict(made.key) == VERDICT.VERDICT_VALID
    db.execute("UPDATE platform.api_keys SET expires_at = now() - interval '1 second'")
    assert await keys.verdict(made.key) == VERDICT.VERDICT_EXPIRED
    async with failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED) as failure:
        await keys.use(made.key)
    assert "expired" in failure.message


@pytest.mark.parametrize(
    "statement",
    [
        b"UPDATE platform.api_keys SET revoked_at = now()",
        b"DELETE FROM platform.api_keys",
        b"TRUNCATE platform.api_keys",
    ],
)
async def test_an_operator_revokes_by_hand(keys: Keys, db: Session, statement: bytes) -> None:
    made = await keys.create()
    await keys.use(made.key)
    db.execute(statement)
    async with asyncio.timeout(10), failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED):
        while True:
            await keys.use(made.key)


async def test_a_session_ends_at_every_registry(keys: Keys, migrated_url: str) -> None:
    async with running_registry(settings(migrated_url)) as other:
        await sessions_end(keys.registry, other)


async def test_sessions_need_no_platform_database() -> None:
    async with running_registry(settings(None)) as registry:
        await sessions_end(registry, registry)


async def sessions_end(registry: Registry, other: Registry) -> None:
    """Signs in at one registry as the gateway does it, calls at both, signs out at the first."""
    channel = grpc.aio.insecure_channel(registry.address)
    stub = SessionServiceStub(channel)
    sign_in = stub.CreateSession(session_pb.CreateSessionRequest(), metadata=OWNER, timeout=20)
    session = await sign_in
    headers = {name: str(value) for name, value in await sign_in.initial_metadata()}
    cookie = ("cookie", headers["set-cookie"].partition(";")[0])
    over_rest = (cookie, (identity.VERB, "GET"))
    request = registry_pb.ListDatabasesRequest()
    async with asyncio.timeout(10):
        for each in (registry, other):
            # Right after its start a registry does not know yet what has ended.
            while (  # noqa: ASYNC110  another process's knowledge has no event here
                await each.users.ListDatabases(request, metadata=over_rest, timeout=20).code() is not Code.OK
            ):
                await asyncio.sleep(0.02)
        async with failing("AUTH_REQUIRED", Code.UNAUTHENTICATED):  # no browser speaks gRPC
            await other.users.ListDatabases(request, metadata=(cookie,), timeout=20)
        changing = (cookie, (identity.VERB, "DELETE"), (identity.CSRF_TOKEN, session.csrf_token))
        await stub.DeleteSession(session_pb.DeleteSessionRequest(), metadata=changing, timeout=20)
        for each in (registry, other):
            async with failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED):
                while True:
                    await each.users.ListDatabases(request, metadata=over_rest, timeout=20)
    await channel.close()


async def test_without_a_platform_database_there_are_no_keys() -> None:
    async with running_registry(settings(None)) as registry:
        keys = Keys(registry)
        assert not (await keys.list()).api_keys
        async with failing("REGISTRY_READ_ONLY", Code.FAILED_PRECONDITION):
            await keys.create()
        async with failing("NOT_FOUND", Code.NOT_FOUND):
            await keys.revoke("x")
        async with failing("AUTH_INVALID_TOKEN", Code.UNAUTHENTICATED):
            await keys.use(api_keys.generate().text)
        await keys.channel.close()
