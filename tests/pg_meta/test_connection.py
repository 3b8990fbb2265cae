"""What pg-meta is told of a connection: `pg` reads what was registered, and dials the address that was checked."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from services.registry import connection_strings
from services.registry.connection_strings import Parts
from services.registry.pg_meta.connection import Dialling, for_pg_meta
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError
from tests.pg_meta.harness import run_node

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
DIALLING = Dialling(AddressPolicy(), allow_unix=True)

# As pg-meta itself does with its connection string (`dist/lib/db.js`), before `pg` reads it.
READ = """
    const parse = require('pg-connection-string').parse;
    output = input.map((text) => {
        const url = new URL(text.trim());
        const sslmode = url.searchParams.get('sslmode');
        for (const name of ['sslmode', 'sslca', 'sslkey', 'sslcert', 'sslrootcert']) url.searchParams.delete(name);
        return {...parse(url.toString()), sslmode};
    })
"""


async def read_by_pg(*texts: str, read_only: bool = False) -> list[dict[str, Any]]:
    made = [await for_pg_meta(text, DIALLING, read_only=read_only) for text in texts]
    found: list[dict[str, Any]] = run_node(READ, made)
    return found


async def test_pg_reads_each_character_as_it_was_registered() -> None:
    parts = [
        *(Parts("127.0.0.1", 5433, f"u{each}", f"p{each}", "db") for each in PRINTABLE),
        Parts("127.0.0.1", 1, "ünï", "пароль 密码 🔑", "датабаза 🔑"),
        Parts("127.0.0.1", 1, PRINTABLE, PRINTABLE, "a b;c:d@e&f=g+h$i,j'k\"l%m<n>o^p`q{r|s}t[u]v!w*x(y)z~"),
        Parts("127.0.0.1", 1, "u", "p", "a/b"),
    ]
    texts = [connection_strings.build("postgres", each).url for each in parts]
    for registered, read in zip(parts, await read_by_pg(*texts), strict=True):
        assert (read["host"], read["port"]) == (registered.host, str(registered.port))
        assert (read["user"], read["password"]) == (registered.username, registered.password)
        assert read["database"] == registered.database_name


async def test_pg_reads_other_forms() -> None:
    v6, socket_, bare = await read_by_pg(
        "postgresql://u:p@[::1]:5433/db", "postgresql://u:p@/db?host=/run/postgresql", "postgres://127.0.0.1"
    )
    assert (v6["host"], v6["port"]) == ("::1", "5433")
    assert (socket_["host"], socket_["user"], socket_["password"]) == ("/run/postgresql", "u", "p")
    assert (bare["host"], bare["port"], bare["database"]) == ("127.0.0.1", "5432", None)


async def test_only_known_options_are_passed_on() -> None:
    # `pg` would take each of these for a setting of its own.
    dangerous = "database=other&stream=x&ssl=0&sslrootcert=/etc/passwd&Client=x&max=1&uselibpqcompat=true"
    (read,) = await read_by_pg(
        f"postgresql://u:p@127.0.0.1/db?{dangerous}&application_name=mine&options=-c%20a%3Db"
    )
    assert read.keys() == {
        "user",
        "password",
        "host",
        "port",
        "database",
        "options",
        "application_name",
        "sslmode",
    }
    assert (read["database"], read["options"], read["application_name"]) == ("db", "-c a=b", "mine")


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ("", "disable"),
        ("disable", "disable"),
        ("allow", "disable"),
        ("prefer", "disable"),
        ("require", "require"),
        # pg-meta would not check anything.
        ("verify-ca", "verify-full"),
        ("verify-full", "verify-full"),
    ],
)
async def test_tls_is_at_least_what_was_asked_for(given: str, passed: str) -> None:
    (read,) = await read_by_pg(f"postgresql://u:p@127.0.0.1/db{f'?sslmode={given}' if given else ''}")
    assert read["sslmode"] == passed


async def test_the_last_option_of_a_read_only_session_is_ours() -> None:
    text = "postgresql://u:p@127.0.0.1/db?options=-c%20default_transaction_read_only%3Doff"
    (read,) = await read_by_pg(text, read_only=True)
    assert read["options"] == "-c default_transaction_read_only=off -c default_transaction_read_only=on"


@pytest.mark.parametrize("name", ["a?b", "a#b", "a\\b", "..", ".", "a/../b", "a//b", "a/"])
async def test_a_database_that_no_url_can_name_is_refused(name: str) -> None:
    text = connection_strings.build("postgres", Parts("127.0.0.1", 1, database_name=name)).url
    with pytest.raises(StudioError) as raised:
        await for_pg_meta(text, DIALLING, read_only=False)
    assert raised.value.reason_name == "NOT_SUPPORTED"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "0.0.0.0",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "100.100.100.200",
    ],
)
async def test_an_address_that_must_not_be_dialled_is_not(host: str) -> None:
    with pytest.raises(StudioError) as raised:
        await for_pg_meta(f"postgresql://u:p@{host}/db", DIALLING, read_only=False)
    assert raised.value.reason_name == "DB_ADDRESS_DENIED"


async def test_unix_sockets_are_dialled_where_the_operator_says_so() -> None:
    with pytest.raises(StudioError) as raised:
        await for_pg_meta("postgresql:///db?host=/run/x", Dialling(AddressPolicy()), read_only=False)
    assert raised.value.reason_name == "DB_ADDRESS_DENIED"


async def test_pg_meta_gets_the_address_and_not_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # A name that leads elsewhere the second time would get past the check otherwise.
    answers = iter(["192.0.2.7", "169.254.169.254"])

    def resolve(_host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    made = await for_pg_meta("postgresql://u:p@db.test:5433/x?sslmode=require", DIALLING, read_only=False)
    assert made == "postgresql://u:p@192.0.2.7:5433/x?sslmode=require"
    with pytest.raises(StudioError):
        await for_pg_meta("postgresql://u:p@db.test/x", DIALLING, read_only=False)


async def test_the_name_travels_where_the_server_must_prove_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 5432))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    made = await for_pg_meta("postgresql://u:p@db.test/x?sslmode=verify-full", DIALLING, read_only=False)
    assert made.startswith("postgresql://u:p@db.test:5432/x?")


async def test_of_several_addresses_the_one_that_answers_is_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        made = await for_pg_meta(f"postgresql://u:p@localhost:{port}/x", DIALLING, read_only=False)
    assert f"@127.0.0.1:{port}/" in made
