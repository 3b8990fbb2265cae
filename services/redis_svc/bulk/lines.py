"""Bytes as JSON: the lines of an export. Text where they are UTF-8, `{"base64": "…"}` otherwise."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator
from typing import TypeAlias

FORMAT_VERSION = 1
"""Of the lines; a reader refuses what it doesn't know."""

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

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


def dump_line(key: bytes, type_: str, ttl_ms: int, dump: bytes) -> bytes:
    """A line of the `dump` format. Put together by hand: the JSON encoder would look at every byte of the base64."""
    head = encode({**key_fields(key), "type": type_, "ttl_ms": ttl_ms})[:-1].encode()
    return b'%b,"dump_base64":"%b"}\n' % (head, binascii.b2a_base64(dump, newline=False))


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
