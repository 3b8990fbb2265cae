"""Connection strings: what is understood, and what is said of those that are not."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.topology import Announced, Topology
from services.redis_svc.url import RedisOptions, TlsOptions, parse
from services.runtime.databases import is_read_only
from services.runtime.errors import StudioError

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://cache", RedisOptions("cache", 6379)),
        ("redis://cache:6380/3", RedisOptions("cache", 6380, database=3)),
        ("REDIS://Cache.example:6380/", RedisOptions("Cache.example", 6380)),
        ("valkey://cache", RedisOptions("cache", 6379)),
        ("redis://:pw@cache", RedisOptions("cache", 6379, password=b"pw")),
        ("redis://:@cache", RedisOptions("cache", 6379)),
        ("redis://bob:pw@cache", RedisOptions("cache", 6379, username=b"bob", password=b"pw")),
        ("redis://bob@cache", RedisOptions("cache", 6379, username=b"bob", password=b"")),
        ("redis://bob:@cache", RedisOptions("cache", 6379, username=b"bob", password=b"")),
        ("redis://:p@ss@cache", RedisOptions("cache", 6379, password=b"p@ss")),
        ("redis://:a:b@cache", RedisOptions("cache", 6379, password=b"a:b")),
        ("redis://:%FF%00@cache", RedisOptions("cache", 6379, password=b"\xff\x00")),
        ("redis://[::1]:7000/1", RedisOptions("::1", 7000, database=1)),
        ("redis://[2001:db8::5]", RedisOptions("2001:db8::5", 6379)),
        ("redis://cache?db=4", RedisOptions("cache", 6379, database=4)),
        ("redis://cache?family=0&protocol=3&socket_timeout=5", RedisOptions("cache", 6379)),
        ("  redis://cache\n", RedisOptions("cache", 6379)),
        ("unix:///run/redis.sock?db=2", RedisOptions("", 0, path="/run/redis.sock", database=2)),
        (
            "unix://bob:pw@/run/r%20s.sock",
            RedisOptions("", 0, path="/run/r s.sock", username=b"bob", password=b"pw"),
        ),
    ],
)
def test_a_url_is_understood(text: str, expected: RedisOptions) -> None:
    assert parse(text) == expected


@given(user=st.text(min_size=1, max_size=20), password=st.text(min_size=1, max_size=20))
def test_an_encoded_user_and_password_come_back_whatever_they_hold(user: str, password: str) -> None:
    options = parse(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@cache:1/2")

    assert (options.username, options.password) == (user.encode(), password.encode())
    assert (options.host, options.port, options.database) == ("cache", 1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a URL"),
        ("cache:6379", "not a URL"),
        ("mongodb://cache", "does not begin with mongodb://"),
        ("postgres://cache/db", "does not begin with postgres://"),
        ("http://cache", "does not begin with http://"),
        ("redis://", "no host"),
        ("redis:///0", "no host"),
        (f"redis://:{SECRET}@/0", "no host"),
        ("redis://cache:port", "port"),
        ("redis://cache:0", "port"),
        ("redis://cache:65536", "port"),
        ("redis://cache:" + "9" * 5000, "port"),
        ("redis://cache:-1", "port"),
        ("redis://cache:\u0663", "port"),
        ("redis://cache/zero", "no number"),
        ("redis://cache/-1", "no number"),
        ("redis://cache/1/2", "no number"),
        ("redis://cache?db=x", "no number"),
        ("redis://::1", "colons"),
        ("redis://[::1", "IPv6"),
        ("redis://[::1]6379", "IPv6"),
        ("redis://[cache]", "IPv6"),
        ("redis://ca che", "space"),
        ("redis://cache\x00", "control character"),
        (f"redis://:{SECRET}/x@cache", "/ before its @"),
        (f"redis://:{SECRET}#x@cache", "#"),
        (f"redis://:{SECRET}?x@cache", "? before its @"),
        (f"redis://:{SECRET}%x@cache", "%"),
        (f"redis://:{SECRET}%@cache", "%"),
        ("redis://cache?ssl_cert_req=none", "no option ssl_cert_req"),
        ("rediss://cache?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        ("rediss://cache?ssl_check_hostname=maybe", "ssl_check_hostname"),
        ("rediss://cache?ssl_ca_certs=/etc/ssl/ca.pem", "names a file"),
        ("rediss://cache?ssl_keyfile=/etc/shadow", "names a file"),
        ("unix://run/redis.sock", "absolute path"),
        ("redis+sentinel://a:26379,b:26379", "does not name the Sentinels' master"),
        ("redis+sentinel://a/no%20name", "does not name the Sentinels' master"),
        ("redis+sentinel://a/main/first", "no number"),
        ("redis+sentinel://a,/main", "has no host"),
        ("redis://a:26379?sentinel_master=main", "master of Sentinels is not given as the option"),
        ("redis+cluster://a:7000/3", "Cluster has database 0 only"),
        ("redis+cluster://a:7000?nat_map=x", "nat_map can't be used"),
        ("redis+cluster://a:7000?nat_map=x=y:port", "nat_map can't be used"),
        ("redis+cluster://" + ",".join(f"h{n}" for n in range(33)), "more than 32 servers"),
        ("redis://a:7000,b:7000", "several hosts"),
        ("redis://a:7000?cluster=true", "Cluster is not given by an option"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(StudioError) as caught:
        parse(text)

    error = caught.value
    assert error.reason_name == "INVALID_CONNECTION_STRING"
    assert says in error.message
    assert error.hint
    assert error.metadata["stage"] == "parse"
    assert SECRET not in error.message + error.hint


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused_and_nothing_else(text: str) -> None:
    for candidate in (text, f"redis://{text}", f"rediss://u:{text}@host/0", f"unix://{text}"):
        with contextlib.suppress(StudioError):
            parse(candidate)


def test_tls_verifies_unless_told_otherwise() -> None:
    assert parse("rediss://cache").tls == TlsOptions()
    assert parse("redis://cache").tls is None
    assert parse("rediss://cache?ssl_cert_reqs=none").tls == TlsOptions(verify=False, check_hostname=False)
    assert parse("rediss://cache?ssl_check_hostname=false").tls == TlsOptions(check_hostname=False)


def test_an_authority_comes_from_the_url_or_from_the_settings_that_are_not_secret() -> None:
    config = {"tls_ca_pem": "PEM", "tls_server_name": "cache.internal"}

    assert parse("rediss://cache", config).tls == TlsOptions(ca_pem="PEM", server_name="cache.internal")
    assert parse("rediss://cache?ssl_ca_data=A%0AB", config).tls == TlsOptions(
        ca_pem="A\nB", server_name="cache.internal"
    )


def test_a_password_or_a_private_key_is_not_printed() -> None:
    assert SECRET not in repr(parse(f"rediss://:{SECRET}@cache?ssl_cert_data=C&ssl_key_data={SECRET}"))


def test_sentinels_their_master_and_their_own_login() -> None:
    options = parse(
        "rediss+sentinel://app:p%40ss@one,two:7001,[::1]/my.master/3?sentinel_username=s&sentinel_password=%23"
    )

    assert options.topology is Topology.SENTINEL
    assert options.seeds == (("one", 26379), ("two", 7001), ("::1", 26379))
    assert (options.master_name, options.database) == ("my.master", 3)
    assert (options.username, options.password) == (b"app", b"p@ss")
    assert (options.sentinel_username, options.sentinel_password) == (b"s", b"#")
    assert options.tls is not None
    assert "#" not in repr(options)


@pytest.mark.parametrize("scheme", ["redis+cluster", "redis-cluster", "valkey+cluster"])
def test_a_cluster_by_some_of_its_nodes(scheme: str) -> None:
    options = parse(f"{scheme}://:secret@one:7000,two/")

    assert options.topology is Topology.CLUSTER
    assert options.seeds == (("one", 7000), ("two", 6379))
    assert options.tls is None


@pytest.mark.parametrize(
    ("query", "config"),
    [
        ("?nat_map=10.0.0.1:6379=out:7001,10.0.0.2=out", {}),
        ("", {"nat_map": {"10.0.0.1:6379": "out:7001", "10.0.0.2": "out"}}),
    ],
)
def test_where_to_reach_what_announces_itself_elsewhere(query: str, config: dict[str, object]) -> None:
    options = parse(f"redis+cluster://seed{query}", config)
    announced = Announced(options.nat_map, options.use_seed_host)

    assert announced.reach("10.0.0.1", 6379, "seed") == ("out", 7001)
    assert announced.reach("10.0.0.2", 6380, "seed") == ("out", 6380)
    assert announced.reach("10.0.0.3", 6379, "seed") == ("10.0.0.3", 6379)
    assert announced.reach("?", 6379, "seed") == ("seed", 6379)
    assert announced.reach("", 6379, "seed") == ("seed", 6379)


@pytest.mark.parametrize(("query", "config"), [("?use_seed_host=true", {}), ("", {"use_seed_host": True})])
def test_the_hosts_own_name_for_all_nodes(query: str, config: dict[str, object]) -> None:
    options = parse(f"redis+cluster://seed{query}", config)

    assert Announced(options.nat_map, options.use_seed_host).reach("10.0.0.3", 7003, "seed") == ("seed", 7003)


@pytest.mark.parametrize(
    ("value", "read_only"),
    [
        (True, True),
        ("true", True),
        (1, True),
        ("yes", True),
        (False, False),
        (None, False),
        ("false", False),
        ("", False),
    ],
)
def test_what_marks_a_database_as_read_only(value: object, read_only: bool) -> None:  # noqa: FBT001  a column of the table
    for name in ("read_only", "readOnly", "read-only"):
        assert is_read_only({name: value}) is read_only
    assert is_read_only({"read_only": value, "readOnly": True}) is True
    assert is_read_only({}) is False
