"""Whose address a call has: the client's as a trusted proxy says, or the peer's own."""

from __future__ import annotations

import pytest

from services.runtime import context
from services.runtime.client_address import HEADER, TrustedProxies
from studio.redis.v1 import redis_service_pb2 as redis
from tests.runtime.harness import OWNER, Redis, redis_servicer, running, settings

PRIVATE = TrustedProxies(settings().trusted_proxies)


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("ipv4:10.0.0.7:41234", "203.0.113.9", "203.0.113.9"),
        ("ipv6:%5B::1%5D:41234", "2001:DB8::0:1", "2001:db8::1"),
        ("ipv6:[fd00::7]:41234", "::ffff:203.0.113.9", "203.0.113.9"),
        ("ipv6:[::ffff:10.0.0.7]:41234", "203.0.113.9", "203.0.113.9"),
        ("unix:/run/redis.sock", "203.0.113.9", "203.0.113.9"),
        # Nobody's word is taken on the open internet.
        ("ipv4:198.51.100.1:41234", "203.0.113.9", "198.51.100.1"),
        ("ipv6:[2001:db8::5]:41234", "203.0.113.9", "2001:db8::5"),
        # No address is told, or what is told is none.
        ("ipv4:10.0.0.7:41234", None, "10.0.0.7"),
        ("ipv4:10.0.0.7:41234", "203.0.113.9, 10.0.0.1", "10.0.0.7"),
        ("unix:", None, ""),
        ("", "203.0.113.9", ""),
    ],
)
def test_only_a_trusted_peer_is_believed(peer: str, told: str | None, client: str) -> None:
    assert PRIVATE.client(peer, told) == client


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [("127.0.0.0/8", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1"), ("none", "127.0.0.1")],
)
async def test_every_call_has_its_clients_address(trusted: str, expected: str) -> None:
    seen: list[str] = []

    async def look(request: object, call: object) -> None:
        del request, call
        seen.append(context.address.get())

    async with running(redis_servicer(Redis(look)), trusted_proxies=trusted) as service:
        # The nearest proxy's word is the last.
        told = ((HEADER, "192.0.2.1"), (HEADER, "203.0.113.9"))
        await service.redis.GetStatus(redis.GetStatusRequest(), metadata=(*told, *OWNER))
    assert seen == [expected]
