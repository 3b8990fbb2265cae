"""Where connections may lead: a name is resolved once, each address classified, and that address dialled.

Dialling the address that was checked, not the name, leaves no gap in which DNS can change its mind (DNS rebinding).
Link-local addresses and the metadata services of clouds are always refused: nothing a user registers is there, and
what is there hands out the host's own credentials. Loopback and private networks are allowed by default, since a
self-hosted Studio's databases live in them; operators deny or narrow with `OUTBOUND_DENY` and `OUTBOUND_ALLOW`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from services.runtime import context
from services.runtime.errors import StudioError
from studio.options.v1.errors_pb2 import (
    ERROR_REASON_DB_ADDRESS_DENIED,
    ERROR_REASON_DB_CONNECTION_FAILED,
    ERROR_REASON_DB_TIMEOUT,
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_ADDRESSES = 16
"""Addresses of one name that are looked at."""
MAX_HOST_CHARS = 255
"""Of a host name (RFC 1035, section 2.3.4)."""
DNS_TIMEOUT_S = 5.0
"""Looking up one name; the system's resolver alone would take up to half a minute."""

ALWAYS_DENIED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in (
        "0.0.0.0/8",  # "this host" (RFC 1122): reaches loopback on Linux, whatever the policy says of loopback
        "169.254.0.0/16",  # link-local (RFC 3927), metadata of AWS, Azure, Google and others
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "168.63.129.16/32",  # Azure's host agent
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112) and broadcast
        "::/128",  # unspecified
        "fe80::/10",  # link-local (RFC 4291)
        "fec0::/10",  # site-local, deprecated (RFC 3879)
        "ff00::/8",  # multicast (RFC 4291)
        "fd00:ec2::/32",  # metadata and credentials of AWS, containers' included
        "fd00:c1::a9fe:a9fe/128",  # metadata of Oracle Cloud
        "fd00:42::42/128",  # metadata of Scaleway
        "fd20:ce::254/128",  # metadata of Google Cloud
    )
)

# Prefixes that carry an IPv4 address inside an IPv6 one, and where it stands (bits from the right).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = ipaddress.IPv6Network(
    "64:ff9b:1::/48"
)  # RFC 8215: an operator picks a prefix of any length inside
_TRANSLATED = ipaddress.IPv6Network("::ffff:0:0:0/96")  # SIIT (RFC 2765)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: these 32 bits, then the IPv4 address
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # deprecated (RFC 4291), still routed by some


@dataclass(frozen=True, slots=True)
class Address:
    """One address that may be dialled."""

    family: socket.AddressFamily
    """AF_INET or AF_INET6."""
    ip: str
    """The address itself, never a name."""
    port: int
    """TCP port."""


class AddressPolicy:
    """Which networks may be dialled.

    Args:
        deny: networks in CIDR notation, refused beside those that always are.
        allow: where given, the only networks allowed.

    Raises:
        ValueError: an entry is no network; the sentence names it.
    """

    def __init__(self, deny: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        self._deny = (*ALWAYS_DENIED, *map(_network, deny))
        self._allow = tuple(map(_network, allow))

    def check(self, ip: str) -> None:
        """Refuses an address that must not be dialled, in every form it can be written in.

        Raises:
            StudioError: DB_ADDRESS_DENIED.
        """
        for address in _meanings(ipaddress.ip_address(ip.partition("%")[0])):
            denied = any(address in network for network in self._deny)
            if denied or (self._allow and not any(address in network for network in self._allow)):
                raise StudioError(
                    ERROR_REASON_DB_ADDRESS_DENIED,
                    f"{ip} belongs to a network that connections must not lead to.",
                    hint="Link-local and cloud metadata addresses are always refused; the operator sets the others.",
                    metadata={"stage": "address"},
                )

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, in the order the system prefers, each checked.

        One denied address refuses the host: a name that points both ways is not what it claims to be.

        Raises:
            StudioError: DB_ADDRESS_DENIED; with `stage` = `dns` DB_CONNECTION_FAILED when there is no such name, and
                DB_TIMEOUT when nobody answers in time.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(context.remaining_s(DNS_TIMEOUT_S)):
                found = await loop.getaddrinfo(_name(host), port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise StudioError(
                ERROR_REASON_DB_TIMEOUT,
                f"Looking up the host name {host!r} takes too long.",
                hint="Check the name servers of the host where the services run.",
                metadata={"stage": "dns"},
            ) from error
        except (OSError, ValueError) as error:
            raise StudioError(
                ERROR_REASON_DB_CONNECTION_FAILED,
                f"The host name {host[:MAX_HOST_CHARS]!r} can't be resolved.",
                hint="Check the spelling, and that this name is known where the services run.",
                metadata={"stage": "dns"},
            ) from error
        addresses = [
            Address(socket.AddressFamily(family), str(sockaddr[0]), port)
            for family, _, _, _, sockaddr in found[:MAX_ADDRESSES]
        ]
        for address in addresses:
            self.check(address.ip)
        return addresses


def _name(host: str) -> str:
    """The host as the resolver takes it: an IPv6 address without brackets.

    Raises:
        ValueError: it can't be a name; a NUL would end it early for the resolver but not for whoever reads it.
    """
    if not host.isprintable() or len(host) > MAX_HOST_CHARS:
        raise ValueError("no host name")
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from None


def _meanings(address: IPAddress) -> Iterable[IPAddress]:
    """The address and every IPv4 address it may stand for."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        yield from (each for each in (address.ipv4_mapped, address.sixtofour) if each is not None)
        yield from address.teredo or ()
        yield from map(ipaddress.IPv4Address, _embedded(address))


def _embedded(address: ipaddress.IPv6Address) -> Iterable[int]:
    """The IPv4 addresses inside, by the prefixes that `ipaddress` does not know."""
    bits = int(address)
    low = bits & 0xFFFFFFFF
    compatible = address in _COMPATIBLE and bits > 1
    if compatible or address in _NAT64 or address in _TRANSLATED or (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        yield low
    if address in _NAT64_LOCAL:
        # RFC 6052, section 2.2: after a prefix of 48, 56, 64 or 96 bits, stepping over bits 64 to 71.
        yield from (
            (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF,
            (bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFFFFFF,
            bits >> 24 & 0xFFFFFFFF,
            low,
        )
