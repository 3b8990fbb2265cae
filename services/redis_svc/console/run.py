"""Runs what the console is asked: reads every line, judges every command, and only then runs any of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from services.redis_svc.client import RedisClient
from services.redis_svc.console.bounds import BOUNDS, Bounds
from services.redis_svc.console.confirmation import Subject
from services.redis_svc.console.facts import Fact, Facts
from services.redis_svc.console.policy import Verdict, judge
from services.redis_svc.console.resp import Budget
from services.redis_svc.console.wire import Answer, Wire
from services.redis_svc.link import Link
from services.runtime.audit.notes import note_names
from services.runtime.confirmation import Confirmations
from services.runtime.errors import StudioError
from services.runtime.places import Places
from studio.options.v1 import errors_pb2 as e
from studio.options.v1.access_pb2 import Role

Words = Sequence[bytes]

UNKNOWN = "(unknown)"
"""A command that the server does not have, in the audit log."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to run."""

    database_id: str
    """Where."""
    commands: Sequence[Words]
    """What, word by word; none is empty."""
    caller: str
    """Who asks."""
    role: Role.ValueType
    """What the caller is."""
    read_only: bool = False
    """The connection is for reading, whoever asks."""
    confirmation: str = ""
    """The token of an earlier refusal."""


@dataclass(slots=True)
class _Step:
    """A command with the server it runs on."""

    words: Words
    link: Link
    changes: bool


@dataclass(slots=True)
class Console:
    """Runs commands.

    Args:
        confirmations: gives and checks tokens.
    """

    confirmations: Confirmations
    facts: Facts = field(default_factory=Facts)
    bounds: Bounds = BOUNDS
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.places = Places("calls of the console", self.bounds.calls, self.bounds.calls_of_one_database)

    async def run(self, client: RedisClient, request: Request, *, time_left_s: float) -> list[Answer]:
        """The answers, in the order of the commands. Error replies are among them.

        Raises:
            StudioError: COMMAND_REFUSED, PERMISSION_DENIED, CONNECTION_READ_ONLY, CONFIRMATION_REQUIRED with nothing
                executed; RESOURCE_EXHAUSTED; DB_TIMEOUT or DB_CONNECTION_FAILED, where `completed` in the metadata
                says how many commands had been answered.
        """
        names = dict.fromkeys(words[0].lower() for words in request.commands)
        facts = await self.facts.look_up(client, names)
        verdicts = [_verdict(facts[words[0].lower()], words) for words in request.commands]
        # Names that the server knows, and nothing else of what was typed.
        note_names(commands=[verdict.name if verdict is not None else UNKNOWN for verdict in verdicts])
        self._admit(request, verdicts)
        steps = [
            _Step(
                words,
                await _link(client, facts[words[0].lower()], words),
                verdict is not None and verdict.rule.changes,
            )
            for words, verdict in zip(request.commands, verdicts, strict=True)
        ]
        with self.places.take(request.database_id):
            return await _Run(self.bounds, client.limits.max_reply_bytes).run(steps, time_left_s)

    def _admit(self, request: Request, verdicts: Sequence[Verdict | None]) -> None:
        """Lets all of the commands through, or none."""
        known = [(at, verdict) for at, verdict in enumerate(verdicts) if verdict is not None]
        for at, verdict in known:
            if verdict.refused:
                raise StudioError(
                    e.ERROR_REASON_COMMAND_REFUSED,
                    f"{verdict.name} is not run here: {verdict.refused}.",
                    metadata=_which(at, verdict),
                )
        for at, verdict in known:
            if request.read_only and verdict.rule.changes:
                raise StudioError(
                    e.ERROR_REASON_CONNECTION_READ_ONLY,
                    f"This database is registered as read-only, and {verdict.name} may change something.",
                    metadata=_which(at, verdict),
                )
            if request.role < verdict.rule.role:
                needed, actual = role_name(verdict.rule.role), role_name(request.role)
                raise StudioError(
                    e.ERROR_REASON_PERMISSION_DENIED,
                    f"{verdict.name} needs the role {needed} or higher; the caller is {actual}.",
                    metadata=_which(at, verdict),
                )
        dangerous = [(at, verdict) for at, verdict in known if verdict.rule.confirmation]
        if dangerous:
            self._confirm(request, dangerous)

    def _confirm(self, request: Request, dangerous: Sequence[tuple[int, Verdict]]) -> None:
        subject, now = Subject(request.caller, request.database_id, request.commands).parts(), time.time()
        if self.confirmations.accepts(request.confirmation, subject, now):
            return
        names = ", ".join(dict.fromkeys(verdict.name for _, verdict in dangerous[:5]))
        again = "The confirmation is not for these commands, or too old. " if request.confirmation else ""
        raise StudioError(
            e.ERROR_REASON_CONFIRMATION_REQUIRED,
            f"{again}Dangerous: {names}. Nothing was run.",
            hint="Send the same commands again with the token `confirmation` to run them.",
            metadata={"confirmation": self.confirmations.issue(subject, now), **_which(*dangerous[0])},
        )


