"""What is known of API keys, and of what has been revoked: asked for once, then kept up to date by a watch.

At steady state a key costs a dictionary lookup and a hash. Where it comes from, a `Source` says: the registry over
gRPC, or, in the registry itself, its own store. While the source is away, what was known goes on for a bounded time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from services.runtime import context, metrics
from services.runtime.auth import api_keys
from services.runtime.auth.refusals import WrongCredentialError, ended, unknown_now
from services.runtime.backoff import Backoff
from services.runtime.context import Caller, Credential
from services.runtime.errors import StudioError
from services.runtime.gate import Gate
from services.runtime.logs import get_logger
from services.runtime.rights import Stream, endable

MAX_KEYS = 10_000
"""API keys remembered, as many as a watch may name; the one unused for the longest is forgotten first."""
MAX_ENDED = 100_000
"""Ended keys and sessions remembered, each until nobody can show it any more: half an hour."""
REFUSED_S = 5.0
"""Seconds for which a wrong key is refused without asking again."""
MAX_REFUSED = 1000
QUESTIONS, WAITING = 16, 200
"""Questions to the source at a time, and how many more may wait; one more is refused with 429."""
SILENCE_S = 15.0
"""A watch that says nothing for so long is dead: there is a heartbeat every 5 s."""
OUTLASTS_S = 900.0
"""Seconds for which a stream may go on when its credential has expired: work that has begun is mostly done by then, and
nobody watches for ever with a token of an hour."""
NOTE_USE_EVERY_S = 60.0
"""How often the registry hears which keys have been used."""

log = get_logger(__name__)


class Verdict(Enum):
    """What an API key is."""

    VALID = "valid"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the source says of a key."""

    verdict: Verdict
    caller: Caller | None = None
    """Who calls with it, where it is valid."""


class Kind(Enum):
    """What a watch tells."""

    ENDED = "ended"
    SYNCED = "synced"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch."""

    kind: Kind
    id: str = ""
    """Of the API key or session that has ended."""
    forget_after_s: float = 0.0
    """Seconds after which nobody can show it any more."""


class Source(Protocol):
    """Knows API keys. Its methods raise `StudioError` while it can't be asked."""

    async def resolve(self, key_id: str, secret_digest: bytes) -> Answer:
        """What a key is worth."""

    def watch(self, known: Sequence[str]) -> AsyncGenerator[Event, None]:
        """Of the `known` keys those that have ended, what else has ended lately, SYNCED, then what ends."""

    async def note_use(self, key_ids: Sequence[str]) -> None:
        """Notes that these keys have been used."""


@dataclass(slots=True)
class _Key:
    digest: bytes = field(repr=False)
    caller: Caller


