"""TLS at the gateway, and mutual TLS between it and the services: what is shown, what is accepted, what is renewed."""

from __future__ import annotations

import asyncio
import json
import ssl
import stat
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from deploy.local import ports
from gateway import render
from gateway.settings import GatewaySettings
from services.runtime.contract import load_contract
from services.runtime.tls.credentials import server_credentials
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Sources
from studio.redis.v1 import redis_service_pb2 as redis_pb2
from tests.gateway.harness import (
    DATABASE_ID,
    JWT_SECRET,
    REDIS,
    Gateway,
    Script,
    Service,
    running_gateway,
)
from tests.support.tls import Authority, Certificate, Installed, served

GET = f"/api/platform/redis/{DATABASE_ID}/get?key=a"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """Of clients and services both: what one trusts is no matter of the other's."""
    return Authority(folder)


@pytest.fixture(scope="module")
def shown(authority: Authority, folder: Path) -> Installed:
    """What clients are shown."""
    return Installed(folder / "shown", authority.issue(name="shown"), authority)


@pytest.fixture(scope="module")
def own(authority: Authority, folder: Path) -> Installed:
    """What the gateway shows services."""
    return Installed(folder / "own", authority.issue(name="own"), authority)


@pytest.fixture(scope="module")
async def service() -> AsyncIterator[Service]:
    made = Service(Script(), (REDIS,), ports.pick())
    made.script.returns("GetValue", redis_pb2.GetValueResponse(key="a"))
    yield made
    await made.stop()


@pytest.fixture(scope="module")
async def secured(shown: Installed, own: Installed, service: Service, folder: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        folder,
        REDIS_SVC_ADDRESS=f"127.0.0.1:{service.port}",
        REGISTRY_ADDRESS="localhost:1",
        CORS_ALLOW_ORIGINS="https://studio.example.com",
        **shown.variables("GATEWAY_TLS"),
        **own.variables("SERVICE_TLS"),
    ) as running:
        yield running


async def serves(service: Service, folder: Path, certificate: Certificate, authority: Authority) -> None:
    """Has the service show another certificate, and let in whom another authority knows."""
    await service.stop()
    files = Installed(folder / "service", certificate, authority)
    sources = Sources("SERVICE_TLS", files.certificate, files.key, files.authority)
    service.credentials = server_credentials(CertificateFiles(sources))
    await service.start()


async def answers(gateway: Gateway, status: int) -> httpx.Response:
    """Returns once it answers so."""
    async with gateway.client() as client, asyncio.timeout(30):
        while (answer := await client.get(GET)).status_code != status:  # noqa: ASYNC110  other processes' doing
            await asyncio.sleep(0.02)
    return answer


async def is_refused(gateway: Gateway, why: str) -> None:
    """Returns once a call of the service has failed for this reason."""
    async with gateway.client() as client, asyncio.timeout(30):
        while not any(why in line["details"] for line in gateway.access_log() if line["status"] == 503):
            answer = await client.get(GET)
            assert (answer.status_code, answer.json()["error_code"]) == (503, "SERVICE_UNAVAILABLE")
            await asyncio.sleep(0.05)


# Clients.


async def test_every_answer_comes_by_tls_and_says_that_browsers_shall_use_nothing_else(
    secured: Gateway, authority: Authority, service: Service, folder: Path
) -> None:
    await serves(service, folder, authority.issue(name="service"), authority)
    assert (await answers(secured, 200)).json()["key"] == "a"
    async with secured.client() as client:
        anonymous = {"authorization": ""}
        found = [
            await client.get(GET),
            await client.get("/healthz", headers=anonymous),
            await client.get(GET, headers=anonymous),
            await client.get("/nowhere"),
        ]
    assert [each.status_code for each in found] == [200, 200, 401, 404]
    assert {each.headers["strict-transport-security"] for each in found} == {"max-age=31536000"}


