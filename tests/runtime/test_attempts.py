"""Wrong credentials come back later and later, then get 429; what is right passes beside them."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from services.runtime.auth import api_keys, attempts
from services.runtime.auth.attempts import Attempts
from services.runtime.errors import StudioError
from studio.redis.v1 import redis_service_pb2 as redis
from tests.runtime.harness import OWNER, Metadata, Redis, bearer, redis_servicer, running, token

Code = grpc.StatusCode


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long answers are held back, without the waiting."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr("services.runtime.auth.attempts.asyncio.sleep", sleep)
    return found


async def until_refused(counts: Attempts, address: str, key_id: str = "") -> int:
    """How many wrong credentials are looked at."""
    for number in range(1000):
        try:
            await counts.failed(address, key_id)
        except StudioError:
            return number
    return -1


async def test_answers_come_later_and_later_and_then_429(waits: list[float]) -> None:
    counts = Attempts(50, lambda: 0.0)
    assert await until_refused(counts, "10.0.0.1") == 50
    assert len(waits) == 50 - attempts.FREE
    assert waits == sorted(waits)
    assert waits[-1] == attempts.LONGEST_S
    counts.check("10.0.0.2", "")


async def test_it_is_forgiven_with_time(waits: list[float]) -> None:
    now = [0.0]
    counts = Attempts(10, lambda: now[0])
    await until_refused(counts, "10.0.0.1")
    with pytest.raises(StudioError) as raised:
        counts.check("10.0.0.1", "")
    assert (raised.value.reason_name, raised.value.retry_after_s) == (
        "RESOURCE_EXHAUSTED",
        attempts.RETRY_AFTER_S,
    )
    now[0] += 11 * attempts.FORGIVE_EVERY_S
    counts.check("10.0.0.1", "")
    waits.clear()
    await counts.failed("10.0.0.1", "")
    assert waits == []


@pytest.mark.usefixtures("waits")
async def test_who_knows_a_keys_id_does_not_shut_its_holder_out() -> None:
    counts = Attempts(10, lambda: 0.0)
    for number in range(10):
        await counts.failed(f"10.0.0.{number}", "known")
    with pytest.raises(StudioError):
        counts.check("10.0.0.1", "known")
    counts.check("10.0.0.1", "another")
    counts.check("10.0.1.1", "known")


@pytest.mark.usefixtures("waits")
async def test_a_network_of_ipv6_counts_as_one_address() -> None:
    counts = Attempts(10, lambda: 0.0)
    for number in range(10):
        await counts.failed(f"2001:db8::{number:x}", "")
    with pytest.raises(StudioError):
        counts.check("2001:db8:0:0:ffff::1", "")
    counts.check("2001:db8:0:1::1", "")


@pytest.mark.usefixtures("waits")
async def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_REMEMBERED", 3)
    counts = Attempts(10, lambda: 0.0)
    for number in range(10):
        await counts.failed(f"10.0.0.{number}", "")
    assert len(counts._counts) == 3  # noqa: SLF001  a bound is not seen from outside


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_DELAYED", 3)
    monkeypatch.setattr(attempts, "STEP_S", 1000.0)
    monkeypatch.setattr(attempts, "LONGEST_S", 1000.0)
    counts = Attempts(50, lambda: 0.0)
    waiting = [asyncio.create_task(counts.failed("10.0.0.1", "")) for _ in range(attempts.FREE + 3)]
    done, held = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(held)) == (attempts.FREE, 3)
    with pytest.raises(StudioError):
        await counts.failed("10.0.0.1", "")
    for each in held:
        each.cancel()
    await asyncio.wait(held)


@pytest.mark.usefixtures("waits")
async def test_0_switches_it_off() -> None:
    counts = Attempts(0, lambda: 0.0)
    assert await until_refused(counts, "10.0.0.1") == -1


async def test_a_service_answers_429_to_wrong_credentials_and_serves_the_right_one() -> None:
    async with running(redis_servicer(Redis()), auth_failures_max=3) as service:

        async def code(metadata: Metadata) -> Code:
            call = service.redis.GetStatus(redis.GetStatusRequest(), metadata=metadata)
            return await call.code()

        wrong = bearer(token(secret="another-secret-0123456789-abcdefg"))
        expired = bearer(token(exp=1))
        assert [await code(expired) for _ in range(5)] == [Code.UNAUTHENTICATED] * 5  # it was right once
        found = [await code(wrong) for _ in range(5)]
        assert found == [Code.UNAUTHENTICATED] * 3 + [Code.RESOURCE_EXHAUSTED] * 2
        assert await code(bearer(api_keys.generate().text)) is Code.RESOURCE_EXHAUSTED
        assert await code(OWNER) is Code.OK
        assert await code(bearer(token(sub="new here"))) is Code.OK
