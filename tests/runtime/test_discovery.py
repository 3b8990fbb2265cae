"""What settings may say of where services are, and what gRPC makes of it."""

from __future__ import annotations

import pytest
from grpc import aio

from services.runtime.discovery import check_dns_server, check_replicas, target


@pytest.mark.parametrize(
    ("given", "dns_server", "expected"),
    [
        ("registry:50051", None, "dns:///registry:50051"),
        ("registry:50051", "10.0.0.53:53", "dns://10.0.0.53:53/registry:50051"),
        ("registry:50051", "[fd00::53]:53", "dns://[fd00::53]:53/registry:50051"),
        ("[::1]:50051", None, "dns:///[::1]:50051"),
        ("10.0.0.1:1, 10.0.0.2:2", None, "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("[fd00::1]:1,[fd00::2]:2", "10.0.0.53:53", "ipv6:[fd00::1]:1,[fd00::2]:2"),
        ("unix:/run/registry.sock", "10.0.0.53:53", "unix:/run/registry.sock"),
    ],
)
async def test_what_grpc_is_told(given: str, dns_server: str | None, expected: str) -> None:
    assert target(check_replicas(given), dns_server) == expected
    # gRPC refuses what it can't read when the channel is made.
    await aio.insecure_channel(expected).close()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("registry", "must be host:port"),
        ("registry:70000", "must be host:port"),
        ("fd00::1:50051", "must have its IPv6 address in brackets"),
        ("a:1,b:1", "must be one name"),
        ("10.0.0.1:1,registry:1", "must be one name"),
        ("10.0.0.1:1,[fd00::1]:1", "must list addresses of one family"),
        ("10.0.0.1:1,,10.0.0.2:1", "must be host:port"),
        ("unix:/a,unix:/b", "must be one name"),
    ],
)
def test_what_is_refused(given: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_replicas(given)


def test_a_dns_server() -> None:
    assert check_dns_server("10.0.0.53") == "10.0.0.53:53"
    assert check_dns_server("fd00::53") == "[fd00::53]:53"
    assert check_dns_server("127.0.0.1:8600") == "127.0.0.1:8600"
    with pytest.raises(ValueError, match="must be the IP address of a DNS server"):
        check_dns_server("dns.internal:53")
