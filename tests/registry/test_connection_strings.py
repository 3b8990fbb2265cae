"""Connection strings: what is shown of them, what is refused, and that parts survive being made into a URL."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.connection_strings import TYPES, Parts, build, parse
from services.registry.connection_strings.common import MAX_LENGTH
from services.runtime.errors import StudioError, reason_name

CANARY = "c4n4ry"

# Every printable ASCII character and everything beyond ASCII that is a character.
ANY_CHARACTER = st.one_of(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E),
    st.characters(min_codepoint=0x80, exclude_categories=["Cs"]),
)
TEXT = st.text(ANY_CHARACTER, max_size=40)
SOME_TEXT = st.text(ANY_CHARACTER, min_size=1, max_size=40)
LABEL = st.text(string.ascii_letters + string.digits, min_size=1, max_size=10)
HOST = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
)
PORT = st.integers(1, 65535)
MONGO_NAME = st.text(ANY_CHARACTER.filter(lambda each: each not in '/\\. "$'), max_size=40)

PARTS = {
    "redis": st.builds(
        Parts, HOST, PORT, TEXT, TEXT, st.one_of(st.just(""), st.integers(0, 99999).map(str)), st.booleans()
    ),
    "postgres": st.builds(Parts, HOST, PORT, SOME_TEXT, TEXT, TEXT, st.booleans()),
    "mongodb": st.builds(Parts, HOST, PORT, SOME_TEXT, SOME_TEXT, MONGO_NAME, st.booleans()),
    "bun_api": st.builds(Parts, HOST, PORT, TEXT, SOME_TEXT, st.just(""), st.booleans()),
}


@pytest.mark.parametrize("type_", TYPES)
@given(data=st.data())
def test_parts_survive_being_made_into_a_url(type_: str, data: st.DataObject) -> None:
    parts = data.draw(PARTS[type_])
    built = build(type_, parts)
    assert built.parts == parts
    assert parse(type_, built.url) == built
    assert built.url.isascii()


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("character", [*map(chr, range(0x21, 0x7F)), " ", "é", "日", "🔑", "\u2028", "\x80"])
def test_every_character_can_stand_in_a_password(type_: str, character: str) -> None:
    for password in (character, f"a{character}b", f"{character}{character}", f"%40{character}"):
        assert build(type_, Parts("host", 1, "user", password)).parts.password == password


@given(st.text(max_size=200))
@pytest.mark.parametrize("type_", TYPES)
def test_any_text_is_read_or_refused_and_what_was_read_is_canonical(type_: str, text: str) -> None:
    for candidate in (text, f"redis://{text}", f"mongodb://{text}", f"postgres://{text}", f"https://{text}"):
        try:
            read = parse(type_, candidate)
        except StudioError:
            continue
        assert read.parts.host
        assert parse(type_, read.url) == read


SHOWN = [
    ("redis", "redis://host", Parts("host", 6379)),
    ("redis", "redis://:pw@host:7000/3", Parts("host", 7000, "", "pw", "3")),
    ("redis", "rediss://user:pw@host/0", Parts("host", 6379, "user", "pw", "0", tls=True)),
    ("redis", "valkeys://user:pw@host", Parts("host", 6379, "user", "pw", tls=True)),
    ("redis", "redis://user:@host", Parts("host", 6379, "user")),
    ("redis", "redis://:a:b@host", Parts("host", 6379, "", "a:b")),
    ("redis", "redis://:p%40ss%2F%3A%23%25%3F@host", Parts("host", 6379, "", "p@ss/:#%?")),
    ("redis", "redis://:a+b@host", Parts("host", 6379, "", "a+b")),
    ("redis", "redis://[::1]:7000", Parts("::1", 7000)),
    (
        "redis",
        "rediss://host?ssl_ca_data=-----BEGIN%20CERTIFICATE-----%0AMII%0A",
        Parts("host", 6379, tls=True),
    ),
    ("redis", "redis://host?db=4", Parts("host", 6379, "", "", "4")),
    ("redis", "unix:///run/redis.sock?db=2", Parts("/run/redis.sock", 0, "", "", "2")),
    ("redis", "unix://user:pw@/run/redis.sock", Parts("/run/redis.sock", 0, "user", "pw")),
    ("redis", "redis+sentinel://:pw@a,b:5000/mymaster/2", Parts("a", 26379, "", "pw", "2")),
    ("redis", "rediss+sentinel://a:1,b:2/mymaster", Parts("a", 1, tls=True)),
    ("redis", "redis+cluster://:pw@a:7000,b:7001", Parts("a", 7000, "", "pw")),
    ("redis", "rediss+cluster://a", Parts("a", 6379, tls=True)),
    ("postgres", "postgres://u:p@h/db", Parts("h", 5432, "u", "p", "db")),
    ("postgres", "postgresql://u@h:1/a%2Fb?sslmode=verify-full", Parts("h", 1, "u", "", "a/b", tls=True)),
    ("postgres", "postgresql://u:p@a,b:2/db", Parts("a", 5432, "u", "p", "db")),
    ("postgres", "postgresql://u:@/db?host=/tmp/s", Parts("/tmp/s", 0, "u", "", "db")),
    ("mongodb", "mongodb://h", Parts("h", 27017)),
    ("mongodb", "mongodb://u:p@a:1,b:2/db?replicaSet=rs&authSource=admin", Parts("a", 1, "u", "p", "db")),
    (
        "mongodb",
        "mongodb+srv://u:p@cluster.example.net/db",
        Parts("cluster.example.net", 0, "u", "p", "db", tls=True),
    ),
    ("mongodb", "mongodb+srv://cluster.example.net/?tls=false", Parts("cluster.example.net")),
    ("mongodb", "mongodb://h/?ssl=true", Parts("h", 27017, tls=True)),
    ("mongodb", "mongodb://h?tls=true", Parts("h", 27017, tls=True)),
    (
        "mongodb",
        "mongodb://%2Ftmp%2Fmongodb-27017.sock/db",
        Parts("/tmp/mongodb-27017.sock", 0, "", "", "db"),
    ),
    ("mongodb", "mongodb://CN%3Dme@h/?authMechanism=MONGODB-X509", Parts("h", 27017, "CN=me")),
    ("mongodb", "mongodb://h/?someNewOption=1", Parts("h", 27017)),
    ("bun_api", "https://host", Parts("host", 443, tls=True)),
    ("bun_api", "http://:key@host:3000/api/v1", Parts("host", 3000, "", "key")),
    ("bun_api", "https://user:key@host/", Parts("host", 443, "user", "key", tls=True)),
]


@pytest.mark.parametrize(("type_", "url", "parts"), SHOWN, ids=[url for _, url, _ in SHOWN])
def test_what_a_url_says(type_: str, url: str, parts: Parts) -> None:
    assert parse(type_, url).parts == parts


REFUSED = [
    # A raw reserved character in the password: the sentence names its encoding.
    ("redis", f"redis://:{CANARY}@x@host", "%40"),
    ("redis", f"redis://:{CANARY}/x@host", "%2F"),
    ("redis", f"redis://:{CANARY}#x@host", "%23"),
    ("redis", f"redis://:{CANARY}?x@host", "%3F"),
    ("redis", f"redis://:{CANARY}%x@host", "%25"),
    ("redis", f"redis://:x/{CANARY}@host:6379/0", "%2F"),
    ("postgres", f"postgres://u:{CANARY}@x@host/db", "%40"),
    ("postgres", f"postgres://u:{CANARY}/x@host/db", "%2F"),
    ("mongodb", f"mongodb://u:{CANARY}:x@host", "%3A"),
    ("mongodb", f"mongodb://u:{CANARY}@x@host", "%40"),
    ("bun_api", f"https://:{CANARY}#x@host", "%23"),
    # Nothing, or not text.
    ("redis", "", "empty"),
    ("redis", f" redis://:{CANARY}@host", "white space"),
    ("redis", f"redis://:{CANARY}@host\n", "white space"),
    ("redis", f"redis://:{CANARY} x@host", "%20"),
    ("redis", f"redis://:{CANARY}\x00@host", "control character"),
    ("redis", f"redis://:{CANARY}%00@host", "control character"),
    ("bun_api", f"https://:{CANARY}%0D%0Ax@host", "control character"),
    ("redis", f"redis://:{CANARY}%FF@host", "UTF-8"),
    ("redis", f"redis://:{CANARY}{'x' * MAX_LENGTH}@host", "longer than"),
    ("redis", f"redis://:{CANARY}{'é' * (MAX_LENGTH // 3)}@host", "longer than"),
    # Another engine's, or none.
    ("redis", f"mongodb://u:{CANARY}@host", "belongs to type mongodb"),
    ("mongodb", f"redis://:{CANARY}@host", "belongs to type redis"),
    ("postgres", f"https://:{CANARY}@host", "belongs to type bun_api"),
    ("bun_api", f"postgres://u:{CANARY}@host", "belongs to type postgres"),
    ("redis", f"{CANARY}://host", "begins with one of redis://"),
    ("redis", f"host:6379:{CANARY}", "begins with one of redis://"),
    # No host, or none that is one.
    ("redis", "redis://", "no host"),
    ("redis", f"redis://:{CANARY}@", "no host"),
    ("redis", f"redis://:{CANARY}@:6379", "no host"),
    ("postgres", f"postgres://u:{CANARY}@/db", "no host"),
    ("mongodb", f"mongodb://u:{CANARY}@/db", "no host"),
    ("mongodb", f"mongodb://u:{CANARY}@a,,b/db", "no host"),
    ("mongodb+srv", "mongodb+srv://", "no host"),
    ("bun_api", f"https://:{CANARY}@/base", "no host"),
    ("redis", "redis://ho_st!", "no valid name"),
    ("redis", "redis://hö.st", "xn--"),
    ("redis", "redis://a..b", "no valid name"),
    ("redis", "redis://[::1", "brackets"),
    ("redis", "redis://[zz]:1", "IPv6"),
    ("redis", "redis://[fe80::1%25eth0]", "zone"),
    ("redis", "redis://::1", "brackets"),
    ("redis", "redis://a,b", "several hosts"),
    # Ports.
    ("redis", "redis://host:", "port must be a number"),
    ("redis", "redis://host:0", "port must be a number"),
    ("redis", "redis://host:65536", "port must be a number"),
    ("redis", "redis://host:-1", "port must be a number"),
    ("redis", "redis://host:٣", "port must be a number"),
    ("redis", f"redis://host:{CANARY}", "port must be a number"),
    ("mongodb", "mongodb+srv://host.example.net:27017", "without a port"),
    ("mongodb", "mongodb+srv://a.example.net,b.example.net", "one host name"),
    # Rules of one engine.
    ("redis", f"redis://{CANARY}@host", ":password@"),
    ("redis", "redis://host/zero", "is a number"),
    ("redis", "redis://host/-1", "is a number"),
    ("redis", "redis://host/1/2", "database number alone"),
    ("redis", "redis://host/1?db=2", "twice"),
    ("redis", f"redis://host?password={CANARY}", "password can't be given as an option"),
    ("redis", "redis://host?db", "key=value"),
    ("redis", "unix://host/x", "absolute path"),
    ("redis", "unix://", "absolute path"),
    ("redis", "redis+sentinel://host", "names the service"),
    ("redis", "redis+cluster://host/1", "database 0 only"),
    ("postgres", f"postgres://:{CANARY}@host", "user name"),
    ("postgres", f"postgres://u@host?password={CANARY}", "password can't be given as a parameter"),
    ("postgres", "postgres://u@host?hostaddr=1.2.3.4", "hostaddr can't be given"),
    ("postgres", "postgres://u@host?sslmode=maybe", "sslmode is one of"),
    ("postgres", "postgres://u@host/a/b", "%2F"),
    ("postgres", "postgres://u@host/db?host=/tmp", "twice"),
    ("postgres", "postgres://u@/db?host=example.net", "Unix socket"),
    ("mongodb", f"mongodb://:{CANARY}@host", "user name must stand"),
    ("mongodb", f"mongodb://{CANARY}@host", "no password"),
    ("mongodb", "mongodb://host/a.b", "name of a MongoDB database"),
    ("mongodb", "mongodb://host/?maxPoolSize=many", "maxPoolSize has a value"),
    ("mongodb", f"mongodb://host/?authMechanism={CANARY}", "authMechanism has a value"),
    ("mongodb", "mongodb://host/?tls=true&ssl=false", "can't differ"),
    ("mongodb", "mongodb://a,b/?directConnection=true", "single host"),
    ("bun_api", f"https://host?apiKey={CANARY}", 'no "?"'),
    ("bun_api", f"https://{CANARY}@host", "without a key"),
    ("bun_api", "https://host/a/../b", "segments"),
]


@pytest.mark.parametrize(("type_", "url", "says"), REFUSED, ids=[ascii(url)[:60] for _, url, _ in REFUSED])
def test_what_is_refused_and_why(type_: str, url: str, says: str) -> None:
    with pytest.raises(StudioError) as refused:
        parse(type_.partition("+")[0], url)
    assert reason_name(refused.value.reason) == "INVALID_CONNECTION_STRING"
    assert says in refused.value.message
    assert CANARY not in refused.value.message
    assert [each.field for each in refused.value.violations] != []


@pytest.mark.parametrize(
    ("type_", "parts", "says"),
    [
        ("redis", Parts("redis://host"), "is a URL"),
        ("redis", Parts("host:6379"), "IPv6"),
        ("redis", Parts("ho st"), "no valid name"),
        ("redis", Parts("user@host"), "no valid name"),
        ("redis", Parts("host", database_name="one"), "is a number"),
        ("redis", Parts("/run/redis.sock", tls=True), "neither a port nor TLS"),
        ("postgres", Parts("/run", 5432), "neither a port nor TLS"),
        ("postgres", Parts("host", password=CANARY), "user name"),
        ("mongodb", Parts("/tmp/m.sock", 1), "no port"),
        ("mongodb", Parts("host", username="u"), "no password"),
        ("mongodb", Parts("host", database_name="a b"), "MongoDB database"),
        ("bun_api", Parts("host", database_name="x"), "no database name"),
    ],
)
def test_parts_that_make_no_url(type_: str, parts: Parts, says: str) -> None:
    with pytest.raises(StudioError) as refused:
        build(type_, parts)
    assert says in refused.value.message
    assert CANARY not in refused.value.message


@pytest.mark.parametrize(
    ("type_", "parts", "url"),
    [
        ("redis", Parts("/run/my redis.sock", database_name="1"), "unix:///run/my%20redis.sock?db=1"),
        ("postgres", Parts("/run/pg", username="u", database_name="d"), "postgresql://u@/d?host=%2Frun%2Fpg"),
        ("mongodb", Parts("/tmp/m.sock"), "mongodb://%2Ftmp%2Fm.sock/"),
        ("redis", Parts("::1", 1), "redis://[::1]:1"),
        ("redis", Parts("[::1]", 1), "redis://[::1]:1"),
    ],
)
def test_sockets_and_ipv6_are_written_as_each_engine_wants(type_: str, parts: Parts, url: str) -> None:
    assert build(type_, parts).url == url


def test_the_url_and_the_password_are_not_shown_by_repr() -> None:
    read = parse("redis", f"redis://:{CANARY}@host")
    assert CANARY not in repr(read)
    assert CANARY not in repr(read.parts)


def test_the_canonical_url_keeps_options_and_encodes_what_readers_dispute() -> None:
    # PyMongo reads a plus as a space, others as a plus; encoded, it is a plus to all.
    assert parse("mongodb", "mongodb://u:a+b@h/db?w=majority").url == "mongodb://u:a%2Bb@h/db?w=majority"
    assert parse("redis", "redis://:пароль@h/0?protocol=3").url == (
        "redis://:%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C@h/0?protocol=3"
    )
