"""The servers of a database, one after the other: one where it is standalone, the masters of a Cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.redis_svc.client import RedisClient
from services.redis_svc.link import Link
from services.redis_svc.redirects import NodeLink

T = TypeVar("T")

AT_A_TIME = 16
"""Servers of a Cluster that are asked at a time."""


@dataclass(frozen=True, slots=True)
class Node:
    """One server."""

    name: str
    """`host:port` on a Cluster; empty where there is one server only."""
    link: Link
    """The way to it."""


async def nodes_of(client: RedisClient) -> Sequence[Node]:
    """The servers that hold keys.

    Raises:
        StudioError: a Cluster's are not known and can't be found out.
    """
    await client.ready()
    return tuple(Node(_name(link), link) for link in client.links)


async def ask_all(nodes: Sequence[Node], ask: Callable[[Node], Awaitable[T]]) -> list[T]:
    """The answer of each server, a bounded number of them at a time."""
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(node: Node) -> T:
        async with places:
            return await ask(node)

    if len(nodes) == 1:
        return [await ask(nodes[0])]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(node)) for node in nodes]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _name(link: Link) -> str:
    return f"{link.where[0]}:{link.where[1]}" if isinstance(link, NodeLink) else ""
