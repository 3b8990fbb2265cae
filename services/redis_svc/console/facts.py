"""What a server tells of its commands, by COMMAND INFO: asked for by the names that are used, kept for a while.

By the name as it was typed, not from a list: `rename-command` changes the name by which a command is called, while
COMMAND goes on to list the one it was born with.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from weakref import WeakKeyDictionary

from services.redis_svc.client import RedisClient
from services.redis_svc.console.bounds import BOUNDS
from services.redis_svc.errors import raise_for
from services.redis_svc.replies import Command, Reply, ServerError

_AT_CATEGORIES = 6
_AT_SUBCOMMANDS = 9


@dataclass(frozen=True, slots=True)
class Fact:
    """A command as the server describes it."""

    name: str
    """Lower case; `container|subcommand`."""
    arity: int = 0
    """Words, its name included; negative for at least so many."""
    flags: frozenset[str] = frozenset()
    """`readonly`, `write`, `admin`, …"""
    categories: frozenset[str] = frozenset()
    """`@read`, …; empty before Redis 6."""
    first_key: int = 0
    """Place of the first key; 0 for none, or where it depends on other words."""
    subcommands: Mapping[str, Fact] = field(default_factory=dict)
    """By name; empty before Redis 7."""

    @property
    def is_container(self) -> bool:
        """Whether only its subcommands do anything."""
        return bool(self.subcommands) and self.name != "command"

    def subcommand(self, word: bytes) -> Fact:
        """The subcommand a word names; this command itself where it names none."""
        name = f"{self.name}|{word.decode('ascii', 'backslashreplace').lower()}"
        if self.subcommands:
            return self.subcommands.get(name, self)
        if self.name not in CONTAINERS:
            return self
        return Fact(name, self.arity, self.flags, self.categories, self.first_key)


CONTAINERS = frozenset(
    [
        "acl",
        "client",
        "cluster",
        "command",
        "config",
        "debug",
        "function",
        "latency",
        "memory",
        "module",
        "object",
        "pubsub",
        "script",
        "slowlog",
        "xgroup",
        "xinfo",
    ]
)
"""Commands whose second word is a subcommand also for servers that don't say so."""


class Facts:
    """What is known of the servers' commands, by client: a client is made anew when its connection changes."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[RedisClient, OrderedDict[bytes, tuple[float, Fact]]] = (
            WeakKeyDictionary()
        )

    async def look_up(self, client: RedisClient, names: Iterable[bytes]) -> dict[bytes, Fact | None]:
        """The commands of these names, in lower case; None for one that the server doesn't know.

        Raises:
            StudioError: DB_PERMISSION_DENIED where the user may not ask; …
        """
        known = self._known.setdefault(client, OrderedDict())
        now = asyncio.get_running_loop().time()
        found: dict[bytes, Fact | None] = {}
        for name in names:
            until, fact = known.get(name, (0.0, None))
            found[name] = fact if until > now else None
        missing = [name for name, fact in found.items() if fact is None]
        if missing:
            reply = await client.links[0].execute(b"COMMAND", b"INFO", *missing)
            raise_for(reply, command="COMMAND")
            for name, each in zip(missing, reply if isinstance(reply, list) else [], strict=False):
                # One that is not known is asked for again: it may have come with a module since.
                if isinstance(each, list):
                    found[name] = fact = read(each)
                    known[name] = (now + BOUNDS.knowledge_s, fact)
                    known.move_to_end(name)
            while len(known) > BOUNDS.known_commands:
                known.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class Description:
    """A command, and what the server's documentation says of it."""

    fact: Fact
    """The command."""
    summary: str
    """What it does; empty where the server has no documentation."""
    group: str
    """The group it belongs to."""


class Descriptions:
    """The list of all commands, by client; made when first asked for."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[RedisClient, tuple[float, Sequence[Description]]] = WeakKeyDictionary()

    async def of(self, client: RedisClient) -> Sequence[Description]:
        """Every command and subcommand, by name.

        Raises:
            StudioError: DB_PERMISSION_DENIED where the user may not ask; …
        """
        until, known = self._known.get(client, (0.0, ()))
        now = asyncio.get_running_loop().time()
        if until <= now:
            asked: list[Command] = [(b"COMMAND",), (b"COMMAND", b"DOCS")]
            commands, docs = await client.links[0].execute_many(asked)
            raise_for(commands, command="COMMAND")
            # Before Redis 7 there is no documentation; an ACL may refuse it.
            texts = {} if isinstance(docs, ServerError) else _texts(docs)
            facts = sorted(_flat(map(read, cast("list[list[Reply]]", commands))), key=lambda fact: fact.name)
            known = [Description(fact, *texts.get(fact.name, ("", ""))) for fact in facts]
            self._known[client] = (now + BOUNDS.knowledge_s, known)
        return known


def read(entry: Sequence[Reply]) -> Fact:
    """A fact from an element of COMMAND's reply."""
    subcommands = entry[_AT_SUBCOMMANDS] if len(entry) > _AT_SUBCOMMANDS else []
    nested = [read(cast("list[Reply]", each)) for each in cast("list[Reply]", subcommands)]
    first_key = entry[3]
    return Fact(
        name=_text(entry[0]).lower(),
        arity=cast("int", entry[1]),
        flags=_texts_of(entry[2]),
        categories=_texts_of(entry[_AT_CATEGORIES]) if len(entry) > _AT_CATEGORIES else frozenset(),
        first_key=first_key if isinstance(first_key, int) else 0,
        subcommands={fact.name: fact for fact in nested},
    )


def _flat(facts: Iterable[Fact]) -> Iterable[Fact]:
    for fact in facts:
        yield fact
        yield from _flat(fact.subcommands.values())


def _texts(reply: Reply) -> dict[str, tuple[str, str]]:
    """Summary and group by name, as https://redis.io/docs/latest/commands/command-docs/ describes them."""
    found: dict[str, tuple[str, str]] = {}
    for name, document in _pairs(reply):
        facts = dict(_pairs(document))
        found[name.lower()] = (_text(facts.get("summary", b"")), _text(facts.get("group", b"")))
        found |= _texts(facts.get("subcommands", []))
    return found


def _pairs(reply: Reply) -> list[tuple[str, Reply]]:
    items = reply if isinstance(reply, list) else []
    return [(_text(name), value) for name, value in zip(items[::2], items[1::2], strict=False)]


def _texts_of(reply: Reply) -> frozenset[str]:
    return frozenset(_text(each).lower() for each in reply) if isinstance(reply, list) else frozenset()


def _text(reply: Reply) -> str:
    return reply.decode("utf-8", "backslashreplace") if isinstance(reply, bytes) else str(reply)
