"""The slow log: https://redis.io/docs/latest/commands/slowlog-get/ gives the format.

Its settings are CONFIG's, which managed servers refuse: then they are unknown, and the log itself is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.redis_svc.client import RedisClient
from services.redis_svc.errors import raise_for, to_studio_error
from services.redis_svc.replies import Command, Reply, ServerError
from services.redis_svc.secrets import masked_arguments
from services.redis_svc.server.facts import settings_from
from services.redis_svc.server.nodes import Node, ask_all, nodes_of
from services.runtime.errors import StudioError

DEFAULT_COUNT = 100
"""Entries when the call doesn't say."""
MAX_COUNT = 1000
THRESHOLD = "slowlog-log-slower-than"
LENGTH = "slowlog-max-len"
UNKNOWN_THRESHOLD = -2.0
"""-1 is the server's own word for a log that is off."""
UNKNOWN = -1.0
_ENTRY_PARTS = 4
"""Redis before 4 has no client in an entry."""


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One entry."""

    id: int
    at_unix_ms: float
    duration_us: float
    arguments: list[bytes]
    """Secrets masked."""
    client: str
    client_name: str
    node: str


@dataclass(frozen=True, slots=True)
class SlowLog:
    """The log of every server, with its settings."""

    commands: list[SlowCommand]
    """Newest first."""
    threshold_us: float
    """-1 where nothing is logged, -2 where the server does not tell."""
    max_length: float
    """-1 where the server does not tell."""
    length: float
    """-1 where the server does not tell."""


async def list_slow_log(client: RedisClient, count: int = 0) -> SlowLog:
    """The newest entries, and the settings as far as the server tells them.

    Args:
        client: the database.
        count: most entries; 0 for the default.

    Raises:
        StudioError: DB_PERMISSION_DENIED, NOT_SUPPORTED where the server keeps none; …
    """
    count = min(count or DEFAULT_COUNT, MAX_COUNT)

    async def ask(node: Node) -> SlowLog:
        entries, length, *settings = await node.link.execute_many(
            [
                (b"SLOWLOG", b"GET", count),
                (b"SLOWLOG", b"LEN"),
                (b"CONFIG", b"GET", THRESHOLD),
                (b"CONFIG", b"GET", LENGTH),
            ]
        )
        raise_for(entries, command="SLOWLOG GET")
        known = settings_from(settings)
        return SlowLog(
            commands=list(parse_entries(entries, node.name)),
            threshold_us=_setting(known.get(THRESHOLD), UNKNOWN_THRESHOLD),
            max_length=_setting(known.get(LENGTH), UNKNOWN),
            length=float(length) if isinstance(length, int) else UNKNOWN,
        )

    logs = await ask_all(await nodes_of(client), ask)
    entries = [entry for log in logs for entry in log.commands]
    entries.sort(key=lambda entry: (entry.at_unix_ms, entry.id), reverse=True)
    lengths = [log.length for log in logs]
    return SlowLog(
        commands=entries[:count],
        # Of a Cluster the most telling: the lowest threshold that is in force.
        threshold_us=_lowest([log.threshold_us for log in logs]),
        max_length=max(log.max_length for log in logs),
        length=UNKNOWN if UNKNOWN in lengths else sum(lengths),
    )


async def configure(
    client: RedisClient,
    *,
    threshold_us: int | None = None,
    max_length: int | None = None,
    reset: bool = False,
) -> None:
    """Changes the settings, or empties the log, on every server: settings first, and all or none of them on each.

    Raises:
        StudioError: DB_PERMISSION_DENIED, NOT_SUPPORTED where the server does not let CONFIG be used; …
    """
    values = {THRESHOLD: threshold_us, LENGTH: max_length}
    changes = {name: value for name, value in values.items() if value is not None}
    nodes = await nodes_of(client)

    async def change(node: Node) -> None:
        link = node.link
        before = settings_from(await link.execute_many([(b"CONFIG", b"GET", name) for name in changes]))
        done: list[str] = []
        for name, value in changes.items():
            # One by one: servers before 7 take one pair. What was set already is put back where the next one fails.
            reply = await link.execute(b"CONFIG", b"SET", name, value)
            if isinstance(reply, ServerError):
                undo: list[Command] = [
                    (b"CONFIG", b"SET", each, before[each]) for each in done if each in before
                ]
                if undo:
                    await link.execute_many(undo)
                raise _refusal(reply)
            done.append(name)
        if reset:
            raise_for(await link.execute(b"SLOWLOG", b"RESET"), command="SLOWLOG RESET")

    await ask_all(nodes, change)


def parse_entries(reply: Reply, node: str = "") -> Iterator[SlowCommand]:
    """The entries in a reply of SLOWLOG GET; what is none is left out."""
    for entry in reply if isinstance(reply, list) else ():
        if not isinstance(entry, list) or len(entry) < _ENTRY_PARTS:
            continue
        number, at_s, duration_us, arguments, *client = entry
        if not (isinstance(number, int) and isinstance(at_s, int) and isinstance(duration_us, int)):
            continue
        if not isinstance(arguments, list):
            continue
        words = [word for word in arguments if isinstance(word, bytes)]
        address, name = (*(_text(each) for each in client), "", "")[:2]
        yield SlowCommand(
            id=number,
            at_unix_ms=at_s * 1000.0,
            duration_us=float(duration_us),
            arguments=masked_arguments(words),
            client=address,
            client_name=name,
            node=node,
        )


def _text(reply: Reply) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""


def _setting(text: str | None, default: float) -> float:
    try:
        value = float(text) if text is not None else default
    except ValueError:
        return default
    return max(value, -1.0) if text is not None else value


def _lowest(thresholds: list[float]) -> float:
    on = [each for each in thresholds if each >= 0]
    return min(on) if on else min(thresholds)


def _refusal(reply: ServerError) -> StudioError:
    error = to_studio_error(reply, command="CONFIG SET")
    error.hint = error.hint or "Managed servers are often configured in their provider's console only."
    return error
