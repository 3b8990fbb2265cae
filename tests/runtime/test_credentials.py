"""What a process remembers of API keys and of what has ended, while its source answers, hangs and is away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import pytest

from services.runtime.auth import api_keys, credentials
from services.runtime.auth.api_keys import NewKey
from services.runtime.auth.credentials import Answer, Credentials, Event, Kind, Verdict
from services.runtime.auth.refusals import WrongCredentialError, unknown_now
from services.runtime.context import Caller, Credential
from services.runtime.errors import StudioError
from services.runtime.tasks import cancelled
from studio.options.v1.access_pb2 import ROLE_DEVELOPER
from tests.runtime.harness import until

OFFLINE_S = 60.0


class Registry:
    """A source that a test plays."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.ends_at = float("inf")
        self.asked = 0
        self.is_away = False
        self.answering = asyncio.Event()
        self.answering.set()
        self.compared: list[Sequence[str]] = []
        self.used: list[Sequence[str]] = []
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()

    def issue(self) -> NewKey:
        key = api_keys.generate()
        self.stored[key.id] = key.stored
        return key

    async def resolve(self, key_id: str, secret_digest: bytes) -> Answer:
        self.asked += 1
        if self.is_away:
            raise unknown_now("away")
        verdict = (
            Verdict.VALID if self.stored.get(key_id) == api_keys.stored(secret_digest) else Verdict.UNKNOWN
        )
        await self.answering.wait()
        caller = Caller(f"key:{key_id}", ROLE_DEVELOPER, None, Credential.API_KEY, key_id, self.ends_at)
        return Answer(verdict, caller if verdict is Verdict.VALID else None)

    async def watch(self, known: Sequence[str]) -> AsyncGenerator[Event, None]:
        if self.is_away:
            raise unknown_now("away")
        self.compared.append(known)
        for gone in sorted(set(known) - self.stored.keys()):
            yield Event(Kind.ENDED, gone, 1800.0)
        yield Event(Kind.SYNCED)
        while (event := await self.events.get()) is not None:
            yield event

    async def note_use(self, key_ids: Sequence[str]) -> None:
        self.used.append(key_ids)

    def revoke(self, key: NewKey) -> None:
        del self.stored[key.id]
        self.events.put_nowait(Event(Kind.ENDED, key.id, 1800.0))

    def hang_up(self) -> None:
        self.events.put_nowait(None)


class Service:
    """A process that knows credentials by that source."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.known = Credentials(offline_s=OFFLINE_S)
        self.known.use(registry)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        tasks = [asyncio.create_task(self.known.watch()), asyncio.create_task(self.known.note_uses())]
        await until(lambda: len(self.registry.compared) > 0)
        try:
            yield self
        finally:
            await cancelled(*tasks)
            await self.known.aclose()

    async def refusal(self, key: NewKey) -> StudioError:
        with pytest.raises(StudioError) as raised:
            await self.known.resolve(key.text)
        return raised.value


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service(Registry()).running() as made:
        yield made


class Clock:
    """The event loop's time, moved by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_s = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead_s)


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_a_key_is_asked_for_once_by_however_many_calls(service: Service) -> None:
    key = service.registry.issue()
    service.registry.answering.clear()
    calls = [asyncio.create_task(service.known.resolve(key.text)) for _ in range(50)]
    await until(lambda: service.registry.asked > 0)
    calls.pop().cancel()  # the others must not feel it
    service.registry.answering.set()
    assert {caller.subject for caller in await asyncio.gather(*calls)} == {f"key:{key.id}"}
    assert service.known.known(key.text) is not None
    assert service.registry.asked == 1


async def test_a_revoked_key_is_refused_and_its_streams_end(service: Service) -> None:
    key = service.registry.issue()
    caller = await service.known.resolve(key.text)

    async def stream() -> None:
        with service.known.while_valid(caller):
            service.registry.revoke(key)
            await asyncio.Event().wait()

    with pytest.raises(StudioError, match="ended meanwhile"):
        await stream()
    assert service.known.known(key.text) is None
    assert "none like it" in (await service.refusal(key)).message


async def test_a_stream_outlasts_its_expired_credential_by_a_bounded_time(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "OUTLASTS_S", 0.0)

    async def stream(caller: Caller) -> str:
        with service.known.while_valid(caller):
            with contextlib.suppress(asyncio.CancelledError):  # as drivers do, once
                await asyncio.Event().wait()
            await asyncio.Event().wait()
        return "ended by itself"

    for credential in (Credential.TOKEN, Credential.SESSION, Credential.API_KEY):
        caller = Caller("ada", ROLE_DEVELOPER, credential=credential, expires_at=time.time() - 60)
        async with asyncio.timeout(20):
            with pytest.raises(StudioError, match="expired meanwhile"):
                await stream(caller)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "and whoever served it can go on"