class Credentials:
    """The API keys and what has been revoked, as one process knows it.

    Args:
        offline_s: how long what is known counts without a watch.
    """

    def __init__(self, *, offline_s: float) -> None:
        self._offline_s = offline_s
        self._source: Source | None = None
        self._keys: OrderedDict[str, _Key] = OrderedDict()
        self._ended: dict[str, float] = {}
        self._refused: OrderedDict[bytes, tuple[float, Verdict]] = OrderedDict()
        self._asking: dict[tuple[str, bytes], asyncio.Task[Answer]] = {}
        self._gate = Gate(QUESTIONS, WAITING, "Too many API keys that are not known yet are being looked up.")
        self._used: set[str] = set()
        self._streams: dict[str, set[Stream]] = {}
        self._synced = False
        self._good_until = float("-inf")
        self._generation = 0

    def use(self, source: Source) -> None:
        """Says where keys come from. Without it there are none."""
        self._source = source

    @property
    def ended_count(self) -> int:
        """How many ended keys and sessions are remembered."""
        return len(self._ended)

    def known(self, text: str) -> Caller | None:
        """The caller of an API key that can be told without asking; None where that takes a question."""
        key = self._keys.get(api_keys.id_of(text))
        if (
            key is None
            or not self._is_current()
            or not hmac.compare_digest(key.digest, api_keys.digest(text))
            or key.caller.expires_at <= time.time()
        ):
            return None
        key_id = key.caller.credential_id
        self._keys.move_to_end(key_id)
        self._used.add(key_id)
        return key.caller

    async def resolve(self, text: str) -> Caller:
        """The caller of an API key.

        Raises:
            StudioError: AUTH_INVALID_TOKEN; REGISTRY_UNAVAILABLE when it is not known and can't be asked for;
                RESOURCE_EXHAUSTED.
        """
        found = self.known(text)
        if found is not None:
            return found
        key_id, digest = api_keys.parse(text)
        known = self._keys.get(key_id)
        now = asyncio.get_running_loop().time()
        if known is not None and not hmac.compare_digest(known.digest, digest):
            raise _refusal(Verdict.UNKNOWN)
        until, verdict = self._refused.get(digest, (now, Verdict.UNKNOWN))
        if until > now:
            raise _refusal(verdict)
        answer = await self._answer(key_id, digest)
        if answer.caller is None:
            raise _refusal(answer.verdict)
        if key_id in self._ended:
            raise _refusal(Verdict.REVOKED)
        return answer.caller

    def check(self, caller: Caller) -> None:
        """Refuses a session that has ended, or whose API key has.

        Raises:
            StudioError: AUTH_INVALID_TOKEN; REGISTRY_UNAVAILABLE when nobody has told for too long what has ended.
        """
        if any(each in self._ended for each in _ids(caller)):
            raise ended("The session has ended: sign in again.")
        if not self._is_current():
            raise unknown_now(
                "Whether the session still counts can't be known now: the registry can't be reached."
            )

    @contextlib.contextmanager
    def while_valid(self, caller: Caller) -> Iterator[None]:
        """Ends what is done inside when the caller's credential ends; `OUTLASTS_S` after it where it has expired.

        Raises:
            StudioError: AUTH_INVALID_TOKEN, then.
        """
        ids = _ids(caller)
        with endable() as stream:
            expiry = _end_at(stream, caller.expires_at)
            for each in ids:
                self._streams.setdefault(each, set()).add(stream)
            try:
                yield
            finally:
                if expiry is not None:
                    expiry.cancel()
                for each in ids:
                    streams = self._streams[each]
                    streams.discard(stream)
                    if not streams:
                        del self._streams[each]

    async def watch(self) -> None:
        """Hears what ends, for ever; reconnects when the source was away."""
        if self._source is None:
            return
        backoff = Backoff()
        while True:
            try:
                await self._watch_once(self._source, backoff)
                reason = "the source ended the stream"
            except StudioError as error:
                reason = error.message
            except TimeoutError:
                reason = "no heartbeat"
            say = log.info  # at the start the source may still be starting, too
            if self._synced:
                say = log.warning
                self._synced = False
                self._good_until = asyncio.get_running_loop().time() + self._offline_s
            metrics.CREDENTIALS_SYNCED.set(0)
            wait_s = backoff.next_s()
            say("credentials.watch_lost", error=reason, retry_in_s=round(wait_s, 2))
            await asyncio.sleep(wait_s)

    async def note_uses(self) -> None:
        """Tells the source now and then which keys have been used, for ever."""
        while self._source is not None:
            await asyncio.sleep(NOTE_USE_EVERY_S)
            used = sorted(self._used)[:MAX_KEYS]
            self._used.clear()
            if used:
                # When it can't be told now, the next use tells it.
                with contextlib.suppress(StudioError):
                    await self._source.note_use(used)

    def end(self, id_: str, forget_after_s: float) -> None:
        """Refuses an API key or session from now on."""
        now = asyncio.get_running_loop().time()
        self._keys.pop(id_, None)
        self._used.discard(id_)
        self._ended[id_] = max(now + forget_after_s, self._ended.get(id_, now))
        self._forget(now)
        for stream in self._streams.get(id_, ()):
            stream.end(ended("The API key or session has ended meanwhile."))

    async def aclose(self) -> None:
        """Ends what is asked."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch_once(self, source: Source, backoff: Backoff) -> None:
        compared = frozenset(self._keys)
        events = source.watch(sorted(compared))
        async with contextlib.aclosing(events):
            while True:
                async with asyncio.timeout(SILENCE_S):
                    event = await anext(events, None)
                if event is None:
                    return
                if event.kind is Kind.SYNCED:
                    self._synchronized(compared)
                    backoff.reset()
                elif event.kind is Kind.ENDED:
                    self.end(event.id, event.forget_after_s)

    def _synchronized(self, compared: frozenset[str]) -> None:
        """From here on changes arrive. What was asked before may have missed one."""
        self._generation += 1
        for missed in [key_id for key_id in self._keys if key_id not in compared]:
            del self._keys[missed]
        self._synced = True
        metrics.CREDENTIALS_SYNCED.set(1)
        log.info("credentials.watch_synced", known=len(self._keys), ended=len(self._ended))

    def _is_current(self) -> bool:
        return self._synced or asyncio.get_running_loop().time() < self._good_until

    async def _answer(self, key_id: str, digest: bytes) -> Answer:
        asked = (key_id, digest)
        task = self._asking.get(asked)
        if task is None:
            task = asyncio.create_task(self._ask(key_id, digest), name="api key", context=context.shared())
            self._asking[asked] = task
            task.add_done_callback(lambda _: self._asking.pop(asked, None))
        # Shared by all who wait: one that goes away must not cancel it for the others.
        await asyncio.wait([task])
        if task.cancelled():
            raise unknown_now("The service is stopping.")
        return task.result()

    async def _ask(self, key_id: str, digest: bytes) -> Answer:
        if self._source is None:
            raise unknown_now("This service has nobody to ask about API keys.")
        generation = self._generation
        async with self._gate:
            answer = await self._source.resolve(key_id, digest)
        if answer.caller is None:
            self._refused[digest] = asyncio.get_running_loop().time() + REFUSED_S, answer.verdict
            if len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)
        elif self._synced and generation == self._generation:
            # Without a watch nobody would say when it ends: then each call asks.
            if key_id not in self._ended:
                self._keys[key_id] = _Key(digest, answer.caller)
                self._used.add(key_id)
            if len(self._keys) > MAX_KEYS:
                self._keys.popitem(last=False)
        return answer

    def _forget(self, now: float) -> None:
        """Forgets what nobody can show any more; when there is too much, what ended first."""
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest] > now and len(self._ended) <= MAX_ENDED:
                return
            del self._ended[oldest]


def _refusal(verdict: Verdict) -> StudioError:
    if verdict is Verdict.REVOKED:
        return ended("The API key has been revoked.")
    if verdict is Verdict.EXPIRED:
        return ended("The API key has expired.")
    return WrongCredentialError("The API key is not valid: there is none like it.")


def _end_at(stream: Stream, expires_at: float) -> asyncio.TimerHandle | None:
    """Ends a stream some time after its credential, which ends at `expires_at` seconds since 1970; None if never."""
    if math.isinf(expires_at):
        return None
    left_s = max(0.0, expires_at - time.time()) + OUTLASTS_S
    why = ended("The token, API key or session has expired meanwhile.")
    return asyncio.get_running_loop().call_later(left_s, stream.end, why)


def _ids(caller: Caller) -> tuple[str, ...]:
    """What ends this caller's credential when it ends: itself, and the API key that a session was opened with."""
    if caller.credential is Credential.SESSION and caller.subject.startswith(api_keys.SUBJECT_PREFIX):
        return (caller.credential_id, caller.subject.removeprefix(api_keys.SUBJECT_PREFIX))
    return (caller.credential_id,) if caller.credential_id else ()
