"""A DNS server whose records a test changes while others ask: what a platform's own does as replicas come and go."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL_S = 1


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP with the addresses in `zone`."""

    def __init__(self) -> None:
        self.zone: defaultdict[str, list[str]] = defaultdict(list)
        """Addresses by name; a name without any is unknown."""
        self.asked: set[str] = set()
        """Names that somebody has asked for."""
        self.address = ""
        """`host:port` where it listens."""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answers."""
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.add(name)
        known = self.zone.get(name) or []
        version = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(question.rdtype)
        found = [each for each in known if ipaddress.ip_address(each).version == version]
        if not known:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found:
            answer.answer.append(
                dns.rrset.from_text(
                    question.name, TTL_S, "IN", dns.rdatatype.to_text(question.rdtype), *found
                )
            )
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Runs one until the block ends."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
