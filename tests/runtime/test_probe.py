"""The health check of the images: what it asks, and what it makes of the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local import ports
from services.runtime import probe
from services.runtime.health_http import HealthServer


@pytest.fixture
def ready() -> list[bool]:
    return [True]


@pytest.fixture
def address(ready: list[bool]) -> Iterator[str]:
    server = HealthServer("127.0.0.1:0", lambda: ready[0])
    yield f"127.0.0.1:{server.port}"
    server.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTP_ADDRESS", raising=False)


def test_a_service_that_takes_calls_is_well(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main([address]) == 0
    assert capsys.readouterr().err == ""


def test_a_service_that_starts_or_stops_is_not(
    address: str, ready: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    ready[0] = False
    assert probe.main([address]) == 1
    assert capsys.readouterr().err.endswith("answers 503\n")


def test_nobody_there_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main([f"127.0.0.1:{ports.pick()}"]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_the_environment_says_where_it_listens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_ADDRESS", address)
    assert probe.main([f"127.0.0.1:{ports.pick()}"]) == 0


@pytest.mark.parametrize("host", ["[::]", "0.0.0.0"])
def test_every_interface_is_asked_on_this_host(host: str, address: str) -> None:
    assert probe.main([f"{host}:{address.rpartition(':')[2]}"]) == 0
