"""From the readable form of a value to the commands that build it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

from services.redis_svc.bulk.lines import Json
from services.redis_svc.bulk.readable import JSON_TYPE
from services.redis_svc.bulk.records import LineError, Record, to_bytes
from services.redis_svc.replies import Command

_WORDS = 1000
"""Words of one command at most."""
_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


def build(record: Record, key: bytes) -> list[Command]:
    """The commands that put a record's value under a key, behind what is there of earlier parts.

    Raises:
        LineError: it is not the form of a value of that type.
    """
    builder = _BUILDERS.get(record.type)
    if builder is None:
        raise LineError(f"Values of type {record.type or 'unknown'} have no readable form.")
    commands = list(builder(record, key))
    if not commands:
        raise LineError("The value is empty; only strings and streams can be.")
    return commands


def _string(record: Record, key: bytes) -> Iterator[Command]:
    yield (b"APPEND", key, to_bytes(record.value))


def _json(record: Record, key: bytes) -> Iterator[Command]:
    yield (b"JSON.SET", key, b"$", to_bytes(record.value))


def _hash(record: Record, key: bytes) -> Iterator[Command]:
    value = record.value
    pairs = list(value.items()) if isinstance(value, dict) else [_pair(each) for each in _items(value)]
    words = [word for name, content in pairs for word in (to_bytes(name), to_bytes(content))]
    yield from _in_commands(b"HSET", key, words)
    for each in _items((record.fields or {}).get("field_ttl_ms", [])):
        name, ttl_ms = _pair(each)
        if type(ttl_ms) is not int or ttl_ms < 0:
            raise LineError("A field's time to live must be a whole number.")
        yield (b"HPEXPIRE", key, max(1, ttl_ms), b"FIELDS", 1, to_bytes(name))


def _list(record: Record, key: bytes) -> Iterator[Command]:
    yield from _in_commands(b"RPUSH", key, list(map(to_bytes, _items(record.value))))


def _set(record: Record, key: bytes) -> Iterator[Command]:
    yield from _in_commands(b"SADD", key, list(map(to_bytes, _items(record.value))))


def _sorted_set(record: Record, key: bytes) -> Iterator[Command]:
    words: list[bytes] = []
    for each in _items(record.value):
        member, score = _pair(each)
        words += (_score(score), to_bytes(member))
    yield from _in_commands(b"ZADD", key, words)


def _stream(record: Record, key: bytes) -> Iterator[Command]:
    entries = _items(record.value)
    for each in entries:
        id_, words = _pair(each)
        yield (b"XADD", key, _id(id_), *map(to_bytes, _items(words)))
    fields = record.fields or {}
    if not record.last:
        return
    if not entries and record.part == 0:
        yield (b"XADD", key, b"MAXLEN", 0, b"0-1", b"", b"")  # makes a stream without entries
    if "last_id" in fields:
        yield (b"XSETID", key, _id(fields["last_id"]))
    for group in _items(fields.get("groups", [])):
        if not isinstance(group, dict):
            raise LineError("A group must be an object.")
        name = to_bytes(group.get("name"))
        yield (b"XGROUP", b"CREATE", key, name, _id(group.get("last_id")))
        for consumer in _items(group.get("consumers", [])):
            yield (b"XGROUP", b"CREATECONSUMER", key, name, to_bytes(consumer))


_BUILDERS: dict[str, Callable[[Record, bytes], Iterator[Command]]] = {
    "string": _string,
    "hash": _hash,
    "list": _list,
    "set": _set,
    "zset": _sorted_set,
    "stream": _stream,
    JSON_TYPE: _json,
}


def _in_commands(name: bytes, key: bytes, words: Sequence[bytes]) -> Iterator[Command]:
    for at in range(0, len(words), _WORDS):
        yield (name, key, *words[at : at + _WORDS])


def _items(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise LineError("The value must be a list.")
    return value


def _pair(value: Json) -> tuple[Json, Json]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004  a pair
        raise LineError("An element must be a pair.")
    return value[0], value[1]


def _score(value: Json) -> bytes:
    if isinstance(value, str) and value in {"inf", "-inf"}:
        return value.encode()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return repr(float(value)).encode()
    raise LineError('A score must be a number, "inf" or "-inf".')


def _id(value: Json) -> bytes:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise LineError("An id must be of the form 1-1.")
    return value.encode()
