"""What is told of each key of a page: the commands that ask for it, written as bytes, and their replies, by column.

One list a command, not one object a key: slices and `set(map(type, …))` run in C, and only a column that holds
something unusual (a key that is gone, a refusal) is looked at one by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from services.redis_svc.errors import is_denied_key, to_studio_error
from services.redis_svc.limits import Limits
from services.redis_svc.replies import Reply, ServerError, bulk, prefix

UNKNOWN = -1
"""Stands for a number that the server does not tell."""

_GONE = b"none"
"""TYPE of no key: https://redis.io/docs/latest/commands/type/"""
_GONE_TTL = -2
"""PTTL of no key: https://redis.io/docs/latest/commands/pttl/"""

_TYPE = prefix(2, (b"TYPE",))
_PTTL = prefix(2, (b"PTTL",))
_MEMORY = prefix(5, (b"MEMORY", b"USAGE"))
_LENGTH = {
    "string": prefix(2, (b"STRLEN",)),
    "list": prefix(2, (b"LLEN",)),
    "hash": prefix(2, (b"HLEN",)),
    "set": prefix(2, (b"SCARD",)),
    "zset": prefix(2, (b"ZCARD",)),
    "stream": prefix(2, (b"XLEN",)),
}
_TYPE_NAMES: dict[Reply, str] = {name.encode(): name for name in _LENGTH}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked up about each key. What is not costs nothing."""

    type: bool = True
    """TYPE."""
    ttl: bool = True
    """PTTL."""
    memory: bool = True
    """MEMORY USAGE, sampled."""
    length: bool = True
    """STRLEN, LLEN, HLEN, SCARD, ZCARD or XLEN."""


@dataclass(slots=True)
class Keys:
    """Some keys, in columns of the same length; a column that was not wanted is empty."""

    names: list[bytes]
    """The keys."""
    types: list[str]
    """Their types; empty text for a key that the user may not read."""
    ttls: list[int]
    """Milliseconds; -1 for a key that never expires or that the user may not read."""
    memory: list[int]
    """Bytes; -1 where the server does not say."""
    lengths: list[int]
    """Bytes or entries; -1 where the server does not say or the type has no length command."""

    def where(self, keep: Sequence[bool]) -> Keys:
        """Some of the keys."""
        return Keys(
            names=list(itertools.compress(self.names, keep)),
            types=list(itertools.compress(self.types, keep)),
            ttls=list(itertools.compress(self.ttls, keep)),
            memory=list(itertools.compress(self.memory, keep)),
            lengths=list(itertools.compress(self.lengths, keep)),
        )


class Lookup:
    """Asks about keys, and reads the answers.

    Args:
        wanted: what to ask.
        type_: the type of every key, where it is known: SCAN has filtered by it.
        limits: how much MEMORY USAGE samples.
        needs_memory: a user who may not ask for it is told so, where it is not only shown but decides.
    """

    def __init__(self, wanted: Wanted, type_: str, limits: Limits, *, needs_memory: bool = False) -> None:
        self._needs_memory = needs_memory
        self._wanted = wanted
        self._type = type_
        columns: dict[str, tuple[bytes, bytes]] = {}  # what stands before the key and behind it
        # Where the type is known, PTTL or MEMORY show as well that a key is gone.
        if (wanted.type or wanted.length) and not (type_ and (wanted.ttl or wanted.memory)):
            columns["type"] = (_TYPE, b"")
        if wanted.ttl:
            columns["ttl"] = (_PTTL, b"")
        if wanted.memory:
            samples = bulk(b"SAMPLES") + bulk(b"%d" % limits.memory_samples)
            columns["memory"] = (_MEMORY, samples)
        if wanted.length and type_ in _LENGTH:
            columns["length"] = (_LENGTH[type_], b"")
        self._columns = tuple(columns)
        # The bytes between one place of the key and the next: joining them with the key gives all its commands.
        befores, behinds = (
            [before for before, _ in columns.values()],
            [behind for _, behind in columns.values()],
        )
        self._pieces = [
            behind + before for behind, before in zip([b"", *behinds], [*befores, b""], strict=True)
        ]
        self.width = len(columns)
        """Commands a key in `request`."""

    def request(self, names: Sequence[bytes]) -> bytes:
        """The commands for some keys; empty where nothing is asked.

        One join a key takes a tenth of the time that packing each command does.
        """
        if not self.width:
            return b""
        pieces = self._pieces
        return b"".join([(b"$%d\r\n%b\r\n" % (len(name), name)).join(pieces) for name in names])

    def keys(self, names: list[bytes], replies: list[Reply]) -> Keys:
        """Those of the keys that still exist, with what the replies tell."""
        found = {column: replies[at :: self.width] for at, column in enumerate(self._columns)}
        gone: set[int] = set()
        types = _types(found["type"], gone) if "type" in found else [self._type] * len(names)
        ttls = _ttls(found["ttl"], gone) if "ttl" in found else []
        memory = _memory(found["memory"], gone) if "memory" in found else []
        if self._needs_memory:
            for reply in found["memory"]:
                if isinstance(reply, ServerError):
                    _raise_unless_denied_key(reply, "MEMORY USAGE")
        lengths = _lengths(found["length"]) if "length" in found else []
        keys = Keys(names, types, ttls, memory, lengths)
        if gone:
            keys = keys.where([at not in gone for at in range(len(names))])
        if not self._wanted.length and not self._wanted.type:
            keys.types = []
        return keys

    def lengths_request(self, keys: Keys) -> tuple[bytes, int] | None:
        """The length commands for keys whose types are known by now, and how many; None where there are none."""
        if not self._wanted.length or keys.lengths:
            return None
        commands = [
            _LENGTH[type_] + b"$%d\r\n%b\r\n" % (len(name), name)
            for name, type_ in zip(keys.names, keys.types, strict=True)
            if type_ in _LENGTH
        ]
        return (b"".join(commands), len(commands)) if commands else None

    def with_lengths(self, keys: Keys, replies: list[Reply]) -> Keys:
        """The keys with the replies to `lengths_request`."""
        answers = iter(_lengths(replies))
        keys.lengths = [next(answers) if type_ in _LENGTH else UNKNOWN for type_ in keys.types]
        return keys


def _types(column: list[Reply], gone: set[int]) -> list[str]:
    names = list(map(_TYPE_NAMES.get, column))
    if None not in names:
        return names  # type: ignore[return-value]  # no None is left
    return [name or _unusual_type(at, column[at], gone) for at, name in enumerate(names)]


def _unusual_type(at: int, reply: Reply, gone: set[int]) -> str:
    if isinstance(reply, bytes):
        if reply == _GONE:
            gone.add(at)
        return reply.decode("utf-8", "backslashreplace")
    _raise_unless_denied_key(reply, "TYPE")
    return ""


def _ttls(column: list[Reply], gone: set[int]) -> list[int]:
    if set(map(type, column)) <= {int} and _GONE_TTL not in column:
        return column  # type: ignore[return-value]  # as just checked
    numbers = []
    for at, reply in enumerate(column):
        if reply == _GONE_TTL:
            gone.add(at)
        if not isinstance(reply, int):
            _raise_unless_denied_key(reply, "PTTL")
        numbers.append(reply if isinstance(reply, int) else UNKNOWN)
    return numbers


def _memory(column: list[Reply], gone: set[int]) -> list[int]:
    if set(map(type, column)) <= {int}:
        return column  # type: ignore[return-value]  # as just checked
    # No number and no refusal: the key is gone. A refusal (ACL, a server without MEMORY) leaves it unknown.
    gone.update(at for at, reply in enumerate(column) if reply is None)
    return _lengths(column)


def _lengths(column: list[Reply]) -> list[int]:
    if set(map(type, column)) <= {int}:
        return column  # type: ignore[return-value]  # as just checked
    return [reply if isinstance(reply, int) else UNKNOWN for reply in column]


def _raise_unless_denied_key(reply: Reply, command: str) -> None:
    """One key that the user may not read is shown without details; a command it may not run is the answer."""
    if isinstance(reply, ServerError) and not is_denied_key(reply):
        raise to_studio_error(reply, command=command)
