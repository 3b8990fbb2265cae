"""A whole system that speaks TLS with its clients and mutual TLS inside: who gets in, and certificates renewed."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.bun_api import BunApi
from tests.support.engine_api import EngineApi
from tests.support.failures import until
from tests.support.local_system import LocalSystem
from tests.support.mongo_api import MongoApi
from tests.support.redis_api import RedisApi
from tests.support.tls import Authority, Certificate, Installed, served

GRPC = ("registry", "redis_svc", "mongo_svc", "bun_proxy")
KEY = f"tls-{secrets.token_hex(4)}"


@dataclass
class Secured:
    """The system, and what its processes show."""

    system: LocalSystem
    authority: Authority
    """Of the services."""
    services: Installed
    public: Authority
    """Of the certificate that clients are shown."""
    shown: Installed

    def client(self, role: str = "developer") -> httpx.AsyncClient:
        """Trusts the authority, and compares names."""
        return httpx.AsyncClient(
            base_url=self.system.url,
            headers=self.system.headers(role),
            trust_env=False,
            timeout=30,
            verify=self.public.client_context(),
        )

    async def serials(self, authority: Authority, own: Certificate | None) -> set[int | None]:
        """The number of the certificate that each port shows a client; None where it does not let him in."""
        found = [
            served(int(self.system.address(name).rpartition(":")[2]), authority.client_context(own))
            for name in GRPC
        ]
        forwarding = int(self.system.forwarding_address.rpartition(":")[2])
        found.append(served(forwarding, authority.client_context(own), http2=False))
        return set(await asyncio.gather(*found))


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    folder = Path(tempfile.mkdtemp(prefix="studio-tls-"))
    for each in ("services", "public"):
        (folder / each).mkdir()
    authority, public = Authority(folder / "services"), Authority(folder / "public")
    services = Installed(folder / "service", authority.issue(), authority)
    shown = Installed(folder / "gateway", public.issue(), public)
    variables = services.variables("SERVICE_TLS") | shown.variables("GATEWAY_TLS")
    system = LocalSystem(folder / "state", environment=variables)
    try:
        system.open()
        yield Secured(system, authority, services, public, shown)
    finally:
        system.close()


class PgMeta(EngineApi):
    """pg-meta's routes for one database; the registry decides about each call."""

    TYPE = "postgres"

    @property
    def base(self) -> str:
        return f"/api/platform/pg-meta/{self.database_id}"


async def every_way(client: httpx.AsyncClient) -> list[Callable[[], Awaitable[object]]]:
    """A call on each way that requests take through the system."""
    redis = RedisApi(client, await RedisApi.sample_id(client))
    mongo = MongoApi(client, await MongoApi.sample_id(client))
    bun = BunApi(client, await BunApi.sample_id(client))
    postgres = PgMeta(client, await PgMeta.sample_id(client))
    await redis.send("POST", "set", body={"key": KEY, "value": "v"})
    return [
        lambda: redis.get("get", key=KEY),
        lambda: mongo.get("databases"),
        lambda: bun.get("proxy/books"),
        lambda: postgres.get("schemas"),
    ]


async def test_every_way_through_the_system_works(secured: Secured) -> None:
    assert secured.system.url.startswith("https://")
    async with secured.client() as client:
        for call in await every_way(client):
            assert await call()


async def test_a_browsers_session_travels_by_tls_alone(secured: Secured) -> None:
    async with secured.client() as client:
        answer = await client.post("/api/platform/session")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-studio-session=")
    assert "; Secure" in cookie


async def test_nobody_without_a_certificate_of_the_authority_gets_to_a_service(
    secured: Secured, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    own = secured.authority.issue(name="client")
    assert await secured.serials(secured.authority, own) == {secured.services.serial}
    assert await secured.serials(secured.authority, None) == {None}
    assert await secured.serials(secured.authority, stranger.issue(name="client")) == {None}
    forwarding = f"http://{secured.system.forwarding_address}/healthz"
    async with httpx.AsyncClient(trust_env=False) as plain:
        with pytest.raises(httpx.TransportError):
            await plain.get(forwarding)


@asynccontextmanager
async def calling(calls: list[Callable[[], Awaitable[object]]]) -> AsyncIterator[Callable[[], bool]]:
    """Makes the calls all the while, each of which must succeed; yields what says that none has failed."""
    stop = asyncio.Event()

    async def repeat(call: Callable[[], Awaitable[object]]) -> None:
        while not stop.is_set():
            await call()

    tasks = [asyncio.create_task(repeat(call)) for call in calls]
    try:
        yield lambda: not any(task.done() for task in tasks)
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_certificates_and_the_authority_are_replaced_while_requests_run_and_none_fails(
    secured: Secured, tmp_path: Path
) -> None:
    successor = Authority(tmp_path)
    former, newest = secured.authority.issue(name="former"), successor.issue(name="newest")

    async def all_show(authority: Authority, own: Certificate) -> None:
        await until(lambda: shows(authority, own, {secured.services.serial}))

    async def shows(authority: Authority, own: Certificate, expected: set[int | None]) -> bool:
        assert fine(), "a request failed"
        return await secured.serials(authority, own) == expected

    async def gateway_shows() -> bool:
        port = int(secured.system.url.rpartition(":")[2])
        return await served(port, secured.public.client_context(), http2=False) == secured.shown.serial

    async with secured.client() as client, calling(await every_way(client)) as fine:
        secured.shown.install(secured.public.issue(), secured.public)
        secured.services.install(secured.authority.issue(), secured.authority, successor)
        await all_show(secured.authority, former)
        await until(gateway_shows)
        # Each process has taken the set up, and with it the successor: from here on its certificates are accepted.
        secured.services.install(successor.issue(), secured.authority, successor)
        await all_show(successor, newest)
        secured.services.install(newest, successor)
        await until(lambda: shows(successor, former, {None}))

    # Connections made from now on know nothing of the former authority.
    for name in ("registry", "redis_svc"):
        secured.system.kill(name)
    async with secured.client("owner") as client:
        for call in await every_way(client):
            await call()
        body = {"projectRef": "default", "name": KEY, "type": "redis"}
        created = await client.post(
            "/api/platform/databases",
            json={**body, "connectionString": secured.system.engines["redis"]},
        )
        assert created.status_code == 201, "the registry has it tested by redis_svc"
        assert await RedisApi(client, created.json()["id"]).get("get", key=KEY)
