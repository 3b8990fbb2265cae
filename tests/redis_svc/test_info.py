"""INFO as data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from services.redis_svc import info
from services.redis_svc.client import RedisClient
from services.runtime.errors import StudioError
from tests.redis_svc.conftest import OpenClient
from tests.support.engines import ValkeyServer


async def test_the_sections_of_a_real_server(any_engine: tuple[RedisClient, Redis]) -> None:
    client, redis = any_engine
    await redis.set("k", "v", px=100_000)

    sections = await info.get_info(client)

    assert {"server", "clients", "memory", "stats", "replication", "keyspace"} <= sections.keys()
    assert isinstance(sections["memory"]["used_memory"], int)
    assert isinstance(sections["server"]["redis_version"], str)
    database = sections["keyspace"]["db0"]
    assert isinstance(database, dict)
    assert (database["keys"], database["expires"]) == (1, 1)


async def test_one_section_and_one_that_does_not_exist(client: RedisClient) -> None:
    assert list(await info.get_info(client, "memory")) == ["memory"]
    assert await info.get_info(client, "no-such-section") == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a:1", 1),
        ("a:-1", -1),
        ("a:0", 0),
        ("a:9007199254740992", 9007199254740992),
        ("a:9007199254740993", "9007199254740993"),
        ("a:18446744073709551615", "18446744073709551615"),
        ("a:00000000", "00000000"),
        ("a:1.05", 1.05),
        ("a:0.00", 0.0),
        ("a:0.12345678901234567", "0.12345678901234567"),
        ("a:94.55%", "94.55%"),
        ("a:7.2.4", "7.2.4"),
        ("a:1e5", "1e5"),
        ("a:nan", "nan"),
        ("a:inf", "inf"),
        ("a:", ""),
        ("a:/etc/redis:6379.conf", "/etc/redis:6379.conf"),
        ("a:keys=1,expires=0", {"keys": 1, "expires": 0}),
        ("a:calls=2,usec=5,usec_per_call=2.50", {"calls": 2, "usec": 5, "usec_per_call": 2.5}),
        ("a:name=tcp,bind=127.0.0.1,bind=::1", {"name": "tcp", "bind": ["127.0.0.1", "::1"]}),
        ("a:name=lua,using=[]", {"name": "lua", "using": "[]"}),
        ("a:/path=1,b=2", "/path=1,b=2"),
        ("a:k=v,", "k=v,"),
    ],
)
def test_a_number_is_a_number_only_where_nothing_is_lost(line: str, expected: object) -> None:
    value = info.parse(f"# Section\r\n{line}\r\n".encode())["section"]["a"]

    assert value == expected
    assert type(value) is type(expected)


def test_names_that_repeat_become_a_list() -> None:
    text = b"# Modules\r\nmodule:name=a,ver=1\r\nmodule:name=b,ver=2\r\n"

    assert info.parse(text) == {"modules": {"module": [{"name": "a", "ver": 1}, {"name": "b", "ver": 2}]}}


def test_text_that_is_not_utf_8_does_not_fail() -> None:
    assert info.parse(b"# Server\nconfig_file:/etc/\xff.conf\nno colon here\n") == {
        "server": {"config_file": "/etc/\\xff.conf"}
    }


async def test_a_user_who_may_not_ask_is_told_so(
    start_valkey: Callable[..., Awaitable[ValkeyServer]], open_client: OpenClient
) -> None:
    server = await start_valkey(users=("reader on >pw ~* +@all -info",))

    with pytest.raises(StudioError) as caught:
        await info.get_info(open_client(server.url_of("reader", "pw")))

    assert caught.value.metadata["permission"] == "+info"
