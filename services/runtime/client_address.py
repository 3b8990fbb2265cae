"""Which address a call came from: what a trusted proxy says, or else the peer itself.

The gateway writes the address that it sees into `x-studio-client-address` and lets no client send that header. Whoever
else reaches a service's port could: so it is believed from peers in certain networks alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

HEADER = "x-studio-client-address"
REMEMBERED = 4096
"""Peers and addresses whose text has been read: a connection makes many calls."""

IPV6_PREFIX = 64
"""Bits of an IPv6 address that say whose it is: https://www.rfc-editor.org/rfc/rfc6177#section-2."""

_UNIX = "unix"


class TrustedProxies:
    """Tells the address of a call's client.

    Args:
        networks: of those proxies, in CIDR notation. Peers on a Unix socket are trusted: its file's permissions are
            what keeps others out.

    Raises:
        ValueError: one is no network.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        trusted = tuple(ipaddress.ip_network(each, strict=False) for each in networks)

        @lru_cache(REMEMBERED)
        def known(peer: str) -> tuple[str, bool]:
            if peer.startswith(_UNIX):
                return "", True
            address = canonical(_host(peer))
            if not address:
                return "", False
            ip = ipaddress.ip_address(address)
            return address, any(ip in network for network in trusted)

        self._known = known

    def client(self, peer: str, told: str | None) -> str:
        """The IP address of the client, in one spelling; empty where it is not known.

        Args:
            peer: as gRPC names it: `ipv4:10.0.0.7:41234`, `ipv6:[::1]:41234` with or without escapes, `unix:…`.
            told: what the header holds; None without one.
        """
        address, is_trusted = self._known(peer)
        return (canonical(told) if told and is_trusted else "") or address


@lru_cache(REMEMBERED)
def canonical(text: str) -> str:
    """An IP address in one spelling, an IPv4 address inside an IPv6 one as IPv4; empty for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


@lru_cache(REMEMBERED)
def network(address: str) -> str:
    """What an address counts as where something is counted: who has one of a /64 of IPv6 has all of them."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _host(peer: str) -> str:
    """`::1` for `ipv6:%5B::1%5D:41234`."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
