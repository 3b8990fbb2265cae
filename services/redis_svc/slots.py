"""Slots of a Redis Cluster: which one a key belongs to, and what CLUSTER SLOTS and CLUSTER NODES tell of them.

https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.redis_svc.replies import Reply
from services.redis_svc.topology import Announced, Seed, split_address

SLOTS = 16384


def key_slot(key: bytes) -> int:
    """The slot of a key: CRC16 (XMODEM) of it, or of its hash tag."""
    begin = key.find(b"{")
    if begin >= 0:
        end = key.find(b"}", begin + 1)
        if end > begin + 1:
            key = key[begin + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


@dataclass(frozen=True, slots=True)
class Range:
    """Some slots in a row and who serves them."""

    first: int
    """First slot."""
    last: int
    """Last slot, included."""
    node_id: str
    """The master's id, which stays when its address changes."""
    master: Seed
    """Where to reach the master."""
    replicas: tuple[Seed, ...]
    """Where to reach its replicas: they know the slots, too."""


def parse_slots(reply: Reply, announced: Announced, asked: str) -> list[Range]:
    """CLUSTER SLOTS: https://redis.io/docs/latest/commands/cluster-slots/.

    Args:
        reply: what was answered.
        announced: where to reach what is announced.
        asked: host of the node that answered.

    Raises:
        ValueError: it is not what the command answers.
    """
    ranges = []
    for entry in reply if isinstance(reply, list) else [None]:
        match entry:
            case [int(first), int(last), master, *replicas] if 0 <= first <= last < SLOTS:
                seeds = [_node(node, announced, asked) for node in (master, *replicas)]
                ranges.append(Range(first, last, _node_id(master), seeds[0], tuple(seeds[1:])))
            case _:
                raise ValueError("no range of slots")
    return ranges


def _node(node: Reply, announced: Announced, asked: str) -> Seed:
    match node:
        case [bytes(endpoint), int(port), *more]:
            host = endpoint.decode("utf-8", "replace")
        case [None, int(port), *more]:  # "the same endpoint as you used to reach me"
            host, more = "", []
        case _:
            raise ValueError("no node")
    if host == "?":  # the preferred endpoint is a host name, and the node has none; its address may be behind
        host = _metadata(more).get("ip", host)
    return announced.reach(host, port, asked)


def _metadata(more: list[Reply]) -> dict[str, str]:
    facts = more[1] if len(more) > 1 and isinstance(more[1], list) else []
    texts = [fact.decode("utf-8", "replace") if isinstance(fact, bytes) else "" for fact in facts]
    return dict(zip(texts[::2], texts[1::2], strict=False))


def _node_id(node: Reply) -> str:
    match node:
        case [_, int(port), bytes(node_id), *_]:
            return node_id.decode("ascii", "replace")
        case [host, int(port), *_]:  # before Redis 4
            return f"{host!r}:{port}"
    raise ValueError("no node")


@dataclass(slots=True)
class View:
    """What a node says of itself, and of where the others are."""

    owned: list[tuple[int, int]] = field(default_factory=list)
    """First and last slots of the ranges it serves, those it is giving away included."""
    migrating: dict[int, str] = field(default_factory=dict)
    """Slots whose keys are leaving it one by one, and the node they go to."""
    importing: list[int] = field(default_factory=list)
    """Slots whose keys are coming to it one by one."""
    addresses: dict[str, Seed] = field(default_factory=dict)
    """Where to reach each node, by id."""


def parse_nodes(reply: bytes, announced: Announced, asked: str) -> View:
    """CLUSTER NODES: https://redis.io/docs/latest/commands/cluster-nodes/.

    Raises:
        ValueError: it is not what the command answers.
    """
    view = View()
    for line in reply.decode("utf-8", "replace").splitlines():
        node_id, address, flags, _master, _ping, _pong, _epoch, _state, *slots = line.split(" ")
        # ip:port@cluster-port,host name,…
        host, port = split_address(address.partition(",")[0].partition("@")[0])
        if "handshake" not in flags:
            view.addresses[node_id] = announced.reach(host, port, asked)
        if "myself" in flags.split(","):
            for text in slots:
                _add_slots(view, text)
    return view


def _add_slots(view: View, text: str) -> None:
    if text.startswith("["):
        slot, direction, other = text.strip("[]").partition("->-" if "->-" in text else "-<-")
        if direction == "->-":
            view.migrating[int(slot)] = other
        else:
            view.importing.append(int(slot))
        return
    first, _, last = text.partition("-")
    view.owned.append((int(first), int(last or first)))


def ranges_of(view: View) -> Iterator[tuple[int, int]]:
    """What may hold keys of a node: the ranges it serves, and the slots that are coming to it."""
    yield from view.owned
    yield from ((slot, slot) for slot in view.importing)
