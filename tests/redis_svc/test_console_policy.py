"""The console's policy, command by command: the table is `data/console_policy.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.redis_svc.client import RedisClient
from services.redis_svc.console.facts import Descriptions, Fact, Facts
from services.redis_svc.console.policy import judge
from services.redis_svc.console.quoting import split
from services.redis_svc.console.run import role_name
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyFactory

TABLE = Path(__file__).parent / "data" / "console_policy.txt"


def rows() -> list[tuple[str, str]]:
    lines = (line for line in TABLE.read_text().splitlines() if line and not line.startswith("#"))
    return [(verdict, command) for verdict, command in (line.split(maxsplit=1) for line in lines)]


async def verdict_of(client: RedisClient, line: str) -> str:
    """A command's verdict in the words of the table."""
    words = split(line.encode())
    fact = (await Facts().look_up(client, [words[0].lower()]))[words[0].lower()]
    if fact is None:
        return "server"
    verdict = judge(fact, words)
    if verdict.refused:
        return "refused"
    if fact.is_container and len(words) > 1 and fact.subcommand(words[1]) is fact:
        return "server"
    rule = verdict.rule
    return f"{role_name(rule.role)}{'*' if rule.changes else ''}{'!' if rule.confirmation else ''}"


@pytest.mark.parametrize(("verdict", "command"), rows())
async def test_valkey(client: RedisClient, verdict: str, command: str) -> None:
    assert await verdict_of(client, command) == verdict


async def test_another_server_judges_the_same_what_it_knows(any_engine: tuple[RedisClient, Redis]) -> None:
    client, _ = any_engine
    found = {command: await verdict_of(client, command) for _, command in rows()}
    different = {
        command: found[command] for verdict, command in rows() if found[command] not in {verdict, "server"}
    }
    assert not different


async def test_every_command_of_the_server_has_a_verdict_and_no_reader_may_change_anything(
    client: RedisClient,
) -> None:
    descriptions = await Descriptions().of(client)
    assert len(descriptions) > 300
    for each in descriptions:
        verdict = judge(each.fact)
        if not verdict.refused and role_name(verdict.rule.role) == "read_only":
            assert not verdict.rule.changes, each.fact.name
            assert "write" not in each.fact.flags, each.fact.name
        if "@dangerous" in each.fact.categories and verdict.rule.changes and not verdict.refused:
            assert verdict.rule.confirmation, each.fact.name


async def test_a_renamed_command_is_judged_by_what_it_is(
    start_valkey: ValkeyFactory, open_client: OpenClient
) -> None:
    server = await start_valkey(settings={"rename-command": "SHUTDOWN sd"})
    client = open_client(server.url)

    assert await verdict_of(client, "sd nosave") == "refused"
    assert await verdict_of(client, "SHUTDOWN") == "server"


def test_a_server_that_tells_nothing_of_subcommands_is_judged_by_their_names() -> None:
    # Redis 6: flags of the container alone.
    config = Fact("config", -2, frozenset({"admin"}), frozenset({"@admin", "@dangerous"}))

    assert judge(config, [b"CONFIG", b"get", b"*"]).rule.confirmation is False
    assert judge(config, [b"CONFIG", b"SET", b"a", b"b"]).rule.confirmation is True
    assert judge(Fact("client", -2), [b"CLIENT", b"REPLY", b"OFF"]).refused


def test_a_command_that_nothing_is_known_of_needs_what_writing_needs() -> None:
    rule = judge(Fact("module.thing", 1)).rule

    assert (role_name(rule.role), rule.changes) == ("developer", True)


def test_new_commands_that_wait_or_change_the_connection_are_refused_by_their_signs() -> None:
    assert judge(Fact("bnew", 1, frozenset({"write", "blocking"}))).refused
    assert judge(Fact("newsub", 1, frozenset({"pubsub"}))).refused
    assert judge(Fact("client|new", 1, frozenset(), frozenset({"@connection"}))).refused
    assert judge(Fact("newtx", 1, frozenset(), frozenset({"@transaction"}))).refused
