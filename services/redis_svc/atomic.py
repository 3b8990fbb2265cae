"""Edits that must not overwrite another's: commands that run only while some replies are what the caller saw.

A Lua script compares and runs in one step (https://redis.io/docs/latest/develop/interact/programmability/eval-intro/).
Where the user may not run scripts, or the server has none, WATCH, MULTI and EXEC do the same on a connection of their
own: on the shared one they would be everybody's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from services.redis_svc.connection import CommandTimeoutError, Connection, ConnectionLostError
from services.redis_svc.errors import conflict, raise_for
from services.redis_svc.link import Link, unknown_outcome
from services.redis_svc.replies import Command, Reply, ServerError, pack
from services.runtime.errors import StudioError

TRIES = 3
"""Transactions that are begun where somebody else keeps changing other parts of the same key."""
MAX_WORDS = 4000
"""Words of one command inside a script: Lua's stack takes 8,000 (LUAI_MAXCSTACK)."""

_SCRIPT = b"""
local at = 1
local function take() local word = ARGV[at]; at = at + 1; return word end
local function command()
  local words = {}
  for n = 1, tonumber(take()) do words[n] = take() end
  return redis.pcall(unpack(words))
end
for n = 1, tonumber(take()) do
  local how, expected = take(), take()
  local found = command()
  if type(found) == 'table' and found.err then return found end
  if type(found) == 'table' and found.ok then found = found.ok end
  local same
  if how == 'absent' then same = not found
  elseif how == 'number' then same = found and tonumber(found) == tonumber(expected)
  else
    if type(found) == 'number' then found = string.format('%.0f', found) end
    same = found == expected
  end
  if not same then return n - 1 end
end
local replies = {}
for n = 1, tonumber(take()) do replies[n] = command() end
return replies
"""
_SHA = hashlib.sha1(_SCRIPT).hexdigest().encode()  # noqa: S324  how EVALSHA names scripts
_NO_SCRIPTS = re.compile(r"(NOPERM .*|ERR unknown command )[`'](eval|evalsha)['`]", re.IGNORECASE)


class Match(Enum):
    """How a reply is compared."""

    EXACT = "exact"
    """The same bytes; an integer in decimal."""
    NUMBER = "number"
    """The same number, however it is written."""
    ABSENT = "absent"
    """Nil: there is none."""


@dataclass(frozen=True, slots=True)
class Check:
    """What must still hold."""

    command: Command
    """Reads it."""
    expected: bytes = b""
    """What it must answer."""
    match: Match = Match.EXACT
    """How that is compared."""

    def holds(self, reply: Reply) -> bool:
        """Whether a reply is the expected one."""
        if self.match is Match.ABSENT or reply is None:
            return self.match is Match.ABSENT and reply is None
        found = b"%d" % reply if isinstance(reply, int) else reply
        if not isinstance(found, bytes):
            return False
        return float(found) == float(self.expected) if self.match is Match.NUMBER else found == self.expected


async def compare_and_run(
    link: Link, key: bytes, checks: Sequence[Check], commands: Sequence[Command]
) -> list[Reply]:
    """Runs commands on one key, all of them and nothing in between, if every check holds.

    Args:
        link: the server that holds the key.
        key: the one key that checks and commands are about.
        checks: what must still hold; none to only run the commands together.
        commands: what to run, of `MAX_WORDS` words at most each.

    Returns:
        Their replies. Error replies are among them: as in MULTI, the other commands are executed.

    Raises:
        StudioError: CONFLICT, with the check's index, when one does not hold: nothing is changed then; what an error
            reply to a check means.
    """
    words: list[bytes | str | int] = [len(checks)]
    for check in checks:
        words += (check.match.value, check.expected, len(check.command), *check.command)
    words.append(len(commands))
    for command in commands:
        words += (len(command), *command)
    reply = await link.execute(b"EVALSHA", _SHA, 1, key, *words, repeatable=False)
    if isinstance(reply, ServerError) and reply.prefix == "NOSCRIPT":
        reply = await link.execute(b"EVAL", _SCRIPT, 1, key, *words, repeatable=False)
    if isinstance(reply, ServerError) and _no_scripts(reply):

        def decide(found: list[Reply]) -> Sequence[Command]:
            for index, (check, each) in enumerate(zip(checks, found, strict=True)):
                raise_for(each, command=name_of(check.command))
                if not check.holds(each):
                    raise changed(index)
            return commands

        return await transact(link, key, [check.command for check in checks], decide)
    raise_for(reply, command=name_of(commands[0]))
    if isinstance(reply, int):
        raise changed(reply)
    return cast("list[Reply]", reply)


async def transact(
    link: Link, key: bytes, reads: Sequence[Command], decide: Callable[[list[Reply]], Sequence[Command]]
) -> list[Reply]:
    """Reads, decides, and writes if the key has not changed since it was read. On a connection of its own.

    Args:
        link: the server that holds the key.
        key: the one key that it is about.
        reads: commands that only read.
        decide: gets their replies, errors among them; says what to run, or raises.

    Returns:
        The replies to what was run, errors among them.

    Raises:
        StudioError: CONFLICT when the key changed each time; what `decide` raises; DB_PERMISSION_DENIED; …
    """
    async with link.dedicated() as connection:
        for _ in range(TRIES):
            watching, *found = await _ask(connection, [(b"WATCH", key), *reads])
            raise_for(watching, command="WATCH")
            commands = decide(found)
            if not commands:
                return []
            # Alone: where MULTI is refused, what stood behind it would be executed at once, and not together.
            (begun,) = await _ask(connection, [(b"MULTI",)])
            raise_for(begun, command="MULTI")
            *queued, done = await _commit(connection, commands)
            for command, reply in zip(commands, queued, strict=True):
                raise_for(reply, command=name_of(command))
            raise_for(done, command="EXEC")
            if isinstance(done, list):
                return done
    raise changed()


def changed(index: int | None = None) -> StudioError:
    """The error for an edit of what is no longer what the caller saw; `index` says which check failed."""
    return conflict("The value has changed since it was read; nothing was changed.", index=index)


def name_of(command: Command) -> str:
    """A command's name, for messages."""
    name = command[0]
    return name.decode("ascii", "backslashreplace") if isinstance(name, bytes) else str(name)


async def _ask(connection: Connection, commands: Sequence[Command]) -> list[Reply]:
    return await connection.submit(pack(commands), len(commands))


async def _commit(connection: Connection, commands: Sequence[Command]) -> list[Reply]:
    try:
        return await _ask(connection, [*commands, (b"EXEC",)])
    except (ConnectionLostError, CommandTimeoutError) as error:
        raise unknown_outcome(error) from None


def _no_scripts(reply: ServerError) -> bool:
    """Whether scripts are refused, not a command inside this one."""
    return _NO_SCRIPTS.match(reply.text) is not None
