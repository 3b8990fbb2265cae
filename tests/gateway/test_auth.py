"""Who gets past the gateway, and what of a request does."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.runtime.contract import load_contract
from studio.redis.v1 import redis_service_pb2 as redis_pb
from tests.gateway.harness import JWT_SECRET, Gateway, Script, Service, http_server, running_gateway, token
from tests.gateway.test_errors import assert_shape

STATUS = "/api/platform/redis/status"


def forged(header: dict[str, object], payload: dict[str, object], signature: str = "") -> str:
    """A token as no library would make it."""
    encode = jwt.utils.base64url_encode
    parts = [encode(json.dumps(part).encode()).decode() for part in (header, payload)]
    return ".".join([*parts, signature])


SOON = int(time.time()) + 3600
REFUSED = {
    "no token at all": ("Bearer not-a-token", "AUTH_INVALID_TOKEN"),
    "expired": (f"Bearer {token(expires_in_s=-60)}", "AUTH_INVALID_TOKEN"),
    "not valid yet": (f"Bearer {token(nbf=SOON)}", "AUTH_INVALID_TOKEN"),
    "without an end": (
        f"Bearer {jwt.encode({'role': 'owner'}, JWT_SECRET, algorithm='HS256')}",
        "AUTH_INVALID_TOKEN",
    ),
    "signed by another secret": (f"Bearer {token(secret='x' * 40)}", "AUTH_INVALID_TOKEN"),
    "another algorithm": (
        f"Bearer {jwt.encode({'exp': SOON}, JWT_SECRET * 2, algorithm='HS512')}",
        "AUTH_INVALID_TOKEN",
    ),
    "alg none": (f"Bearer {forged({'alg': 'none'}, {'role': 'owner', 'exp': SOON})}", "AUTH_INVALID_TOKEN"),
    "alg none with a signature": (
        f"Bearer {forged({'alg': 'none'}, {'role': 'owner', 'exp': SOON}, 'AAAA')}",
        "AUTH_INVALID_TOKEN",
    ),
    "basic": ("Basic dXNlcjpwYXNz", "AUTH_REQUIRED"),
    "empty": ("", "AUTH_REQUIRED"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_tokens_that_are_refused(gateway: Gateway, redis: Script, name: str) -> None:
    authorization, error_code = REFUSED[name]
    async with gateway.client(with_token=False) as client:
        answer = await client.get(STATUS, headers={"authorization": authorization})
    assert_shape(answer, 401, error_code)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "127.0.0.1" not in answer.headers["www-authenticate"]
    assert not redis.calls


async def test_a_token_counts_in_the_header_alone(gateway: Gateway) -> None:
    async with gateway.client(with_token=False) as client:
        assert_shape(await client.get(STATUS, params={"access_token": token()}), 401, "AUTH_REQUIRED")
        cookies = {"cookie": f"access_token={token()}"}
        assert_shape(await client.get(STATUS, headers=cookies), 401, "AUTH_REQUIRED")


async def test_every_path_needs_a_token(gateway: Gateway) -> None:
    paths = {rule.template for method in load_contract().methods.values() for rule in method.http}
    async with gateway.client(with_token=False) as client:
        for path in [*paths, "/", "/nothing", "/healthz/x", "/healthz?x=1", "/api/platform/mongodb"]:
            assert_shape(await client.get(path.replace("{", "").replace("}", "")), 401, "AUTH_REQUIRED")


async def test_health_needs_none(gateway: Gateway) -> None:
    async with gateway.client(with_token=False) as client:
        for path in ("/healthz", "/readyz"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            assert (await client.head(path)).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_the_token_is_forwarded(gateway: Gateway, redis: Script, scheme: str) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    authorization = f"{scheme} {token()}"
    async with gateway.client(with_token=False) as client:
        assert (await client.get(STATUS, headers={"authorization": authorization})).status_code == 200
    assert redis.calls[-1].metadata["authorization"] == authorization


@pytest.mark.parametrize(
    "header",
    [
        "x-connection-encrypted",
        "x-envoy-original-path",
        "x-envoy-original-method",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-max-retries",
        "x-envoy-force-trace",
        "x-studio-caller",
        "grpc-encoding",
        "grpc-accept-encoding",
    ],
)
async def test_headers_that_only_the_system_may_set(
    client: httpx.AsyncClient, redis: Script, header: str
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    assert (await client.get(STATUS, headers={header: "forged"})).status_code == 200
    assert redis.calls[-1].metadata.get(header) != "forged"


@pytest.mark.parametrize("deadline", ["1n", "99999999H", "nonsense"])
async def test_a_rest_caller_does_not_set_the_deadline(
    client: httpx.AsyncClient, redis: Script, deadline: str
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    assert (await client.get(STATUS, headers={"grpc-timeout": deadline})).status_code == 200
    assert 1.5 < redis.calls[-1].time_remaining_s < 2.1


class TestJwks:
    """Tokens signed by a key of a key set."""

    key = ec.generate_private_key(ec.SECP256R1())

    @pytest.fixture
    async def gateway(self, services: dict[str, Service], tmp_path: Path) -> AsyncIterator[Gateway]:
        jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        keys = json.dumps({"keys": [{**jwk, "kid": "k1", "alg": "ES256", "use": "sig"}]})
        async with (
            http_server(keys.encode()) as port,
            running_gateway(
                tmp_path,
                REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
                REDIS_SVC_ADDRESS=f"127.0.0.1:{services['redis'].port}",
                JWT_JWKS_URL=f"http://127.0.0.1:{port}/jwks.json",
            ) as running,
        ):
            await running.wait_ready("/readyz")
            yield running

    async def test_both_kinds_of_tokens_count(self, gateway: Gateway, redis: Script) -> None:
        redis.returns("GetStatus", redis_pb.GetStatusResponse())
        signed = jwt.encode({"exp": SOON}, self.key, algorithm="ES256", headers={"kid": "k1"})
        other = ec.generate_private_key(ec.SECP256R1())
        forged_token = jwt.encode({"exp": SOON}, other, algorithm="ES256", headers={"kid": "k1"})
        async with gateway.client(with_token=False) as client:
            for good in (signed, token()):
                answer = await client.get(STATUS, headers={"authorization": f"Bearer {good}"})
                assert answer.status_code == 200, answer.text
            answer = await client.get(STATUS, headers={"authorization": f"Bearer {forged_token}"})
            assert_shape(answer, 401, "AUTH_INVALID_TOKEN")
            assert_shape(await client.get(STATUS), 401, "AUTH_REQUIRED")


async def test_a_key_set_that_does_not_answer_is_an_outage_not_a_bad_token(
    services: dict[str, Service], tmp_path: Path
) -> None:
    async with running_gateway(
        tmp_path,
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        JWT_SECRET="",
        JWT_JWKS_URL="http://127.0.0.1:1/jwks.json",
    ) as gateway:
        key = ec.generate_private_key(ec.SECP256R1())
        signed = jwt.encode({"exp": SOON}, key, algorithm="ES256")
        async with gateway.client(with_token=False) as client:
            answer = await client.get(STATUS, headers={"authorization": f"Bearer {signed}"})
        assert_shape(answer, 503, "SERVICE_UNAVAILABLE", retryable=True)
