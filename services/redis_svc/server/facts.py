"""What INFO and CONFIG GET say of one server, as figures that may be missing.

Servers differ in what they tell: versions, forks, managed ones. Nothing here fails because a figure is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.redis_svc.errors import raise_for
from services.redis_svc.info import InfoValue, Section, parse
from services.redis_svc.link import Link
from services.redis_svc.replies import Reply

UNKNOWN = -1.0
"""Stands for a number that the server does not tell."""
COMMANDS = "commandstats"
"""Section with a line a command."""
LATENCIES = "latencystats"
"""As above: https://redis.io/docs/latest/commands/latency-histogram/ says since when."""
KEYSPACE = "keyspace"
_LISTS = frozenset({COMMANDS, LATENCIES, KEYSPACE, "errorstats", "modules"})
"""Sections whose names are data."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One server's INFO."""

    sections: Mapping[str, Section]
    """By lower-case name."""
    flat: Mapping[str, InfoValue] = field(default_factory=dict)
    """Every figure by its name, whichever section it is in: those have moved between versions."""

    def number(self, name: str) -> float | None:
        """A figure; None where the server does not tell it, or not as a number."""
        return as_number(self.flat.get(name))

    def number_or(self, name: str, default: float = UNKNOWN) -> float:
        """As `number`, with what stands for one that is missing."""
        found = self.number(name)
        return default if found is None else found

    def text(self, name: str) -> str:
        """A word; empty where the server does not tell it."""
        value = self.flat.get(name)
        return "" if value is None or isinstance(value, (dict, list)) else str(value)

    def rows(self, section: str, prefix: str = "") -> dict[str, Section]:
        """Lines of the form `name:a=1,b=2` whose names begin alike, by the rest of the name."""
        return {
            name.removeprefix(prefix): value
            for name, value in self.sections.get(section, {}).items()
            if name.startswith(prefix) and isinstance(value, dict)
        }


async def read_facts(link: Link, *sections: str) -> Facts:
    """Asks for INFO's default sections, and for some more.

    One INFO a section, in one write: servers before 7 take one section only.

    Raises:
        StudioError: DB_PERMISSION_DENIED when the user may not ask; …
    """
    replies = await link.execute_many([(b"INFO",), *((b"INFO", section) for section in sections)])
    found: dict[str, Section] = {}
    for reply in replies:
        raise_for(reply, command="INFO")
        if isinstance(reply, bytes):
            found.update(parse(reply))
    return facts_from(found)


def facts_from(sections: Mapping[str, Section]) -> Facts:
    """Facts of sections that are parsed already."""
    flat = {
        name: value
        for section, figures in sections.items()
        if section not in _LISTS
        for name, value in figures.items()
    }
    return Facts(sections, flat)


def as_number(value: InfoValue | None) -> float | None:
    """A figure as a number, also where INFO's parser kept it as text because it is long."""
    if isinstance(value, str):
        try:
            return float(value.removesuffix("%"))
        except ValueError:
            return None
    return float(value) if isinstance(value, (int, float)) else None


def settings_from(replies: Iterable[Reply]) -> dict[str, str]:
    """The settings in some replies of CONFIG GET; those that were refused are missing."""
    found: dict[str, str] = {}
    for reply in replies:
        if isinstance(reply, list):
            words = [part.decode("utf-8", "replace") for part in reply if isinstance(part, bytes)]
            found.update(zip(words[::2], words[1::2], strict=False))
    return found


async def read_settings(link: Link, *names: str) -> dict[str, str]:
    """Settings by name; those the server has not, or does not tell, are missing. Never fails for a refusal."""
    return settings_from(await link.execute_many([(b"CONFIG", b"GET", name) for name in names]))
