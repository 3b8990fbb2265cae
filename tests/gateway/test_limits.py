"""How much one client may ask of the gateway, and what it is told then."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import httpx
import jwt
import pytest
from pydantic import SecretStr

from deploy.local import ports
from gateway import filters
from gateway.settings import GatewaySettings
from services.runtime.auth import sessions
from services.runtime.contract import load_contract
from studio.redis.v1 import redis_service_pb2 as redis_pb
from studio.redis.v1.redis_service_pb2_grpc import RedisServiceStub
from tests.gateway.harness import (
    DATABASE_ID,
    JWT_SECRET,
    Gateway,
    Script,
    Service,
    running_gateway,
    token,
)
from tests.gateway.test_errors import assert_shape

PATH = "/api/platform/redis/status"
SERVICE_SECRET = "a-secret-of-the-services-0123456789abcdef"
MANY = 20
"""Requests that are made at once where a few a second are allowed."""


@pytest.fixture(scope="module")
async def limited(
    services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    """A gateway behind a load balancer, so that a test may come from any address."""
    async with running_gateway(
        tmp_path_factory.mktemp("limits"),
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        REDIS_SVC_ADDRESS=f"127.0.0.1:{services['redis'].port}",
        BUN_PROXY_HTTP_ADDRESS=f"127.0.0.1:{ports.pick()}",
        BUN_PROXY_ADDRESS=f"127.0.0.1:{ports.pick()}",
        SERVICE_TOKEN_SECRET=SERVICE_SECRET,
        GATEWAY_TRUSTED_HOPS="1",
        GATEWAY_RATE_PER_ADDRESS="4",
        GATEWAY_RATE_PER_CALLER="2",
        GATEWAY_MAX_REFUSED_PER_ADDRESS="3",
    ) as running:
        async with running.client(with_token=False) as client, asyncio.timeout(30):
            # `/readyz` would wait for bun_proxy, which is none here.
            for each in itertools.count():
                if (await ask(client, f"10.0.{each % 256}.1", token(sub=f"probe-{each}"))).status_code != 503:
                    break
                await asyncio.sleep(0.02)
        yield running


@pytest.fixture
async def http(limited: Gateway, redis: Script) -> AsyncIterator[httpx.AsyncClient]:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    async with limited.client(with_token=False) as client:
        yield client


async def ask(http: httpx.AsyncClient, address: str, authorization: str) -> httpx.Response:
    headers = {"x-forwarded-for": address, "authorization": f"Bearer {authorization}"}
    return await http.get(PATH, headers=headers)


async def test_an_address_has_a_rate_whatever_credentials_it_shows(http: httpx.AsyncClient) -> None:
    answers = [await ask(http, "192.0.2.1", token(sub=f"user-{each}")) for each in range(MANY)]
    assert answers[0].status_code == 200
    refused = next(each for each in answers if each.status_code != 200)
    assert_shape(refused, 429, "RESOURCE_EXHAUSTED", retryable=True)
    assert refused.headers["retry-after"] == "1"
    assert (await ask(http, "192.0.2.2", token())).status_code == 200, "another address"


async def test_a_network_of_ipv6_counts_as_one_address(http: httpx.AsyncClient) -> None:
    answers = [await ask(http, f"2001:db8::{each:x}", token(sub=f"six-{each}")) for each in range(1, MANY)]
    assert {each.status_code for each in answers} == {200, 429}
    assert (await ask(http, "2001:db8:0:1::1", token(sub="seven"))).status_code == 200


async def test_a_credential_has_a_rate_wherever_it_is_used(http: httpx.AsyncClient) -> None:
    mine = token(sub="ann")
    answers = [await ask(http, f"198.51.100.{each}", mine) for each in range(1, MANY)]
    assert answers[0].status_code == 200
    assert_shape(
        next(each for each in answers if each.status_code != 200), 429, "RESOURCE_EXHAUSTED", retryable=True
    )
    assert (await ask(http, "198.51.100.1", token(sub="bob"))).status_code == 200


async def test_a_session_counts_as_one_whatever_other_cookies_come_with_it(http: httpx.AsyncClient) -> None:
    def signed_in(sid: str) -> str:
        claims = {"iss": sessions.ISSUER, "sid": sid, "sub": "ann", "exp": int(time.time()) + 600}
        key = sessions.signing_key(SecretStr(SERVICE_SECRET))
        return f"{sessions.COOKIE}={jwt.encode(claims, key, algorithm='HS256')}"

    async def visit(number: int, cookie: str) -> int:
        headers = {"x-forwarded-for": f"198.51.101.{number}", "cookie": f"other={number}; {cookie}"}
        return (await http.get(PATH, headers=headers)).status_code

    assert {await visit(each, signed_in("first")) for each in range(1, MANY)} == {200, 429}
    assert await visit(1, signed_in("second")) == 200


async def test_native_callers_are_told_so_in_grpc(limited: Gateway, redis: Script) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    metadata = (("authorization", f"Bearer {token(sub='native')}"), ("x-forwarded-for", "192.0.2.9"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{limited.port}") as channel:
        stub = RedisServiceStub(channel)
        calls = [stub.GetStatus(redis_pb.GetStatusRequest(), metadata=metadata) for _ in range(MANY)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.gather(*calls)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(caught.value.trailing_metadata() or ())["retry-after"] == "1"


class TestRefusedCredentials:
    """An address that shows wrong credentials is told to wait; who shows a right one is not kept out."""

    async def test_too_many_are_429(self, http: httpx.AsyncClient) -> None:
        wrong = token(secret="x" * 40)
        for _ in range(3):
            assert_shape(await ask(http, "203.0.113.1", wrong), 401, "AUTH_INVALID_TOKEN")
        refused = await ask(http, "203.0.113.1", wrong)
        assert_shape(refused, 429, "RESOURCE_EXHAUSTED", retryable=True)
        assert refused.headers["retry-after"] == "30"
        assert "www-authenticate" not in refused.headers
        assert (await ask(http, "203.0.113.1", token(sub="right"))).status_code == 200
        assert_shape(await ask(http, "203.0.113.2", wrong), 401, "AUTH_INVALID_TOKEN")

    async def test_a_network_of_ipv6_counts_as_one_address(self, http: httpx.AsyncClient) -> None:
        wrong = token(secret="x" * 40)
        # However an address is written: with zeros left out before its last four groups, in them, and behind.
        hosts = ("2001:db8:5::1", "2001:db8:5:0:a:b:c:d", "2001:db8:5:0:1::", "2001:db8:5::b:0:0:1")
        answers = [await ask(http, each, wrong) for each in hosts]
        assert [each.status_code for each in answers] == [401, 401, 401, 429]
        assert (await ask(http, "2001:db8:5:1::1", wrong)).status_code == 401, "another network"
        assert (await ask(http, "2001:db8:5:1:0:1::", wrong)).status_code == 401

    async def test_over_grpc_too(self, limited: Gateway) -> None:
        metadata = (
            ("authorization", f"Bearer {token(secret='x' * 40)}"),
            ("x-forwarded-for", "203.0.113.3"),
        )
        codes = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{limited.port}") as channel:
            for _ in range(4):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await RedisServiceStub(channel).GetStatus(redis_pb.GetStatusRequest(), metadata=metadata)
                codes.append(caught.value.code().name)
                assert not [name for name, _ in caught.value.initial_metadata() or () if "studio" in name]
        assert codes == ["UNAUTHENTICATED"] * 3 + ["RESOURCE_EXHAUSTED"]

    async def test_where_answers_are_not_reshaped_too(self, http: httpx.AsyncClient) -> None:
        headers = {
            "x-forwarded-for": "203.0.113.5",
            "authorization": f"Bearer {token(secret='x' * 40)}",
        }
        path = f"/api/platform/bun/{DATABASE_ID}/proxy/books"
        answers = [await http.get(path, headers=headers) for _ in range(4)]
        assert [each.status_code for each in answers] == [401, 401, 401, 429]
        assert_shape(answers[3], 429, "RESOURCE_EXHAUSTED", retryable=True)

    async def test_a_request_without_a_credential_is_not_counted(self, http: httpx.AsyncClient) -> None:
        for _ in range(5):
            answer = await http.get(PATH, headers={"x-forwarded-for": "203.0.113.4"})
            assert_shape(answer, 401, "AUTH_REQUIRED")
            assert not [name for name in answer.headers if name.startswith("x-studio")]


@pytest.mark.parametrize("switched_off", ["gateway_rate_per_address", "gateway_rate_per_caller"])
def test_0_switches_a_rate_off(switched_off: str) -> None:
    def names(**settings: object) -> list[str]:
        found = GatewaySettings.model_validate({"jwt_secret": JWT_SECRET, **settings})
        chain = filters.http_filters(load_contract(), found, Path("descriptors"))
        return [each["name"] for each in chain]

    assert len(names()) == len(names(**{switched_off: 0})) + 1


async def test_0_counts_no_refused_credentials(services: dict[str, Service], tmp_path: Path) -> None:
    variables = {
        "REGISTRY_ADDRESS": f"127.0.0.1:{services['registry'].port}",
        "REDIS_SVC_ADDRESS": f"127.0.0.1:{services['redis'].port}",
        "GATEWAY_MAX_REFUSED_PER_ADDRESS": "0",
    }
    async with running_gateway(tmp_path, **variables) as gateway, gateway.client(with_token=False) as http:
        answers = [await ask(http, "192.0.2.1", token(secret="x" * 40)) for _ in range(110)]
        assert {each.status_code for each in answers} == {401}
        assert not [name for name in answers[-1].headers if name.startswith("x-studio")]
