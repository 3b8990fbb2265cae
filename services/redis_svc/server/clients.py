"""The connections to a server: listing them, closing one.

https://redis.io/docs/latest/commands/client-list/ gives the format: a line a client, `name=value` separated by spaces.
Fields come and go between versions, so each is optional, and a line that makes no sense is left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for
from services.redis_svc.login import CLIENT_NAME
from services.redis_svc.replies import Reply, ServerError
from services.redis_svc.server.nodes import Node, ask_all, nodes_of
from services.runtime.errors import StudioError, invalid_argument
from studio.options.v1 import errors_pb2 as e

UNKNOWN = -1
MAX_CLIENTS = 1000
"""Clients of an answer."""
MAX_ID = 2**63 - 1
"""Servers number clients in so many bits, from 1."""
MAX_TEXT = 256
"""Characters of a field: a client may call itself anything."""


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """One connection."""

    id: int
    address: str
    name: str
    user: str
    database: int
    age_s: float
    idle_s: float
    command: str
    memory: float
    """Bytes; -1 where the server does not say."""
    flags: str
    library: str
    ours: bool
    node: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Some connections of a database's servers."""

    clients: list[ClientFacts]
    """The busiest in memory first."""
    total: int
    """All of them."""


async def list_clients(client: RedisClient, type_: str = "") -> Listing:
    """The clients of every server.

    Args:
        client: the database.
        type_: `normal`, `master`, `replica`, `pubsub`; empty for all.

    Raises:
        StudioError: DB_PERMISSION_DENIED, NOT_SUPPORTED where the server has no CLIENT LIST or not by type; …
    """

    async def ask(node: Node) -> tuple[list[ClientFacts], int]:
        command = (b"CLIENT", b"LIST", b"TYPE", type_) if type_ else (b"CLIENT", b"LIST")
        reply = await node.link.execute(*command)
        if isinstance(reply, ServerError) and type_ == "replica" and "Unknown client type" in reply.text:
            reply = await node.link.execute(b"CLIENT", b"LIST", b"TYPE", b"slave")  # before Redis 5
        raise_for(reply, command="CLIENT LIST")
        found = parse_clients(reply, node.name)
        # A server may have very many: each node's largest are enough to know the largest of all.
        total = reply.count(b"\n") if isinstance(reply, bytes) else 0
        return largest(found), total

    answers = await ask_all(await nodes_of(client), ask)
    return Listing(
        clients=largest(each for found, _ in answers for each in found),
        total=sum(total for _, total in answers),
    )


async def kill_client(client: RedisClient, client_id: int, node_name: str = "") -> bool:
    """Closes a connection.

    Args:
        client: the database.
        client_id: its id.
        node_name: the server it is connected to, where there are several.

    Returns:
        Whether there was one.

    Raises:
        StudioError: COMMAND_REFUSED for the connection that the command itself travels on; INVALID_ARGUMENT for an
            id or a node that can't be; DB_PERMISSION_DENIED; …
    """
    if not 0 < client_id <= MAX_ID:
        raise invalid_argument("id", "is no id of a client")
    node = _the_node([*await nodes_of(client)], node_name)
    ours = await node.link.execute(b"CLIENT", b"ID")
    if ours == client_id:
        raise StudioError(
            e.ERROR_REASON_COMMAND_REFUSED,
            "This is the connection of this service itself, which every caller shares.",
            hint="To close it, take the database out of use, or change its connection string.",
        )
    # SKIPME is yes by default: where CLIENT ID is refused, the server itself spares our connection.
    reply = await node.link.execute(b"CLIENT", b"KILL", b"ID", client_id, b"SKIPME", b"yes", repeatable=False)
    raise_for(reply, command="CLIENT KILL")
    return bool(reply)


def parse_clients(reply: Reply, node: str = "") -> Iterator[ClientFacts]:
    """The clients in a reply of CLIENT LIST."""
    if not isinstance(reply, bytes):
        return
    for line in reply.splitlines():
        # Names have no spaces (CLIENT SETNAME refuses them); what has no `=` belongs to nothing.
        fields = dict(
            part.split("=", 1) for part in line.decode("utf-8", "replace").split(" ") if "=" in part
        )
        client_id = fields.get("id", "")
        if client_id.isdecimal():
            yield _from_fields(int(client_id), fields, node)


def largest(clients: Iterable[ClientFacts]) -> list[ClientFacts]:
    """The busiest in memory, as many as an answer holds; by age where the server does not say."""
    return heapq.nlargest(MAX_CLIENTS, clients, key=lambda each: (each.memory, each.age_s, -each.id))


def _from_fields(client_id: int, fields: dict[str, str], node: str) -> ClientFacts:
    library = " ".join(filter(None, (fields.get("lib-name"), fields.get("lib-ver"))))
    name = fields.get("name", "")
    return ClientFacts(
        id=client_id,
        address=fields.get("addr", "")[:MAX_TEXT],
        name=name[:MAX_TEXT],
        user=fields.get("user", "")[:MAX_TEXT],
        database=int(_number(fields.get("db"), 0)),
        age_s=_number(fields.get("age"), 0),
        idle_s=_number(fields.get("idle"), 0),
        command=fields.get("cmd", "").replace("|", " ")[:MAX_TEXT],
        memory=_number(fields.get("tot-mem"), UNKNOWN),
        flags=fields.get("flags", "")[:MAX_TEXT],
        library=library[:MAX_TEXT],
        ours=name == CLIENT_NAME.decode(),
        node=node,
    )


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default


def _the_node(nodes: list[Node], name: str) -> Node:
    if not name and len(nodes) == 1:
        return nodes[0]
    for node in nodes:
        if node.name == name and name:
            return node
    if not name:
        raise invalid_argument(
            "node", "is needed on a Cluster, whose nodes number their clients each on its own"
        )
    raise invalid_argument("node", "the database has no such node")
