"""Judges a command by what the server's own COMMAND tells of it: who may run it, and whether anybody may.

https://redis.io/docs/latest/commands/command/ describes flags and ACL categories. Where they don't tell, `rules` does;
a command that neither knows may do anything, and needs what a writing one needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.console.facts import Fact
from services.redis_svc.console.rules import (
    ADMINISTERS,
    BLOCKING,
    CONNECTION,
    LOOKS,
    REFUSED,
    RULES,
    SUBSCRIPTION,
    TRANSACTION,
    WRITES,
    Rule,
)
from studio.options.v1.access_pb2 import ROLE_ADMINISTRATOR

_WAITS_IF_ASKED = frozenset({"xread", "xreadgroup"})
"""They wait with the option BLOCK only."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a command."""

    name: str
    """As the server names it, for messages: `CONFIG SET`."""
    rule: Rule
    """What it needs; without a meaning where it is refused."""
    refused: str = ""
    """Why nobody may run it."""


def judge(fact: Fact, arguments: Sequence[bytes] | None = None) -> Verdict:
    """Judges a command.

    Args:
        fact: what the server tells of it.
        arguments: its words, its name first; None for the command in general.
    """
    if arguments is not None and len(arguments) > 1:
        fact = fact.subcommand(arguments[1])
    shown = fact.name.replace("|", " ").upper()
    reason = _refusal(fact, arguments)
    return Verdict(shown, WRITES, reason) if reason else Verdict(shown, _rule(fact))


def _refusal(fact: Fact, arguments: Sequence[bytes] | None) -> str:
    name, container = fact.name, fact.name.partition("|")[0]
    known = REFUSED.get(name) or REFUSED.get(container)
    if known:
        return known
    if name in RULES or container in RULES or name.endswith("|help"):
        return ""
    if name in _WAITS_IF_ASKED:
        return BLOCKING if arguments is not None and _asks_to_block(arguments) else ""
    by_sign = (
        ("blocking" in fact.flags or "@blocking" in fact.categories, BLOCKING),
        ("pubsub" in fact.flags, SUBSCRIPTION),
        ("@transaction" in fact.categories, TRANSACTION),
        ("@connection" in fact.categories and not fact.is_container, CONNECTION),
    )
    return next((reason for is_so, reason in by_sign if is_so), "")


def _rule(fact: Fact) -> Rule:
    known = RULES.get(fact.name) or RULES.get(fact.name.partition("|")[0])
    if known is not None:
        return known
    if fact.name.endswith("|help") or fact.is_container:
        return LOOKS  # a container alone is a mistake, of which the server tells
    reads = "readonly" in fact.flags
    if "admin" in fact.flags or not fact.categories.isdisjoint({"@admin", "@dangerous"}):
        return Rule(ROLE_ADMINISTRATOR, changes=not reads, confirmation=True) if reads else ADMINISTERS
    return LOOKS if reads else WRITES


def _asks_to_block(arguments: Sequence[bytes]) -> bool:
    for word in arguments[1:]:
        upper = word.upper()
        if upper == b"STREAMS":
            return False  # names of streams follow
        if upper == b"BLOCK":
            return True
    return False