async def test_http2_and_http1_are_both_spoken_and_tls_from_1_2_on(
    secured: Gateway, authority: Authority
) -> None:
    async def agreed(alpn: str, *versions: ssl.TLSVersion) -> tuple[str | None, str | None]:
        context = authority.client_context()
        context.set_alpn_protocols([alpn])
        if versions:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = versions[0]
                context.set_ciphers("ALL:@SECLEVEL=0")
        _, writer = await asyncio.open_connection("127.0.0.1", secured.port, ssl=context)
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.transport.abort()
        return tls.selected_alpn_protocol(), tls.version()

    assert await agreed("h2") == ("h2", "TLSv1.3")
    assert await agreed("http/1.1", ssl.TLSVersion.TLSv1_2) == ("http/1.1", "TLSv1.2")
    with pytest.raises(OSError, match=r"(?i)alert|reset|eof|version"):
        await agreed("h2", ssl.TLSVersion.TLSv1_1)
    answer = await secured.raw(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    assert b"200" not in answer


async def test_without_a_certificate_it_is_plain_http_and_says_nothing_of_tls(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/healthz")
    assert answer.url.scheme == "http"
    assert "strict-transport-security" not in answer.headers


async def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_go_on(
    secured: Gateway, authority: Authority, shown: Installed, service: Service, folder: Path
) -> None:
    await serves(service, folder, authority.issue(name="service"), authority)
    await answers(secured, 200)
    before = shown.serial
    async with secured.client(limits=httpx.Limits(max_connections=1)) as client:
        stream = (await client.get("/healthz")).extensions["network_stream"]
        shown.install(authority.issue(name="shown"), authority)
        async with asyncio.timeout(30):
            while await served(secured.port, authority.client_context(), http2=False) != shown.serial:
                assert (await client.get(GET)).status_code == 200
        last = await client.get("/healthz")
        assert last.status_code == 200
        assert last.extensions["network_stream"] is stream
    assert shown.serial != before


# Services.


async def test_only_a_service_of_the_authority_that_has_the_dialled_name_is_called(
    secured: Gateway, authority: Authority, service: Service, folder: Path, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path)
    service.script.calls.clear()
    # Each lets the gateway in: it is the gateway that does not go.
    for certificate, why in (
        (authority.issue(name="elsewhere", hosts=("redis-svc.internal", "127.0.0.2")), "SAN"),
        (stranger.issue(name="service"), "unable_to_get_local_issuer_certificate"),
        (authority.issue(name="expired", expired=True), "certificate_has_expired"),
    ):
        await serves(service, folder, certificate, authority)
        await is_refused(secured, why)
    await service.stop()
    service.credentials = None
    await service.start()
    await is_refused(secured, "WRONG_VERSION_NUMBER")
    assert service.script.calls == []
    await serves(service, folder, authority.issue(name="service"), authority)
    await answers(secured, 200)


async def test_renewed_certificates_of_services_and_a_new_authority_are_taken_up(
    secured: Gateway, authority: Authority, own: Installed, service: Service, folder: Path, tmp_path: Path
) -> None:
    await serves(service, folder, authority.issue(name="service"), authority)
    await answers(secured, 200)
    successor = Authority(tmp_path)
    own.install(successor.issue(name="own"), successor)
    await serves(service, folder, successor.issue(name="service"), successor)
    await answers(secured, 200)
    own.install(authority.issue(name="own"), authority)
    await serves(service, folder, authority.issue(name="service"), authority)
    await answers(secured, 200)


def test_every_cluster_of_this_system_has_it_and_what_lies_outside_has_not(own: Installed) -> None:
    given: Any = {
        "jwt_secret": JWT_SECRET,
        "jwt_jwks_url": "http://keys.example.com/jwks",
        "registry_address": "registry.internal:1,[fd00::1]:1",
        "redis_svc_address": "redis:1",
        "mongo_svc_address": "mongo:1",
        "bun_proxy_address": "bun:1",
        "bun_proxy_http_address": "bun:2",
        "pg_meta_url": "http://pg-meta:1",
        "service_token_secret": "service-secret-of-the-gateway-tests-01234",
        **{name.lower(): value for name, value in own.variables("SERVICE_TLS").items()},
    }
    config = render.bootstrap(load_contract(), GatewaySettings(**given), render.Files(Path("/state")))
    clusters = {each["name"]: each for each in config["static_resources"]["clusters"]}
    assert {name for name, each in clusters.items() if "transport_socket" not in each} == {"jwks", "pg_meta"}
    context = clusters["registry"]["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["combined_validation_context"]["default_validation_context"] == {
        "match_typed_subject_alt_names": [
            {"san_type": "IP_ADDRESS", "matcher": {"exact": "fd00::1"}},
            {"san_type": "DNS", "matcher": {"exact": "registry.internal"}},
        ]
    }
    assert "PRIVATE KEY" not in json.dumps(config)


def test_keys_lie_in_files_that_are_the_users_own(secured: Gateway) -> None:
    written = [secured.state / f"{name}_certificate.json" for name in ("gateway", "service")]
    assert all("PRIVATE KEY" in path.read_text() for path in written)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert stat.S_IMODE(secured.state.stat().st_mode) == 0o700
    assert "PRIVATE KEY" not in secured.output.read_text()


# Files that can't be used.


def test_bad_files_stop_the_start_with_a_sentence(authority: Authority, shown: Installed) -> None:
    def complaint(**changes: object) -> str:
        given: Any = {
            "jwt_secret": JWT_SECRET,
            "gateway_tls_certificate": shown.certificate,
            "gateway_tls_key": shown.key,
        }
        with pytest.raises(ValidationError) as raised:
            GatewaySettings(**given | changes)
        return str(raised.value.errors()[0]["msg"]).removeprefix("Value error, ")

    assert (
        complaint(gateway_tls_key=None) == "GATEWAY_TLS_CERTIFICATE and GATEWAY_TLS_KEY must be set together"
    )
    assert (
        complaint(gateway_tls_certificate="/nowhere")
        == "GATEWAY_TLS_CERTIFICATE names a file that does not exist"
    )
    assert complaint(gateway_tls_key=authority.issue(name="another").key) == (
        "GATEWAY_TLS_KEY is not the private key of the first certificate in GATEWAY_TLS_CERTIFICATE"
    )
