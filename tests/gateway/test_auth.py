"""Who gets past the gateway, and what of a request does."""

from __future__ import annotations

import contextlib
import json
import ssl
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
from tests.support.tls import Authority, Certificate

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


KEY = ec.generate_private_key(ec.SECP256R1())


def key_set() -> bytes:
    jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
    return json.dumps({"keys": [{**jwk, "kid": "k1", "alg": "ES256", "use": "sig"}]}).encode()


def signed_by(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    text = jwt.encode({"exp": SOON}, key, algorithm="ES256", headers={"kid": "k1"})
    return {"authorization": f"Bearer {text}"}


@contextlib.asynccontextmanager
async def gateway_with_keys(
    directory: Path, services: dict[str, Service], tls: Certificate | None = None, **environment: str
) -> AsyncIterator[Gateway]:
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
    async with (
        http_server(key_set(), context) as port,
        running_gateway(
            directory,
            REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
            REDIS_SVC_ADDRESS=f"127.0.0.1:{services['redis'].port}",
            JWT_JWKS_URL=f"{'https' if tls else 'http'}://localhost:{port}/jwks.json",
            **environment,
        ) as running,
    ):
        await running.wait_ready("/readyz")
        yield running


async def test_tokens_of_a_key_set_and_of_the_secret_both_count(
    services: dict[str, Service], redis: Script, tmp_path: Path
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    async with (
        gateway_with_keys(tmp_path, services) as gateway,
        gateway.client(with_token=False) as client,
    ):
        for good in (signed_by(KEY), {"authorization": f"Bearer {token()}"}):
            answer = await client.get(STATUS, headers=good)
            assert answer.status_code == 200, answer.text
        other = signed_by(ec.generate_private_key(ec.SECP256R1()))
        assert_shape(await client.get(STATUS, headers=other), 401, "AUTH_INVALID_TOKEN")
        assert_shape(await client.get(STATUS), 401, "AUTH_REQUIRED")


@pytest.mark.parametrize(("hosts", "status"), [(("localhost",), 200), (("other.example.com",), 503)])
async def test_a_key_set_over_tls_counts_when_its_certificate_is_the_hosts(
    services: dict[str, Service], redis: Script, tmp_path: Path, hosts: tuple[str, ...], status: int
) -> None:
    redis.returns("GetStatus", redis_pb.GetStatusResponse())
    authority = Authority(tmp_path)
    certificate = authority.issue(hosts=hosts)
    async with (
        gateway_with_keys(
            tmp_path, services, certificate, SSL_CERT_FILE=str(authority.certificate), JWT_SECRET=""
        ) as gateway,
        gateway.client(with_token=False) as client,
    ):
        answer = await client.get(STATUS, headers=signed_by(KEY))
        assert answer.status_code == status, answer.text


async def test_a_key_set_that_does_not_answer_is_an_outage_not_a_bad_token(
    services: dict[str, Service], tmp_path: Path
) -> None:
    async with running_gateway(
        tmp_path,
        REGISTRY_ADDRESS=f"127.0.0.1:{services['registry'].port}",
        JWT_SECRET="",
        JWT_JWKS_URL="http://127.0.0.1:1/jwks.json",
    ) as gateway:
        async with gateway.client(with_token=False) as client:
            answer = await client.get(STATUS, headers=signed_by(KEY))
        assert_shape(answer, 503, "SERVICE_UNAVAILABLE", retryable=True)