class _Run:
    """One call: commands in chunks, each server's on a connection of its own."""

    def __init__(self, bounds: Bounds, max_chunk_bytes: int) -> None:
        self._bounds = bounds
        self._max_chunk_bytes = max_chunk_bytes
        self._budget = Budget(
            bounds.reply_elements, bounds.reply_bytes, bounds.bulk_bytes, bounds.reply_depth
        )
        self._answers: list[Answer] = []

    async def run(self, steps: Sequence[_Step], time_left_s: float) -> list[Answer]:
        changing = any(step.changes for step in steps)
        wires: dict[Link, Wire] = {}
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(min(self._bounds.call_s, time_left_s)):
                    for chunk in self._chunks(steps):
                        link = chunk[0].link
                        if link not in wires:
                            connection = await stack.enter_async_context(link.dedicated())
                            wires[link] = Wire(connection, self._budget, self._max_chunk_bytes)
                        self._answers += await wires[link].run([tuple(step.words) for step in chunk])
            except TimeoutError:
                raise self._interrupted(_timeout(), changing=changing) from None
            except StudioError as error:
                raise self._interrupted(error, changing=changing and bool(wires)) from None
        return self._answers

    def _chunks(self, steps: Sequence[_Step]) -> Iterator[list[_Step]]:
        chunk: list[_Step] = []
        size = 0
        for step in steps:
            length = sum(map(len, step.words))
            full = len(chunk) >= self._bounds.chunk_commands or size + length > self._bounds.chunk_bytes
            if chunk and (full or step.link is not chunk[0].link):
                yield chunk
                chunk, size = [], 0
            chunk.append(step)
            size += length
        if chunk:
            yield chunk

    def _interrupted(self, error: StudioError, *, changing: bool) -> StudioError:
        """The error with what is known of what had been done."""
        error.metadata["completed"] = str(len(self._answers))
        if changing:
            error.metadata["outcome"] = "unknown"
            error.hint = error.hint or "Look what was changed before you repeat the commands."
        return error


def role_name(role: Role.ValueType) -> str:
    """`administrator` for ROLE_ADMINISTRATOR."""
    return Role.Name(role).removeprefix("ROLE_").lower()


def _verdict(fact: Fact | None, words: Words) -> Verdict | None:
    """None for a command the server doesn't know: it says so itself."""
    return None if fact is None else judge(fact, words)


def _which(at: int, verdict: Verdict) -> dict[str, str]:
    return {"index": str(at), "command": verdict.name}


async def _link(client: RedisClient, fact: Fact | None, words: Words) -> Link:
    """The server a command runs on: that of its first key; the first one where it has none.

    One that is not known goes to the server that doesn't know it.
    """
    links = client.links
    if fact is None or len(links) == 1:
        return links[0]
    fact = fact.subcommand(words[1]) if len(words) > 1 else fact
    if 0 < fact.first_key < len(words):
        return client.link_for(words[fact.first_key])
    reply = await links[0].execute(b"COMMAND", b"GETKEYS", *words)
    # Valkey answers with an empty list where it could be keys, and is none: EVAL_RO with 0 of them.
    keys = reply if isinstance(reply, list) else []
    return client.link_for(keys[0]) if keys and isinstance(keys[0], bytes) else links[0]


def _timeout() -> StudioError:
    return StudioError(
        e.ERROR_REASON_DB_TIMEOUT,
        "The Redis server did not answer in time.",
        hint="A command may take long, or somebody else's may.",
    )
