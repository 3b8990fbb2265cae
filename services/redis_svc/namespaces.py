"""The tree that separators make of keys' names, one level at a time, from pages of SCAN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.redis_svc.client import RedisClient
from services.redis_svc.key_details import Keys, Wanted
from services.redis_svc.keyspace import Query, list_keys
from services.redis_svc.limits import MIB

DEFAULT_SEPARATOR = b":"
PAGE_KEYS = 10_000
"""Keys that one call groups at most, about."""
MAX_GROUPS = 1000
"""Groups of one answer."""
MAX_KEYS = 1000
"""Keys of one answer."""
MAX_BYTES = 4 * MIB
"""Bytes of the names of each, groups and keys: a name may have half a gigabyte."""

_SPECIAL = frozenset(b"*?[]\\^")
_NOTHING = Wanted(type=False, ttl=False, memory=False, length=False)


@dataclass(slots=True)
class Level:
    """One level of the tree, as far as one call has seen it."""

    groups: list[tuple[bytes, int]] = field(default_factory=list)
    """What names begin with, separator included, and how many; by name."""
    keys: list[bytes] = field(default_factory=list)
    """Names without a further separator, sorted."""
    omitted: int = 0
    """Groups and keys that one answer does not hold: the largest groups are kept."""
    cursor: str = ""
    """Of the next page; empty on the last."""
    scanned: int = 0
    """About how many keys were looked at."""
    total: int = 0
    """Keys of the database; -1 where the user may not ask."""


async def list_namespaces(
    client: RedisClient,
    *,
    prefix: bytes = b"",
    separator: bytes = DEFAULT_SEPARATOR,
    type_: str = "",
    cursor: str = "",
    time_left_s: float = float("inf"),
) -> Level:
    """Groups one page of keys.

    Args:
        client: the database.
        prefix: only names that begin so; taken as it is, no pattern.
        separator: what ends a part of a name.
        type_: only keys of this type; empty for all.
        cursor: of the page before; empty or `0` for the first.
        time_left_s: seconds until the caller stops waiting.

    Raises:
        StudioError: as `keyspace.list_keys`.
    """
    names: list[bytes] = []

    def emit(keys: Keys) -> None:
        names.extend(keys.names)

    pattern = escape(prefix) + b"*" if prefix else b""
    query = Query(pattern=pattern, type=type_, count=PAGE_KEYS, cursor=cursor, wanted=_NOTHING)
    page = await list_keys(client, query, emit, time_left_s=time_left_s)
    level = group(names, prefix, separator)
    level.cursor, level.scanned, level.total = page.cursor, page.scanned, page.total
    return level


def group(names: Sequence[bytes], prefix: bytes, separator: bytes) -> Level:
    """One level of the tree that some names make."""
    counts: Counter[bytes] = Counter()
    keys: list[bytes] = []
    start = len(prefix)
    for name in names:
        at = name.find(separator, start)
        if at < 0:
            keys.append(name)
        else:
            counts[name[: at + len(separator)]] += 1
    largest = _that_fit([each for each, _ in counts.most_common(MAX_GROUPS)])
    kept = _that_fit(sorted(keys)[:MAX_KEYS])
    return Level(
        groups=[(each, counts[each]) for each in sorted(largest)],
        keys=kept,
        omitted=len(counts) - len(largest) + len(keys) - len(kept),
    )


def escape(text: bytes) -> bytes:
    """A glob pattern that only the text itself matches (https://redis.io/docs/latest/commands/keys/)."""
    return b"".join(b"\\%c" % byte if byte in _SPECIAL else b"%c" % byte for byte in text)


def _that_fit(names: Sequence[bytes]) -> list[bytes]:
    left = MAX_BYTES
    fit = []
    for name in names:
        left -= len(name)
        if left >= 0:
            fit.append(name)
    return fit