async def test_an_answer_that_a_revocation_overtakes_does_not_count(service: Service) -> None:
    key = service.registry.issue()
    service.registry.answering.clear()
    call = asyncio.create_task(service.known.resolve(key.text))
    await until(lambda: service.registry.asked > 0)
    service.registry.revoke(key)
    await until(lambda: service.known.ended_count > 0)
    service.registry.answering.set()
    with pytest.raises(StudioError, match="revoked"):
        await call
    assert service.known.known(key.text) is None


async def test_a_key_that_was_revoked_while_the_watch_was_away(service: Service) -> None:
    kept, revoked = service.registry.issue(), service.registry.issue()
    for key in (kept, revoked):
        await service.known.resolve(key.text)
    del service.registry.stored[revoked.id]
    service.registry.hang_up()
    await until(lambda: service.known.known(revoked.text) is None)
    assert service.registry.compared[-1] == sorted([kept.id, revoked.id])
    await until(lambda: service.known.known(kept.text) is not None)


async def test_known_keys_and_sessions_go_on_for_a_while_without_the_registry(
    service: Service, clock: Clock
) -> None:
    key, other = service.registry.issue(), service.registry.issue()
    session = Caller("ann", ROLE_DEVELOPER, credential=Credential.SESSION, credential_id="s")
    await service.known.resolve(key.text)
    service.registry.is_away = True
    service.registry.hang_up()
    await until(service.registry.events.empty)
    assert (await service.known.resolve(key.text)).credential_id == key.id
    service.known.check(session)
    assert (await service.refusal(other)).reason_name == "REGISTRY_UNAVAILABLE"
    clock.ahead_s = OFFLINE_S + 1
    assert (await service.refusal(key)).reason_name == "REGISTRY_UNAVAILABLE"
    with pytest.raises(StudioError) as raised:
        service.known.check(session)
    assert raised.value.reason_name == "REGISTRY_UNAVAILABLE"
    service.registry.is_away = False
    assert (await service.known.resolve(key.text)).credential_id == key.id


async def test_nothing_is_remembered_before_somebody_tells_what_ends() -> None:
    registry = Registry()
    fresh = Service(registry)
    key = registry.issue()
    for asked in (1, 2):
        await fresh.known.resolve(key.text)
        assert registry.asked == asked
    with pytest.raises(StudioError) as raised:
        fresh.known.check(Caller("ann", ROLE_DEVELOPER, credential=Credential.SESSION, credential_id="s"))
    assert raised.value.reason_name == "REGISTRY_UNAVAILABLE"


async def test_sessions_end_with_the_key_they_were_opened_with(service: Service) -> None:
    key = service.registry.issue()
    session = Caller(f"key:{key.id}", ROLE_DEVELOPER, credential=Credential.SESSION, credential_id="s")
    service.known.check(session)
    service.registry.revoke(key)
    await until(lambda: service.known.ended_count > 0)
    with pytest.raises(StudioError, match="session has ended"):
        service.known.check(session)


async def test_wrong_keys_are_remembered_shortly_and_boundedly(
    service: Service, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MAX_REFUSED", 3)
    wrong = api_keys.generate()
    for _ in range(3):
        assert isinstance(await service.refusal(wrong), WrongCredentialError)
    assert service.registry.asked == 1
    clock.ahead_s = credentials.REFUSED_S + 1
    await service.refusal(wrong)
    assert service.registry.asked == 2
    for _ in range(10):
        await service.refusal(api_keys.generate())
    assert len(service.known._refused) == 3  # noqa: SLF001  a bound is not seen from outside


async def test_what_is_remembered_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "MAX_KEYS", 3)
    monkeypatch.setattr(credentials, "MAX_ENDED", 3)
    keys = [service.registry.issue() for _ in range(5)]
    for key in keys:
        await service.known.resolve(key.text)
    assert [key for key in keys if service.known.known(key.text)] == keys[2:]
    for key in keys:
        service.known.end(key.id, 1800.0)
    assert service.known.ended_count == 3


async def test_what_nobody_can_show_any_more_is_forgotten(service: Service, clock: Clock) -> None:
    service.known.end("first", 10.0)
    clock.ahead_s = 11.0
    service.known.end("second", 10.0)
    assert service.known.ended_count == 1


async def test_a_known_key_ends_when_it_expires(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.registry.ends_at = time.time() + 60
    key = service.registry.issue()
    await service.known.resolve(key.text)
    now = time.time()
    monkeypatch.setattr("services.runtime.auth.credentials.time.time", lambda: now + 61)
    assert service.known.known(key.text) is None


async def test_uses_are_told_together_now_and_then(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "NOTE_USE_EVERY_S", 0.01)
    keys = [service.registry.issue() for _ in range(2)]
    async with Service(service.registry).running() as other:
        for _ in range(3):
            for key in keys:
                await other.known.resolve(key.text)
        await until(lambda: bool(service.registry.used))
    assert service.registry.used == [sorted(key.id for key in keys)]


def test_keys_have_the_form_that_the_gateway_and_scanners_look_for() -> None:
    made = {api_keys.generate().text for _ in range(100)}
    assert len(made) == 100
    for text in made:
        assert api_keys.parse(text) == (text[4:20], api_keys.digest(text))
