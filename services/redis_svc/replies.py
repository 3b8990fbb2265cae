"""What a Redis server answers, as types; and the bytes of what it is asked.

The service speaks RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/): every server and proxy knows
it without HELLO, which an ACL may refuse, nothing arrives unasked, and each reply of the commands used here parses to
bytes, int, None or a list. HELLO is asked without a version, for what it tells of the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import hiredis


class ServerError(Exception):
    """An error reply. A value among the replies of a request, not raised: the other replies stand."""

    @property
    def text(self) -> str:
        """The whole reply without its minus sign. May repeat arguments of the command."""
        return str(self.args[0])

    @property
    def prefix(self) -> str:
        """First word: `ERR`, `WRONGTYPE`, …; the server's stable part."""
        return self.text.partition(" ")[0]


Reply: TypeAlias = "bytes | int | ServerError | list[Reply] | None"
Command: TypeAlias = tuple[bytes | str | int, ...]

INCOMPLETE = object()
"""What the parser returns while a reply is not complete: a reply may be None or False."""


def new_parser() -> hiredis.Reader:
    """A parser of replies that keeps bytes as bytes."""
    return hiredis.Reader(replyError=ServerError, notEnoughData=INCOMPLETE)


def pack(commands: Iterable[Command]) -> bytes:
    """The bytes of some commands, one behind the other."""
    return b"".join(map(_pack_one, commands))


def _pack_one(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub means tuple[..., ...]
    return packed


def bulk(value: bytes) -> bytes:
    """One argument as it stands inside a command."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


def prefix(arguments: int, words: Sequence[bytes]) -> bytes:
    """The beginning of a command of `arguments` words whose first ones are known beforehand."""
    return b"*%d\r\n%b" % (arguments, b"".join(map(bulk, words)))
