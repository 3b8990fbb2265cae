"""A bad or missing variable stops the start with a sentence that names it and never repeats it."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from gateway.settings import GatewaySettings, any_interface
from services.runtime.settings import load
from tests.gateway.harness import JWT_SECRET, ROOT


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GatewaySettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.setenv("JWT_SECRET", JWT_SECRET)


def test_defaults() -> None:
    settings = load(GatewaySettings)
    assert settings.gateway_host == any_interface()
    assert (settings.gateway_port, settings.gateway_request_timeout_s) == (8000, 15.0)
    assert settings.registry_address == ("127.0.0.1:50051",)
    assert settings.redis_svc_address == settings.cors_allow_origins == ()


@pytest.mark.parametrize(
    ("variables", "port"),
    [
        ({"PORT": "9000"}, 9000),
        ({"GATEWAY_PORT": "9001", "PORT": "9000"}, 9001),
        ({"GATEWAY_PORT": ""}, 8000),
    ],
)
def test_the_port_that_a_platform_gives(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], port: int
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load(GatewaySettings).gateway_port == port


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_SVC_ADDRESS", "redis-1.railway.internal:50052, [fd12::1]:50053")
    first, second = load(GatewaySettings).redis_svc_address
    assert (first.host, first.port) == ("redis-1.railway.internal", 50052)
    assert (second.host, second.port) == ("fd12::1", 50053)


@pytest.mark.parametrize(
    ("value", "host"), [("localhost", "127.0.0.1"), ("[::1]", "::1"), ("0.0.0.0", "0.0.0.0")]
)
def test_hosts(monkeypatch: pytest.MonkeyPatch, value: str, host: str) -> None:
    monkeypatch.setenv("GATEWAY_HOST", value)
    assert load(GatewaySettings).gateway_host == host


def test_hosts_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_ipv6", False)
    assert any_interface() == "0.0.0.0"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_HOST", "canary.example.com"),
        ("GATEWAY_PORT", "canary"),
        ("GATEWAY_PORT", "70000"),
        ("GATEWAY_CONCURRENCY", "0"),
        ("REDIS_SVC_ADDRESS", "canary"),
        ("REDIS_SVC_ADDRESS", "host:canary"),
        ("REDIS_SVC_ADDRESS", "host:0"),
        ("REGISTRY_ADDRESS", "user:canary@host:1"),
        ("ADMIN_ADDRESS", "0.0.0.0:9901"),
        ("ADMIN_ADDRESS", "canary:9901"),
        ("JWT_SECRET", "canary-short"),
        ("JWT_JWKS_URL", "ftp://canary"),
        ("JWT_JWKS_URL", "https://user:canary@host/"),
        ("CORS_ALLOW_ORIGINS", "https://a.example.com/canary"),
        ("CORS_ALLOW_ORIGINS", "canary"),
        ("ENABLE_REDIS_MANAGEMENT", "canary"),
        ("GATEWAY_REQUEST_TIMEOUT_S", "0"),
        ("GATEWAY_MAX_REQUEST_BYTES", "canary"),
        ("LOG_LEVEL", "canary"),
    ],
)
def test_bad_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        load(GatewaySettings)
    assert name in str(caught.value)
    assert "canary" not in str(caught.value)


def test_some_key_for_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JWT_SECRET")
    with pytest.raises(SystemExit, match="JWT_SECRET or JWT_JWKS_URL"):
        load(GatewaySettings)
    monkeypatch.setenv("JWT_JWKS_URL", "https://example.com/jwks.json")
    assert load(GatewaySettings).jwt_jwks_url


def test_the_process_ends_with_the_sentence_alone() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gateway"],
        cwd=ROOT,
        env={"JWT_SECRET": "short"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.strip() == "configuration: JWT_SECRET must have at least 32 characters"


def test_every_variable_is_documented() -> None:
    text = (ROOT / "gateway" / "README.md").read_text()
    assert [name for name in GatewaySettings.model_fields if f"`{name.upper()}`" not in text] == []
