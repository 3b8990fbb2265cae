"""TLS: verified unless told otherwise, with an authority of one's own, with a certificate of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest

from services.redis_svc.replies import Reply
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer
from tests.support.tls import Certificate

StartValkey = Callable[..., Awaitable[ValkeyServer]]


def trusting(server: ValkeyServer, url: str = "") -> str:
    """The URL with the server's authority in it."""
    assert server.authority is not None
    return f"{url or server.url}?ssl_ca_data={quote(server.authority.certificate.read_text(), safe='')}"


def showing(certificate: Certificate) -> str:
    pem, key = (quote(file.read_text(), safe="") for file in (certificate.certificate, certificate.key))
    return f"&ssl_cert_data={pem}&ssl_key_data={key}"


async def ping(open_client: OpenClient, url: str) -> Reply:
    return await open_client(url).links[0].execute(b"PING")


async def failure(open_client: OpenClient, url: str) -> StudioError:
    with pytest.raises(StudioError) as caught:
        await ping(open_client, url)
    return caught.value


async def test_an_authority_of_ones_own(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(tls=True)

    assert await ping(open_client, trusting(server)) == b"PONG"


async def test_large_values_pass_through_tls_in_both_directions(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(tls=True)
    link = open_client(trusting(server)).links[0]
    value = bytes(range(256)) * 20_000

    assert await link.execute(b"ECHO", value) == value


async def test_an_unknown_authority_is_refused_and_the_way_out_is_named(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(tls=True)

    error = await failure(open_client, server.url)

    assert error.reason_name == "DB_TLS_FAILED"
    assert error.metadata["stage"] == "tls"
    assert "ssl_ca_data" in error.hint


async def test_checking_can_be_switched_off(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(tls=True)

    assert await ping(open_client, server.url + "?ssl_cert_reqs=none") == b"PONG"


async def test_a_certificate_for_another_name_is_refused(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(tls=True, tls_hosts=("cache.example",))

    assert (await failure(open_client, trusting(server))).reason_name == "DB_TLS_FAILED"
    assert await ping(open_client, trusting(server) + "&ssl_server_name=cache.example") == b"PONG"
    assert await ping(open_client, trusting(server) + "&ssl_check_hostname=false") == b"PONG"


async def test_the_name_is_checked_though_an_address_is_dialled(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(tls=True, tls_hosts=("localhost",))

    by_name = trusting(server, server.url.replace("127.0.0.1", "localhost"))
    assert await ping(open_client, by_name) == b"PONG"
    assert (await failure(open_client, trusting(server))).reason_name == "DB_TLS_FAILED"


async def test_an_expired_certificate_is_refused(start_valkey: StartValkey, open_client: OpenClient) -> None:
    server = await start_valkey(tls=True, tls_expired=True)

    error = await failure(open_client, trusting(server))

    assert error.reason_name == "DB_TLS_FAILED"
    assert "expired" in error.message


async def test_a_server_that_asks_for_a_certificate_gets_ours(
    start_valkey: StartValkey, open_client: OpenClient
) -> None:
    server = await start_valkey(tls=True, tls_ask_clients=True)
    assert server.authority is not None
    ours = server.authority.issue(name="client")

    assert await ping(open_client, trusting(server) + showing(ours)) == b"PONG"


@pytest.mark.parametrize(
    "query",
    ["ssl_ca_data=nonsense", "ssl_cert_data=x&ssl_key_data=y", "ssl_cert_data=only", "ssl_key_data=only"],
)
async def test_pem_text_that_is_none_is_said_to_be_so(
    valkey_url: str, open_client: OpenClient, query: str
) -> None:
    error = await failure(open_client, valkey_url.replace("redis://", "rediss://") + "?" + query)

    assert error.reason_name == "INVALID_CONNECTION_STRING"


async def test_a_server_in_clear_ends_in_bounded_time_with_the_way_out(
    valkey_url: str, open_client: OpenClient
) -> None:
    """It waits for the end of a line that never comes."""
    link = open_client(valkey_url.replace("redis://", "rediss://"), connect_timeout_s=0.3).links[0]

    with pytest.raises(StudioError) as caught:
        await link.execute(b"PING")

    assert caught.value.metadata["stage"] == "tls"
    assert "redis://" in caught.value.hint
