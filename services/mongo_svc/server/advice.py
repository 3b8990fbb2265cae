"""What to change about a server, as far as its own figures show it.

A rule that needs a figure which the server does not tell is skipped, and named; nothing fails for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.mongo_svc.client import MongoClient
from services.mongo_svc.server.asking import UNKNOWN, Asking, number
from services.mongo_svc.server.overview import Overview, get_overview
from services.runtime.rates import Rates

MANUAL = "https://www.mongodb.com/docs/manual/"

END_OF_SUPPORT: Mapping[str, dt.date] = {
    "4.4": dt.date(2024, 2, 29),
    "5.0": dt.date(2024, 10, 31),
    "6.0": dt.date(2025, 7, 31),
    "7.0": dt.date(2027, 8, 31),
    "8.0": dt.date(2029, 10, 31),
}
"""https://www.mongodb.com/legal/support-policy/lifecycles; others are not judged, but for those before the first."""
OLDEST = (4, 4)

MAX_LAG_S = 60
FULL_CONNECTIONS = 0.8
"""Part of the connections that a server takes."""
DIRTY_CACHE = 0.2
"""Part of the cache at which clients' own threads begin to write it to disk (`eviction_dirty_trigger`)."""
MIN_MEMBERS = 3
"""Members of a replica set that can lose one and go on."""


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
class Facts:
    """What the rules look at."""

    overview: Overview
    users: Sequence[Mapping[str, Any]]
    """Who this connection has logged in as."""
    compatibility: str
    """`featureCompatibilityVersion`; empty where it isn't told."""
    today: dt.date

    def figure(self, *path: str) -> float:
        """A figure of `serverStatus`.

        Raises:
            UnknownFigureError: it isn't told.
        """
        value = number(self.overview.status, *path)
        if value == UNKNOWN:
            raise UnknownFigureError
        return value


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change."""

    id: str
    severity: Severity
    title: str
    reason: str
    reference: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What the rules have found, the most severe first."""

    findings: Sequence[Finding]
    checked: int
    skipped: Sequence[str]


async def advise(client: MongoClient, database_id: str) -> Advice:
    """Runs every rule.

    Raises:
        StudioError: as `MongoClient.command`; not for what the user may not see.
    """
    asking = Asking(client)
    # Rates of its own, so that a look here does not shorten the interval of the next overview.
    overview = await get_overview(client, Rates(size=1), database_id)
    status = await client.command("admin", {"connectionStatus": 1})
    compatibility = await asking.command(
        {"getParameter": 1, "featureCompatibilityVersion": 1},
        what="the version of the data's format",
        permission="getParameter on the cluster",
    )
    version = compatibility.get("featureCompatibilityVersion")
    return judge(
        Facts(
            overview=overview,
            users=status.get("authInfo", {}).get("authenticatedUsers", ()),
            compatibility=str(version.get("version", "")) if isinstance(version, Mapping) else "",
            today=dt.datetime.now(dt.UTC).date(),
        )
    )


def judge(facts: Facts) -> Advice:
    """What the rules find."""
    findings: list[Finding] = []
    skipped: list[str] = []
    for rule in RULES:
        name = rule.__name__
        try:
            found = rule(facts)
        except UnknownFigureError:
            skipped.append(name)
            continue
        if found is not None:
            findings.append(Finding(name, *found))
    findings.sort(key=lambda each: _ORDER.index(each.severity))
    return Advice(findings, len(RULES) - len(skipped), skipped)


Found = tuple[Severity, str, str, str] | None
"""Severity, title, reason, reference."""


def access_control(facts: Facts) -> Found:
    """Nobody has to log in: who did not, and sees the server's figures, needs no right to."""
    if facts.users or not facts.overview.status:
        return None
    return (
        Severity.HIGH,
        "Switch on access control",
        "This connection has not logged in, and may ask for the server's figures all the same.",
        f"{MANUAL}tutorial/enable-authentication/",
    )


