"""What kinds of Redis there are behind a connection string, and where to reach what announces itself elsewhere.

Behind NAT or in containers, servers announce addresses that only they can reach
(https://redis.io/docs/latest/operate/oss_and_stack/management/scaling/#redis-cluster-and-docker).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SENTINEL_PORT = 26379
MAX_PORT = 65535
MAX_MAPPED = 1000
"""Entries of a NAT map."""

Seed = tuple[str, int]
"""Host and port."""


class Topology(StrEnum):
    """How the servers of a database are found."""

    STANDALONE = "standalone"
    """The connection string names the server."""
    SENTINEL = "sentinel"
    """It names Sentinels, who know the master."""
    CLUSTER = "cluster"
    """It names some nodes of a Cluster, who know all of them."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Turns announced addresses into reachable ones."""

    nat_map: Mapping[str, Seed]
    """By `host:port`, or by host alone; a port of 0 keeps the announced one."""
    use_seed_host: bool = False
    """Whether the host that was asked stands in for every announced one that the map does not hold."""

    def reach(self, host: str, port: int, asked: str) -> Seed:
        """Where to reach a server.

        Args:
            host: as it is announced; empty or `?` where the server that was asked does not know its own.
            port: as it is announced.
            asked: host of the server that told.
        """
        for name in (f"{host}:{port}", host):
            if name in self.nat_map:
                to, to_port = self.nat_map[name]
                return to, to_port or port
        if self.use_seed_host or host in {"", "?"}:
            return asked, port
        return host, port


def nat_map(given: object) -> dict[str, Seed]:
    """Reads a map: `{"announced:6379": "reachable:7000"}`, or as text `announced:6379=reachable:7000,…`.

    Ports may be left out on both sides, or behind the reachable host alone.

    Raises:
        ValueError: it is none; the sentence repeats nothing of it.
    """
    pairs: list[tuple[object, ...]] = []
    if isinstance(given, str):
        pairs = [tuple(pair.split("=")) for pair in given.split(",") if pair]
    elif isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        raise ValueError("it is neither a map nor text")  # noqa: TRY004  the caller's text, not a caller's defect
    if len(pairs) > MAX_MAPPED:
        raise ValueError(f"it has more than {MAX_MAPPED} entries")
    found: dict[str, Seed] = {}
    for pair in pairs:
        sides = [side.strip() for side in pair if isinstance(side, str) and side.strip()]
        if len(sides) != 2 or len(pair) != 2:  # noqa: PLR2004  a pair
            raise ValueError("an entry is no pair of addresses")
        found[sides[0]] = split_address(sides[1])
    return found


def split_address(text: str) -> Seed:
    """`host:port`, `[::1]:port`, `::1:port` as Redis writes it, or a host alone (port 0).

    Raises:
        ValueError: the port is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), 0
    if not port.isascii() or not port.isdigit() or int(port[:9]) > MAX_PORT:
        raise ValueError("a port is no number")
    return host.strip("[]"), int(port)
