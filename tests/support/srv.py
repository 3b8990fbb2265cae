"""A name server for tests of `mongodb+srv://`: answers over UDP with SRV and TXT records, as dnspython asks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest


@dataclass(frozen=True)
class Records:
    """What the name server knows of a host."""

    srv: Sequence[tuple[str, int]]
    """Names and ports of the servers."""
    txt: str = ""
    """Options; none where empty."""


class _NameServer(asyncio.DatagramProtocol):
    def __init__(self, zone: dict[str, Records]) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        name = query.question[0].name.to_text(omit_final_dot=True)
        host = name.removeprefix("_mongodb._tcp.")
        records = self._zone.get(host)
        if records is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif host != name:
            lines = [f"0 5 {port} {target}." for target, port in records.srv]
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "SRV", *lines))
        elif records.txt:
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", f'"{records.txt}"'))
        assert self._transport is not None
        self._transport.sendto(response.to_wire(), addr)


@contextlib.asynccontextmanager
async def serve_dns(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Records]]:
    """Has the process ask a name server of the test; what is put into the dictionary, by host, it knows."""
    zone: dict[str, Records] = {}
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _NameServer(zone), local_addr=("127.0.0.1", 0)
    )
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    resolver.domain, resolver.search = dns.name.root, []
    monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
    try:
        yield zone
    finally:
        transport.close()
