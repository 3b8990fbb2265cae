"""Bytes as JSON: the lines of an export. Text where they are UTF-8, `{"base64": "…"}` otherwise."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

FORMAT_VERSION = 1
"""Of the lines; a reader refuses what it doesn't know."""

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

_quoted = json.encoder.encode_basestring
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def line(content: Json) -> bytes:
    """A line."""
    return encode(content).encode() + b"\n"


def blob(content: bytes) -> Json:
    """Bytes as a value."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64(content)}


def key_fields(key: bytes) -> dict[str, Json]:
    """A key as fields of a line."""
    try:
        return {"key": key.decode()}
    except UnicodeDecodeError:
        return {"key_base64": base64(key)}


def base64(content: bytes) -> str:
    """Base64 as text."""
    return binascii.b2a_base64(content, newline=False).decode()


def dump_lines(values: Iterable[tuple[bytes, str, int, bytes]]) -> bytes:
    """Lines of the `dump` format.

    Put together piece by piece, which takes 1 µs a key where the JSON encoder takes 5.

    Args:
        values: key, type, milliseconds until it expires or -1, DUMP.
    """
    pieces: list[bytes] = []
    for key, type_, ttl_ms, dump in values:
        try:
            name = _quoted(key.decode()).encode()
            begin = b'{"key":'
        except UnicodeDecodeError:
            name = b'"%b"' % binascii.b2a_base64(key, newline=False)
            begin = b'{"key_base64":'
        pieces += (
            begin,
            name,
            _TYPES.get(type_) or b',"type":%b,"ttl_ms":' % _quoted(type_).encode(),
            b"-1" if ttl_ms < 0 else b"%d" % ttl_ms,
            b',"dump_base64":"',
            binascii.b2a_base64(dump, newline=False),
            b'"}\n',
        )
    return b"".join(pieces)


def type_of_dump(dump: bytes) -> str:
    """The type of a DUMP, from its first byte; empty for a module's, or one that is not known here.

    RDB_TYPE_* in rdb.h of Redis and Valkey. Saves a command a key.
    """
    return _RDB_TYPES.get(dump[0], "") if dump else ""


_RDB_TYPES = {
    **dict.fromkeys((0,), "string"),
    **dict.fromkeys((1, 10, 14, 18), "list"),
    **dict.fromkeys((2, 11, 20), "set"),
    **dict.fromkeys((3, 5, 12, 17), "zset"),
    **dict.fromkeys((4, 9, 13, 16, 22, 23, 24, 25), "hash"),
    **dict.fromkeys((15, 19, 21), "stream"),
}
_TYPES = {type_: b',"type":"%b","ttl_ms":' % type_.encode() for type_ in _RDB_TYPES.values()}


class Chunks:
    """Gathers lines into messages of a bounded size.

    Args:
        size: bytes of a message.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, content: bytes) -> None:
        """Adds a line."""
        self._lines.append(content)
        self._bytes += len(content)

    @property
    def full(self) -> bool:
        """Whether a message's worth is there."""
        return self._bytes >= self._size

    def take(self) -> Iterator[bytes]:
        """What is there, in messages; a long line goes in several."""
        content = b"".join(self._lines)
        self._lines, self._bytes = [], 0
        step = 4 * self._size
        for at in range(0, len(content), step):
            yield content[at : at + step]