def supported_version(facts: Facts) -> Found:
    """The version gets no more corrections."""
    parts = facts.overview.version.split(".")
    if len(parts) < 2 or not all(each.isdecimal() for each in parts[:2]):  # noqa: PLR2004  major and minor
        raise UnknownFigureError
    series = ".".join(parts[:2])
    end = END_OF_SUPPORT.get(series)
    if (int(parts[0]), int(parts[1])) >= OLDEST and (end is None or facts.today <= end):
        return None
    since = f" since {end.isoformat()}" if end else ""
    return (
        Severity.MEDIUM,
        "Upgrade to a supported version",
        f"MongoDB {series} gets no more corrections{since}, not of security either.",
        "https://www.mongodb.com/legal/support-policy/lifecycles",
    )


def compatibility_version(facts: Facts) -> Found:
    """The data's format was left behind by an upgrade."""
    if not facts.compatibility:
        raise UnknownFigureError
    if facts.overview.version.startswith(f"{facts.compatibility}."):
        return None
    return (
        Severity.LOW,
        "Finish the upgrade",
        f"Its featureCompatibilityVersion is still {facts.compatibility}: the next upgrade would refuse to start.",
        f"{MANUAL}reference/command/setFeatureCompatibilityVersion/",
    )


def members_healthy(facts: Facts) -> Found:
    """A member of the replica set is down."""
    _members(facts)
    down = [each.name for each in facts.overview.members if not each.healthy]
    if not down:
        return None
    return (
        Severity.HIGH,
        "Bring back the members that are down",
        f"{len(down)} of {len(facts.overview.members)} members do not answer: {', '.join(down[:5])}.",
        f"{MANUAL}tutorial/troubleshoot-replica-sets/",
    )


def replication_lag(facts: Facts) -> Found:
    """A secondary is far behind."""
    _members(facts)
    if facts.overview.lag_s <= MAX_LAG_S:
        return None
    return (
        Severity.HIGH,
        "Find out why a secondary is behind",
        f"It is {facts.overview.lag_s:.0f} s behind the primary: so much would be lost or rolled back with it.",
        f"{MANUAL}tutorial/troubleshoot-replica-sets/#check-the-replication-lag",
    )


def enough_members(facts: Facts) -> Found:
    """The replica set can't lose a member."""
    _members(facts)
    count = len(facts.overview.members)
    if count >= MIN_MEMBERS:
        return None
    return (
        Severity.LOW,
        "Add members to the replica set",
        f"It has {count}: when one is down, nothing can be written any more.",
        f"{MANUAL}core/replica-set-architectures/",
    )


def free_connections(facts: Facts) -> Found:
    """Soon nobody can connect."""
    current, available = facts.figure("connections", "current"), facts.figure("connections", "available")
    if not available or current < FULL_CONNECTIONS * (current + available):
        return None
    return (
        Severity.HIGH,
        "Close connections, or allow more",
        f"{current:.0f} of {current + available:.0f} connections are in use.",
        f"{MANUAL}administration/connection-pool-overview/",
    )


def dirty_cache(facts: Facts) -> Found:
    """The disk does not keep up with writes."""
    cache = ("wiredTiger", "cache")
    dirty, most = (
        facts.figure(*cache, "tracked dirty bytes in the cache"),
        facts.figure(*cache, "maximum bytes configured"),
    )
    if not most or dirty < DIRTY_CACHE * most:
        return None
    return (
        Severity.MEDIUM,
        "Write less, or to a faster disk",
        f"{100 * dirty / most:.0f} % of the cache wait to be written: clients' operations have to help.",
        f"{MANUAL}core/wiredtiger/#memory-use",
    )


def waiting_operations(facts: Facts) -> Found:
    """Operations wait for locks or tickets."""
    waiting = facts.figure("globalLock", "currentQueue", "total")
    active = facts.figure("globalLock", "activeClients", "total")
    if waiting <= max(active, MIN_WAITING):
        return None
    return (
        Severity.MEDIUM,
        "Find out what operations wait for",
        f"{waiting:.0f} operations wait while {active:.0f} work.",
        f"{MANUAL}faq/concurrency/",
    )


MIN_WAITING = 10
"""Operations that may wait for a moment."""


def _members(facts: Facts) -> None:
    if not facts.overview.members:
        raise UnknownFigureError


RULES: Sequence[Callable[[Facts], Found]] = (
    access_control,
    supported_version,
    compatibility_version,
    members_healthy,
    replication_lag,
    enough_members,
    free_connections,
    dirty_cache,
    waiting_operations,
)
