"""Recommendations: what rules are given, how they are run over every server, and how their findings are put together.

The rules themselves are in `rules_memory`, `rules_safety` and `rules_use`. A rule that needs a figure which the server
does not tell is skipped, and named; nothing fails for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from services.redis_svc.client import RedisClient
from services.redis_svc.replies import Command, Reply
from services.redis_svc.server.facts import COMMANDS, LATENCIES, Facts, read_facts, settings_from
from services.redis_svc.server.latency import CommandTimes, command_times
from services.redis_svc.server.nodes import Node, ask_all, nodes_of

SETTINGS = (
    "save",
    "protected-mode",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "latency-monitor-threshold",
    "notify-keyspace-events",
    "timeout",
    "disable-thp",
    "appendfsync",
)
"""What the rules look at. None of them is a secret."""
MIB = 1024 * 1024


class Severity(StrEnum):
    """How much it matters."""

    HIGH = "high"
    """Data or availability are at risk now."""
    MEDIUM = "medium"
    """It costs something, or will."""
    LOW = "low"
    """Worth knowing."""


_ORDER = list(Severity)


class UnknownFigureError(Exception):
    """The server does not tell a figure that a rule needs."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of one server."""

    facts: Facts
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of `SETTINGS`, those that the server tells."""
    commands: Mapping[str, CommandTimes] = field(default_factory=dict)
    """By INFO's name: `config|get`."""
    slow_log_length: int | None = None
    default_user: frozenset[str] | None = None
    """Flags of the user `default`: `on`, `nopass`, …"""

    def number(self, name: str) -> float:
        """One of INFO's figures.

        Raises:
            UnknownFigureError: it does not tell.
        """
        found = self.facts.number(name)
        if found is None:
            raise UnknownFigureError(name)
        return found

    def text(self, name: str) -> str:
        """One of INFO's words; raises as `number`."""
        found = self.facts.text(name)
        if not found:
            raise UnknownFigureError(name)
        return found

    def setting(self, name: str) -> str:
        """One of the settings; raises as `number`."""
        if name not in self.settings:
            raise UnknownFigureError(name)
        return self.settings[name]

    def setting_number(self, name: str) -> float:
        """One of the settings, a number; raises as `number`."""
        try:
            return float(self.setting(name))
        except ValueError:
            raise UnknownFigureError(name) from None


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look at."""

    id: str
    severity: Severity
    title: str
    """What to do."""
    reference: str
    check: Callable[[Server], str | None]
    """Why, with the figures; None where all is well. May raise UnknownFigureError."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a rule has found."""

    rule: Rule
    reason: str
    """Of the first server it is about."""
    nodes: list[str]
    """On a Cluster, all of them."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The outcome of all rules."""

    recommendations: list[Recommendation]
    """The most severe first."""
    checked: int
    """Rules that could be looked at, on a server at least."""
    skipped: list[str]
    """The others."""


async def advise(client: RedisClient, rules: Sequence[Rule]) -> Advice:
    """Looks at every server of a database.

    Raises:
        StudioError: DB_PERMISSION_DENIED when the user may not even ask for INFO; …
    """
    nodes = await nodes_of(client)
    servers = await ask_all(nodes, look_at)
    return judge([(node.name, server) for node, server in zip(nodes, servers, strict=True)], rules)


async def look_at(node: Node) -> Server:
    """What one server tells."""
    facts = await read_facts(node.link, COMMANDS, LATENCIES)
    commands: list[Command] = [(b"CONFIG", b"GET", name) for name in SETTINGS]
    length, user, *settings = await node.link.execute_many(
        [(b"SLOWLOG", b"LEN"), (b"ACL", b"GETUSER", b"default"), *commands]
    )
    return Server(
        facts=facts,
        settings=settings_from(settings),
        commands=command_times(facts),
        slow_log_length=length if isinstance(length, int) else None,
        default_user=_flags(user),
    )


def judge(servers: Sequence[tuple[str, Server]], rules: Sequence[Rule]) -> Advice:
    """Runs every rule on every server."""
    found: list[Recommendation] = []
    skipped: list[str] = []
    for rule in rules:
        reasons: list[tuple[str, str]] = []
        looked = False
        for name, server in servers:
            try:
                reason = rule.check(server)
            except UnknownFigureError:
                continue
            looked = True
            if reason:
                reasons.append((name, reason))
        if not looked:
            skipped.append(rule.id)
        elif reasons:
            names = [name for name, _ in reasons if name]
            found.append(Recommendation(rule, reasons[0][1], names))
    found.sort(key=lambda each: _ORDER.index(each.rule.severity))
    return Advice(found, len(rules) - len(skipped), skipped)


def in_words(size: float) -> str:
    """Bytes for a sentence."""
    for unit, factor in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size:,.0f} bytes"


def _flags(reply: Reply) -> frozenset[str] | None:
    """The flags in a reply of ACL GETUSER. It holds hashes of passwords, too: those go no further."""
    if not isinstance(reply, list):
        return None
    for name, value in zip(reply[::2], reply[1::2], strict=False):
        if name == b"flags" and isinstance(value, list):
            return frozenset(flag.decode("utf-8", "replace") for flag in value if isinstance(flag, bytes))
    return None
