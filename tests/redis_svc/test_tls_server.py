"""TLS as a real server speaks it: Debian's redis-server, where it is installed. The embedded one is built without."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from services.redis_svc import values
from services.redis_svc.diagnose import diagnose
from services.redis_svc.limits import DEFAULTS
from services.redis_svc.values import Setting
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.redis_cluster import redis_cluster
from tests.support.redis_process import RedisProcess, running
from tests.support.tls import Authority, Certificate


@pytest.fixture(scope="module")
def program() -> str:
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed here")
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.issue()


@pytest.fixture(scope="module")
def server(
    program: str, authority: Authority, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RedisProcess]:
    """Asks its clients for a certificate, as is its default."""
    folder = tmp_path_factory.mktemp("redis-tls") / "server"
    process = RedisProcess(folder, {}, program=program, tls=(certificate, authority.certificate))
    with running(process):
        yield process


def pem(path: Path) -> str:
    return quote(path.read_text(), safe="")


def query(authority: Authority, ours: Certificate | None = None) -> str:
    own = f"&ssl_cert_data={pem(ours.certificate)}&ssl_key_data={pem(ours.key)}" if ours is not None else ""
    return f"?ssl_ca_data={pem(authority.certificate)}{own}"


async def failure(open_client: OpenClient, url: str) -> StudioError:
    with pytest.raises(StudioError) as caught:
        await open_client(url).links[0].execute(b"PING")
    return caught.value


async def test_an_authority_and_a_client_certificate_of_ones_own(
    server: RedisProcess, authority: Authority, open_client: OpenClient
) -> None:
    ours = authority.issue(name="client")
    client = open_client(f"rediss://127.0.0.1:{server.tls_port}/0{query(authority, ours)}")
    value = bytes(range(256)) * 5000

    await values.set_value(client, b"k", value, Setting())

    assert (await values.get(client, b"k", limit=len(value))).content == value


async def test_a_client_without_a_certificate_is_told_that_it_needs_one(
    server: RedisProcess, authority: Authority, open_client: OpenClient
) -> None:
    error = await failure(open_client, f"rediss://127.0.0.1:{server.tls_port}{query(authority)}")

    assert (error.reason_name, error.metadata["stage"]) == ("DB_TLS_FAILED", "tls")
    assert "ssl_cert_data" in error.hint


async def test_a_server_of_another_authority_is_refused(
    server: RedisProcess, authority: Authority, open_client: OpenClient, tmp_path: Path
) -> None:
    other, ours = Authority(tmp_path), authority.issue(name="client")

    error = await failure(open_client, f"rediss://127.0.0.1:{server.tls_port}{query(other, ours)}")

    assert (error.reason_name, error.metadata["stage"]) == ("DB_TLS_FAILED", "tls")
    assert "ssl_ca_data" in error.hint


@pytest.mark.parametrize("tls_to_clear", [True, False], ids=["rediss to clear", "redis to TLS"])
async def test_the_wrong_scheme_is_found_out_in_seconds(
    server: RedisProcess,
    authority: Authority,
    tls_to_clear: bool,  # noqa: FBT001  a column of the table
) -> None:
    url = (
        f"rediss://127.0.0.1:{server.port}{query(authority)}"
        if tls_to_clear
        else f"redis://127.0.0.1:{server.tls_port}"
    )

    found = await diagnose(url, {}, policy=AddressPolicy(), limits=DEFAULTS)

    assert (found.stage, found.error_code) == ("tls", "DB_TLS_FAILED")
    assert ("redis://" if tls_to_clear else "rediss://") in found.hint
    assert found.latency_ms < 1000 * (DEFAULTS.tls_timeout_s + 1.5)


async def test_a_cluster_that_speaks_tls(
    program: str, authority: Authority, certificate: Certificate, tmp_path: Path, open_client: OpenClient
) -> None:
    """The nodes announce their TLS ports to those who ask by TLS."""
    with redis_cluster(
        tmp_path / "nodes", program=program, tls=(certificate, authority.certificate)
    ) as cluster:
        ours = authority.issue(name="client")
        client = open_client(
            f"rediss+cluster://127.0.0.1:{cluster.masters[0].tls_port}{query(authority, ours)}"
        )
        await client.ready()

        for number in range(50):
            await values.set_value(client, b"%d" % number, b"v", Setting())

        ports = {node.tls_port for node in cluster.masters}
        assert {getattr(link, "where", ("", 0))[1] for link in client.links} == ports
