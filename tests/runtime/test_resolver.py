"""The resolver against a small registry that speaks the real protocol on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from services.runtime import context, resolver
from services.runtime.crypto import KeyRing
from services.runtime.errors import StudioError
from services.runtime.resolver import Connection
from studio.options.v1 import errors_pb2 as reasons
from studio.options.v1.access_pb2 import ROLE_DEVELOPER, ROLE_READ_ONLY, Role
from studio.registry.v1 import resolver_service_pb2 as messages
from tests.runtime.conftest import Output
from tests.runtime.harness import Running, resolver_servicer, running, until
from tests.runtime.resolving import KEYS, ONE, TWO, Client, Event, Registry


@pytest.fixture
async def registry() -> Registry:
    made = Registry()
    made.put(ONE)
    return made


@contextlib.asynccontextmanager
async def system(
    registry: Registry, *, max_connections: int = 100, keys: KeyRing = KEYS, address: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[Client, Running]]:
    async with running(resolver_servicer(registry), shutdown_grace_s=0.0, grpc_address=address) as service:
        client = Client(service, max_connections=max_connections, keys=keys)
        try:
            yield client, service
        finally:
            await client.aclose()


async def failure(client: Client, id_: str = ONE) -> StudioError:
    with pytest.raises(StudioError) as raised:
        await client.resolve(id_)
    return raised.value


async def granted(client: Client, roles: dict[str, Role.ValueType]) -> Connection:
    """The connection, once the grants on it are these."""
    async with asyncio.timeout(20):
        while (found := await client.resolve()).grants != roles:  # noqa: ASYNC110  as in `until`
            await asyncio.sleep(0.005)
    return found


async def test_what_a_connection_is(registry: Registry) -> None:
    async with system(registry) as (client, _):
        found = await client.resolve()
        assert (found.id, found.type, found.revision) == (ONE, "redis", "1")
        assert (found.name, found.project_ref, found.config) == ("name-1", "default", {"tls": True})
        assert found.connection_string.get_secret_value() == "redis://u:p@h"
        assert "u:p" not in repr(found)


async def test_what_is_known_is_not_asked_for_again(registry: Registry) -> None:
    async with system(registry) as (client, _):
        first = await client.resolve()
        assert await client.resolve() is first
        assert await client.resolve(ONE.upper()) is first, "a UUID can be written in either case"
        assert registry.asked == [ONE]


async def test_many_at_once_ask_once_and_one_may_leave(registry: Registry) -> None:
    async with system(registry) as (client, _):
        registry.answering.clear()
        calls = [asyncio.create_task(client.resolve()) for _ in range(10)]
        await until(lambda: registry.asked == [ONE])
        calls[0].cancel()
        await asyncio.sleep(0)
        registry.answering.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert len({id(each) for each in found[1:]}) == 1
        assert registry.asked == [ONE]


async def test_the_first_callers_deadline_is_not_everybodys(registry: Registry) -> None:
    async with system(registry) as (client, _):
        reset = context.deadline.set(asyncio.get_running_loop().time() - 1)
        assert (await client.resolve()).id == ONE
        context.deadline.reset(reset)


async def test_an_unknown_database_is_asked_for_each_time(registry: Registry) -> None:
    async with system(registry) as (client, _):
        assert (await failure(client, TWO)).reason_name == "DB_NOT_FOUND"
        registry.put(TWO)
        assert (await client.resolve(TWO)).id == TWO


@pytest.mark.parametrize("kind", [Event.KIND_CHANGED, Event.KIND_DELETED])
async def test_a_change_drops_what_is_known(registry: Registry, kind: Event.Kind.ValueType) -> None:
    async with system(registry) as (client, _):
        await client.watch_in_step(registry)
        await client.resolve()
        registry.put(ONE, "2")
        registry.tell(Event.KIND_HEARTBEAT)
        registry.tell(kind, ONE)
        await until(lambda: client.gone == [ONE])
        assert (await client.resolve()).revision == "2"
        # Also of what is not known here: a client may still be open.
        registry.tell(kind, TWO)
        await until(lambda: client.gone == [ONE, TWO])


async def test_other_grants_leave_the_connection_and_its_client_as_they_are(registry: Registry) -> None:
    async with system(registry) as (client, _):
        before = await client.resolve()
        assert before.grants == {}
        await client.watch_in_step(registry)
        before = await client.resolve()
        asked = len(registry.asked)
        registry.grant(ONE, ada=ROLE_DEVELOPER)
        after = await granted(client, {"ada": ROLE_DEVELOPER})
        assert (after.revision, after.connection_string) == (before.revision, before.connection_string)
        assert (client.gone, len(registry.asked)) == ([], asked), "neither closed nor asked for again"


async def test_grants_that_changed_while_the_watch_was_away_are_told_when_it_is_back(
    registry: Registry,
) -> None:
    registry.grant(ONE, ada=ROLE_DEVELOPER)
    async with system(registry) as (client, _):
        await client.resolve()
        registry.grant(ONE, ada=ROLE_READ_ONLY)
        client.watch()
        await until(lambda: len(registry.watchers) == 1)
        await granted(client, {"ada": ROLE_READ_ONLY})
        assert client.gone == []


async def test_who_may_do_what_is_known_of_a_database_that_cannot_be_used(registry: Registry) -> None:
    """Else whoever may not read it would be told that it is there."""
    registry.grant(ONE, ada=ROLE_DEVELOPER)
    async with system(registry) as (client, _):
        for reason in (reasons.ERROR_REASON_DB_INACTIVE, reasons.ERROR_REASON_CONNECTION_UNREADABLE):
            registry.failures.append(StudioError(reason, "the database 'secret' can't be used"))
            found = await client.resolver.find(ONE)
            assert (found.id, found.project_ref, found.grants) == (ONE, "default", {"ada": ROLE_DEVELOPER})


async def test_an_answer_that_a_change_overtakes_is_neither_given_nor_kept(registry: Registry) -> None:
    async with system(registry) as (client, _):
        await client.watch_in_step(registry)
        registry.answering.clear()
        asking = asyncio.create_task(client.resolve())
        await until(lambda: registry.asked == [ONE])  # has read revision 1, answers later
        registry.put(ONE, "2")
        registry.tell(Event.KIND_CHANGED, ONE)
        await until(lambda: client.gone == [ONE])
        registry.answering.set()
        assert (await asking).revision == "2"
        assert (await client.resolve()).revision == "2"
        assert registry.asked == [ONE, ONE]


async def test_an_overtaken_answer_is_not_kept_when_nobody_waits_for_it_any_more(registry: Registry) -> None:
    async with system(registry) as (client, _):
        await client.watch_in_step(registry)
        registry.answering.clear()
        asking = asyncio.create_task(client.resolve())
        await until(lambda: registry.asked == [ONE])
        registry.put(ONE, "2")
        registry.tell(Event.KIND_CHANGED, ONE)
        await until(lambda: client.gone == [ONE])
        asking.cancel()
        registry.answering.set()
        registry.put(TWO)
        await client.resolve(TWO)  # asked for later on the same channel, so the late answer has arrived, too
        assert (await client.resolve()).revision == "2"


async def test_what_is_resolved_while_the_watch_begins_is_looked_at_again(registry: Registry) -> None:
    """It is neither in what the watch compares nor among the changes that the watch tells."""
    async with system(registry) as (client, _):
        registry.syncs = False
        client.watch()
        await until(lambda: len(registry.watchers) == 1)
        await client.resolve()
        registry.put(ONE, "2")  # as if it had changed before the registry listened
        registry.tell(Event.KIND_SYNCED)
        registry.tell(Event.KIND_CHANGED, TWO)
        await until(lambda: client.gone == [TWO])
        assert (await client.resolve()).revision == "2"


async def test_for_how_long_nothing_is_heard_is_told(registry: Registry) -> None:
    def told(name: str) -> float:
        return REGISTRY.get_sample_value(f"studio_resolver_{name}", {"type": "redis"}) or 0.0

    before = told("watch_reconnects_total")
    async with running(resolver_servicer(registry), shutdown_grace_s=0.0) as service:
        client = Client(service)
        assert told("stale_seconds") > 0, "nothing was ever heard"
        await client.watch_in_step(registry)
        assert (told("stale_seconds"), told("watch_synced")) == (0, 1)
    await until(lambda: told("watch_reconnects_total") > before)
    since = told("stale_seconds")
    await until(lambda: told("watch_reconnects_total") > before + 1)
    assert told("stale_seconds") > since > 0, "a second failure does not begin anew"
    await client.aclose()


async def test_known_goes_on_working_while_the_registry_is_down(registry: Registry, output: Output) -> None:
    async with running(resolver_servicer(registry), shutdown_grace_s=0.0) as service:
        client = Client(service)
        await client.watch_in_step(registry)
        await client.resolve()
    await until(lambda: len(output.of("resolver.watch_lost")) > 1)
    assert (await client.resolve()).id == ONE
    error = await failure(client, TWO)
    assert error.reason_name == "REGISTRY_UNAVAILABLE"
    assert client.gone == []
    await client.aclose()


async def test_after_a_reconnect_what_changed_meanwhile_is_dropped(registry: Registry) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    registry.put(TWO)
    async with running(resolver_servicer(registry), shutdown_grace_s=0.0, grpc_address=address) as service:
        client = Client(service)
        await client.watch_in_step(registry)
        await client.resolve(ONE)
        await client.resolve(TWO)
    del registry.rows[TWO]
    async with running(resolver_servicer(registry), shutdown_grace_s=0.0, grpc_address=address):
        await until(lambda: client.gone == [TWO])
        assert registry.known[-1] == {ONE: "1", TWO: "1"}
        asked = len(registry.asked)
        await client.resolve(ONE)
        assert len(registry.asked) == asked, "what has not changed is still known"
        assert (await failure(client, TWO)).reason_name == "DB_NOT_FOUND"
        await client.aclose()


async def test_a_silent_watch_is_given_up(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, output: Output
) -> None:
    monkeypatch.setattr(resolver, "SILENCE_S", 0.05)
    async with system(registry) as (client, _):
        client.watch()
        await until(lambda: len(registry.known) > 1)
    lost = output.of("resolver.watch_lost")
    assert lost[0]["error"] == "no heartbeat"


async def test_a_watch_that_the_registry_ends_begins_again(registry: Registry, output: Output) -> None:
    async with system(registry) as (client, _):
        client.watch()
        await until(lambda: len(registry.watchers) == 1)
        registry.watchers[0].put_nowait(None)
        await until(lambda: len(registry.known) == 2)
    assert output.of("resolver.watch_lost")[0]["error"] == "the registry ended the stream"


async def test_a_watch_of_a_service_that_stops_ends(registry: Registry) -> None:
    async with system(registry) as (client, _):
        client.watch()
        await until(lambda: len(registry.watchers) == 1)
        assert client.task is not None
        client.task.cancel()
        await until(lambda: registry.watchers == [])


async def test_what_is_remembered_is_bounded_and_the_longest_unused_goes_first(registry: Registry) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(3)]
    for id_ in ids:
        registry.put(id_)
    async with system(registry, max_connections=2) as (client, _):
        for id_ in (ids[0], ids[1], ids[0], ids[2], ids[0], ids[1]):
            await client.resolve(id_)
        assert registry.asked == [ids[0], ids[1], ids[2], ids[1]]


def test_no_more_is_remembered_than_a_watch_may_name() -> None:
    rule = messages.WatchConnectionsRequest.DESCRIPTOR.fields_by_name["known"]
    assert f"max_items: {resolver.MAX_CONNECTIONS}" in str(rule.GetOptions())


@pytest.mark.parametrize("wrong", ["another key", "another row", "another type", "garbage"])
async def test_a_ciphertext_that_does_not_open(registry: Registry, wrong: str, output: Output) -> None:
    ring = KeyRing.from_secrets("other-secret-0123456789-abcdefghijk")
    row, type_ = (TWO if wrong == "another row" else ONE), ("mongodb" if wrong == "another type" else "redis")
    registry.rows[ONE].ciphertext = {
        "another key": ring.seal("redis://u:canary@h", row_id=ONE, type_="redis"),
        "garbage": "redis://u:canary@h",
    }.get(wrong) or KEYS.seal("redis://u:canary@h", row_id=row, type_=type_)
    async with system(registry) as (client, _):
        error = await failure(client)
    assert error.reason_name == "CONNECTION_UNREADABLE"
    assert "canary" not in f"{error} {error.hint} {output.text}"
    assert output.of("resolver.unreadable")[0]["database_id"] == ONE


async def test_an_answer_about_another_row_is_not_believed(registry: Registry) -> None:
    registry.put(TWO)
    registry.rows[ONE] = registry.rows[TWO]
    async with system(registry) as (client, _):
        assert (await failure(client)).reason_name == "CONNECTION_UNREADABLE"


async def test_a_passing_refusal_is_tried_again(registry: Registry) -> None:
    registry.failures = [StudioError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "starting")] * 2
    async with system(registry) as (client, _):
        assert (await client.resolve()).id == ONE
        assert registry.asked == [ONE] * 3


async def test_what_the_registry_itself_says_is_passed_on(registry: Registry) -> None:
    registry.failures = [StudioError(reasons.ERROR_REASON_REGISTRY_UNAVAILABLE, "PostgreSQL is down")] * 3
    async with system(registry) as (client, _):
        error = await failure(client)
        assert (error.reason_name, error.message) == ("REGISTRY_UNAVAILABLE", "PostgreSQL is down")
        registry.failures = [StudioError(reasons.ERROR_REASON_DB_NOT_FOUND, "gone")]
        assert (await failure(client)).reason_name == "DB_NOT_FOUND"


async def test_a_registry_that_hangs_is_an_outage(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "RESOLVE_TIMEOUT_S", 0.1)
    registry.answering.clear()
    async with system(registry) as (client, _):
        assert (await failure(client)).reason_name == "REGISTRY_UNAVAILABLE"
        assert registry.asked == [ONE], "one that takes too long is not asked again at once"
        registry.answering.set()


async def test_services_that_disagree_about_their_secret(registry: Registry) -> None:
    other = "another-service-secret-0123456789-ab"
    async with running(resolver_servicer(registry), service_token_secret=other) as service:
        client = Client(service)
        error = await failure(client)
        assert error.reason_name == "INTERNAL"
        assert "SERVICE_TOKEN_SECRET" in error.hint
        await client.aclose()


async def test_closing_ends_what_is_asked(registry: Registry) -> None:
    async with system(registry) as (client, _):
        registry.answering.clear()
        asking = asyncio.create_task(client.resolve())
        await until(lambda: registry.asked == [ONE])
        await client.resolver.aclose()
        with pytest.raises(StudioError) as raised:
            await asking
        assert raised.value.reason_name == "SERVICE_UNAVAILABLE"
        registry.answering.set()
